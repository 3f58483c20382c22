"""Media that come without a name, as through a pipe: kept in a file for as long as they are needed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from avsearch.errors import MediaError

HEAD_BYTES = 32
_PICTURES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"BM", ".bmp"),
    (b"P5", ".pgm"),
    (b"P6", ".ppm"),
)
_STILL_BRANDS = {b"avif": ".avif", b"heic": ".heic", b"heix": ".heic", b"mif1": ".heic", b"hevx": ".heic"}


def picture_suffix(head: bytes) -> str:
    """The suffix of a picture's name, by its first 32 bytes; empty for what is no picture that is read here."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[4:8] == b"ftyp":
        return _STILL_BRANDS.get(head[8:12], "")
    return next((suffix for begin, suffix in _PICTURES if head.startswith(begin)), "")


@contextmanager
def kept(stream: BinaryIO, *, name: str) -> Iterator[Path]:
    """The whole stream as a file that goes afterwards.

    Args:
        stream: read to its end.
        name: what messages call it.

    Raises:
        MediaError: nothing comes, or it does not fit onto the disk.
    """
    head = stream.read(HEAD_BYTES)
    if not head:
        raise MediaError(f"{name}: nothing came.", hint="Pipe a picture, a sound or a video into it.")
    with tempfile.TemporaryDirectory(prefix="avsearch-") as folder:
        path = Path(folder) / f"{name}{picture_suffix(head)}"
        try:
            with path.open("wb") as file:
                file.write(head)
                shutil.copyfileobj(stream, file)
        except OSError as error:
            raise MediaError(
                f"{name}: cannot be kept ({error.strerror}).", hint="Make room in the temporary folder (TMPDIR)."
            ) from error
        yield path
