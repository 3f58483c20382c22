"""One writer a library, by a lock that dies with its holder.

With a catalog on a server the server's lock decides, and this one is only for a backup that holds `writer.lock`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from avsearch.errors import LibraryError
from avsearch.library.layout import LOCK_NAME


@contextmanager
def write_lock(directory: Path, *, is_alone: bool = True) -> Iterator[None]:
    """Hold the right to write to a library; the file itself stays.

    Args:
        directory: of the library.
        is_alone: whether nobody else may have it too; indexers share it where they share the catalog.

    Raises:
        LibraryError: another process has it, or the directory cannot be written.
    """
    path = directory / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise LibraryError(
            f"{directory}: the library cannot be written ({error.strerror}).", hint="Check its permissions."
        ) from error
    try:
        _lock(descriptor, directory, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def is_held(error: LibraryError) -> bool:
    """Whether it is the error of a lock that another process has."""
    return isinstance(error.__cause__, BlockingIOError)


def _lock(descriptor: int, directory: Path, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"
        raise LibraryError(
            f"{directory}: another avsearch writes to this library (process {holder}).",
            hint="Wait until it is done.",
        ) from error
    except OSError as error:
        raise LibraryError(
            f"{directory}: the library cannot be locked ({error.strerror}).",
            hint="Put it on a file system that has locks.",
        ) from error
    with suppress(OSError):  # on a full disk the holder stays unknown; `compact` may be what gives room
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
