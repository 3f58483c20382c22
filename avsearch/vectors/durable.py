"""Files that are whole or absent, also after a crash or a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from avsearch.errors import LibraryError, unwritable

ASIDE_SUFFIX = ".partial"
_COPY_BYTES = 1 << 20


def write_durably(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file as `written_aside` does.

    Raises:
        LibraryError: the disk is full, or the folder cannot be written.
    """
    with written_aside(path) as file:
        for part in parts:
            file.write(part)


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file in the same way; several processes may make the same copy at once.

    Raises:
        LibraryError: as `write_durably`.
    """
    with source.open("rb") as read, written_aside(target, under=f"{target.name}.{uuid4().hex}") as written:
        for part in iter(lambda: read.read(_COPY_BYTES), b""):
            written.write(part)


@contextmanager
def written_aside(path: Path, *, under: str = "") -> Iterator[BinaryIO]:
    """Write aside, fsync, rename, fsync the directory; a file of that name is replaced in one step.

    Args:
        path: of the file, once it is whole.
        under: the name that it has until then, but for its suffix; by default the same.

    Raises:
        LibraryError: the disk is full, or the folder cannot be written.
    """
    aside = path.with_name((under or path.name) + ASIDE_SUFFIX)
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_directory(path.parent)
    except BaseException as error:
        aside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(LibraryError, path, error.strerror) from error
        raise


def sync_directory(directory: Path) -> None:
    """A renamed file survives a power cut only once its directory is on the disk too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
