"""Pictures of few bytes that would take Pillow hours or gigabytes; they are found before it opens them."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import BinaryIO

from avsearch.errors import MediaError
from avsearch.media.safety import open_file

MAX_BYTES = 640 << 20  # 8192 x 8192 in 16 bits RGBA, and room for what cameras add; some formats are read whole
MAX_SCANS = 100  # of a JPEG; encoders write about ten, and each takes as long as a whole picture
MAX_TILES = 1 << 18  # of a TIFF: 8192 x 8192 in tiles of 16 x 16; Pillow keeps 300 bytes for each
_SCAN = b"\xff\xda"
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324
_HINT = "Convert it to PNG with another program, if you know what it is."


def open_picture(path: Path) -> BinaryIO:
    """Open a file that Pillow is to read, at its beginning.

    Raises:
        MediaError: it is no regular file, or it has more bytes, a JPEG more scans, a TIFF more tiles than any
            real picture.
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
    head = file.read(16)
    if head.startswith(b"\xff\xd8") and _has_too_many_scans(file):
        raise MediaError(f"{path}: is a JPEG of more than {MAX_SCANS} scans.", hint=_HINT)
    if head[:2] in {b"II", b"MM"} and (num_tiles := _num_tiles(file, head)) > MAX_TILES:
        raise MediaError(f"{path}: {num_tiles} tiles are too many for a picture.", hint=_HINT)


def _has_too_many_scans(file: BinaryIO) -> bool:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = -1
        for _ in range(MAX_SCANS + 1):
            at = content.find(_SCAN, at + 1)
            if at < 0:
                return False
    return True


def _num_tiles(file: BinaryIO, head: bytes) -> int:
    """How many parts the first picture of a TIFF has by its directory; 0 where there is none to read."""
    order = "<" if head[:2] == b"II" else ">"
    is_big = head[2:4] in {b"\x2b\0", b"\0\x2b"}
    count_format, entry_format = (f"{order}Q", f"{order}HHQ8x") if is_big else (f"{order}H", f"{order}HHL4x")
    try:
        (first,) = struct.unpack_from(f"{order}Q" if is_big else f"{order}L", head, 8 if is_big else 4)
        file.seek(first)
        (num_entries,) = struct.unpack(count_format, file.read(struct.calcsize(count_format)))
        directory = file.read(min(num_entries, 1 << 16) * struct.calcsize(entry_format))
        entries = struct.iter_unpack(entry_format, directory)
        return max((count for tag, _, count in entries if tag in {_STRIP_OFFSETS, _TILE_OFFSETS}), default=0)
    except (struct.error, OSError, ValueError, OverflowError):
        return 0  # Pillow says better what is wrong with it
