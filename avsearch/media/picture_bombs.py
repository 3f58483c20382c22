"""Pictures of few bytes that would take Pillow hours or gigabytes; they are found before it opens them."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from avsearch.errors import MediaError
from avsearch.media.safety import open_file

MAX_BYTES = 640 << 20  # 8192 x 8192 in 16 bits RGBA, and room for what cameras add; some formats are read whole
MAX_SCANS = 100  # of a JPEG; encoders write about ten, and each takes as long as a whole picture
MAX_VALUES = 1 << 18  # in a table of a TIFF: 8192 x 8192 in tiles of 16 x 16; Pillow keeps 300 bytes for each
_SCAN = b"\xff\xda"
_BYTES = {1, 2, 7}  # types of entries that stay as they are: profiles, comments
_MOST_ENTRIES = 1 << 16
_READ_BYTES = 1 << 20
_HINT = "Convert it to PNG with another program, if you know what it is."


def open_picture(path: Path) -> BinaryIO:
    """Open a file that Pillow is to read, at its beginning.

    Raises:
        MediaError: it is no regular file, or it has more bytes, a JPEG more scans, a TIFF longer tables than
            any real picture.
        OSError: it cannot be opened.
    """
    file = open_file(path)
    try:
        _refuse_bomb(path, file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _refuse_bomb(path: Path, file: BinaryIO) -> None:
    if (size := os.fstat(file.fileno()).st_size) > MAX_BYTES:
        raise MediaError(f"{path}: {size >> 20} MiB are too many for a picture.", hint=_HINT)
    head = file.read(16).ljust(16, b"\0")
    if head.startswith(b"\xff\xd8") and _has_too_many_scans(file):
        raise MediaError(f"{path}: is a JPEG of more than {MAX_SCANS} scans.", hint=_HINT)
    if head[:2] in {b"II", b"MM"} and (num_values := _num_values(file, head)) > MAX_VALUES:
        raise MediaError(f"{path}: {num_values} values in one table are too many for a picture.", hint=_HINT)


def _has_too_many_scans(file: BinaryIO) -> bool:
    num_scans, before = 0, b""
    while num_scans <= MAX_SCANS and (block := file.read(_READ_BYTES)):
        num_scans += (before + block).count(_SCAN)
        before = block[-1:]
    return num_scans > MAX_SCANS


def _num_values(file: BinaryIO, head: bytes) -> int:
    """The most numbers that a table of a TIFF's first picture has, such as where its tiles lie."""
    order = "<" if head[:2] == b"II" else ">"
    counts = []
    if 43 in head[2:4]:
        counts.append(
            _longest_table(file, struct.unpack_from(f"{order}Q", head, 8)[0], f"{order}Q", f"{order}HHQ8x")
        )
    if head[2] != 43:  # Pillow takes a big-endian BigTIFF for a classic one
        counts.append(
            _longest_table(file, struct.unpack_from(f"{order}L", head, 4)[0], f"{order}H", f"{order}HHL4x")
        )
    return max(counts)


def _longest_table(file: BinaryIO, at: int, count_format: str, entry_format: str) -> int:
    try:
        file.seek(at)
        (num_entries,) = struct.unpack(count_format, file.read(struct.calcsize(count_format)))
        size = struct.calcsize(entry_format)
        directory = file.read(min(num_entries, _MOST_ENTRIES) * size)
        entries = struct.iter_unpack(entry_format, directory[: len(directory) // size * size])
        return max((count for _, kind, count in entries if kind not in _BYTES), default=0)
    except (struct.error, OSError, ValueError, OverflowError):
        return 0  # Pillow says better what is wrong with it
