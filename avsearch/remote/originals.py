"""Media from behind a URL, copied to this machine for as long as they are read; all copies together are bounded.

Processes share the folder. Whoever reads a copy holds a lock on it, which dies with the process; what nobody holds
makes room for others, those not used for longest first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

import platformdirs

from avsearch.errors import LibraryError, MediaError, StorageError
from avsearch.remote.addresses import address, checked, is_remote
from avsearch.remote.copies import LIMIT_VARIABLE, files_in, limit_bytes
from avsearch.remote.footage import Version, fetch, version_of

_PARTIAL = ".partial"
_ROOM_LOCK = "room.lock"
_LOOK_EVERY_S = 0.1
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
_ROOM_HINT = "Make room there, or name another folder with XDG_CACHE_HOME; then index with --retry-failed."
_LIMIT_HINT = f"Allow more with {LIMIT_VARIABLE}, in gigabytes; then index with --retry-failed."


class Originals:
    """Copies in a folder, `most_bytes` together, under names that say nothing of where they come from."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes

    @contextmanager
    def at_hand(
        self, path: Path, version: Version, *, lasts: bool, still: Callable[[], None] = lambda: None
    ) -> Iterator[Path]:
        """A copy of an object, which is there until the block ends.

        Args:
            path: the object.
            version: as it has to be.
            lasts: whether the copy may stay afterwards, as long as there is room. Without that, one waits for
                room that others take; nobody can wait who has a copy already.
            still: called while one waits; what it raises ends the waiting.

        Raises:
            MediaError: it became another one, or is larger than what is allowed or free.
            StorageError: the store does not answer, or refuses; or the room is taken.
            LibraryError: the folder cannot be written.
        """
        copy = self.folder / _name(path, version)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            held = _hold(copy, version) or self._fetch(path, version, copy, waits=not lasts, still=still)
        except OSError as error:
            raise LibraryError(
                f"{self.folder}: copies cannot be kept there ({error.strerror}).",
                hint="Name another folder with XDG_CACHE_HOME.",
            ) from error
        try:
            yield copy
        finally:
            if not lasts:
                _remove(copy, held)
            os.close(held)

    def _fetch(self, path: Path, version: Version, copy: Path, *, waits: bool, still: Callable[[], None]) -> int:
        """Copy it, unless another one does so meanwhile; a descriptor that holds the copy."""
        aside = copy.with_name(copy.name + _PARTIAL)
        descriptor = _alone(aside, still)
        is_whole = False
        try:
            if (held := _hold(copy, version)) is not None:
                return held
            self._take_room(path, version, descriptor, waits=waits, still=still)
            with os.fdopen(os.dup(descriptor), "wb") as file:
                fetch(path, version, file, still)
            os.utime(descriptor, ns=(time.time_ns(), _storable(version)))
            with self._room():  # whoever counts what lies there sees it under one of its names
                aside.replace(copy)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            is_whole = True
            return descriptor
        finally:
            if not is_whole:
                aside.unlink(missing_ok=True)
                os.close(descriptor)

    def _take_room(
        self, path: Path, version: Version, descriptor: int, *, waits: bool, still: Callable[[], None]
    ) -> None:
        """Let the file have its full size, once it fits."""
        if version.size_bytes > self.most_bytes:
            told = f"takes {_gb(version.size_bytes)}, and copies may take {_gb(self.most_bytes)}"
            raise MediaError(f"{address(path)}: {told}.", hint=_LIMIT_HINT)
        while not self._try_to_take(path, version.size_bytes, descriptor):
            if not waits:
                raise StorageError(f"{address(path)}: the room for copies is in use.", hint=_LIMIT_HINT)
            still()
            time.sleep(_LOOK_EVERY_S)

    def _try_to_take(self, path: Path, num_bytes: int, descriptor: int) -> bool:
        try:
            with self._room():
                if self._make_room(num_bytes) > self.most_bytes:
                    return False
                if num_bytes:
                    os.posix_fallocate(descriptor, 0, num_bytes)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise
            told = f"takes {_gb(num_bytes)}, which do not fit onto the disk of {self.folder}"
            raise MediaError(f"{address(path)}: {told}.", hint=_ROOM_HINT) from error
        return True

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Nobody else takes room, or gives a file its name."""
        lock = os.open(self.folder / _ROOM_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _make_room(self, num_bytes: int) -> int:
        """Remove what nobody holds until so many bytes fit; how many are taken with them then.

        What a killed process left unfinished goes in any case.
        """
        there = files_in(self.folder)
        files = sorted((it.st_atime_ns, it.st_size, path) for path, it in there if path.name != _ROOM_LOCK)
        taken = sum(size for _, size, _ in files) + num_bytes
        for _, size, path in files:
            is_due = taken > self.most_bytes or path.name.endswith(_PARTIAL)
            if is_due and _remove_unheld(path):
                taken -= size
        return taken


def default_originals() -> Originals:
    """The user's own.

    Raises:
        LibraryError: AVSEARCH_CACHE_GB is no number.
    """
    return Originals(platformdirs.user_cache_path("avsearch") / "footage", limit_bytes())


@contextmanager
def read_here(path: Path) -> Iterator[Path]:
    """A path that decoders can read: the file's own, or, of what lies behind a URL, that of a copy.

    Raises:
        MediaError: there is no such object, or what the block raises, which then names the URL.
        StorageError, LibraryError: as `Originals.at_hand`.
    """
    if not is_remote(path):
        yield path
        return
    version = version_of(checked(path))
    if version is None:
        raise MediaError(f"{address(path)}: there is no such file.", hint="Check the address.")
    with default_originals().at_hand(path, version, lasts=True) as copy:
        try:
            yield copy
        except MediaError as error:
            raise MediaError(error.message.replace(str(copy), address(path)), hint=error.hint) from error


def _name(path: Path, version: Version) -> str:
    """Of a copy: nothing of an object's own name is in it but its suffix, by which pictures are recognised."""
    told = f"{path}\0{version.size_bytes}\0{version.mtime_ns}\0{version.etag}"
    digest = blake2b(told.encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()
    return digest + (path.suffix.lower() if _SUFFIX.fullmatch(path.suffix) else "")


def _hold(copy: Path, version: Version) -> int | None:
    """A descriptor that holds a copy; None where there is none."""
    try:
        descriptor = os.open(copy, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if _is_linked(copy, descriptor) and os.fstat(descriptor).st_size == version.size_bytes:
        os.utime(descriptor, ns=(time.time_ns(), _storable(version)))
        return descriptor
    os.close(descriptor)
    return None


def _alone(path: Path, still: Callable[[], None]) -> int:
    """A descriptor of an empty file that nobody else writes."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_linked(path, descriptor):
                os.truncate(descriptor, 0)
                return descriptor
        os.close(descriptor)
        still()
        time.sleep(_LOOK_EVERY_S)


def _remove_unheld(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return _remove(path, descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path, descriptor: int) -> bool:
    """Remove a file unless somebody else holds it."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_linked(path, descriptor):
            path.unlink()
        return True
    return False


def _is_linked(path: Path, descriptor: int) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except OSError:
        return False


def _storable(version: Version) -> int:
    return max(version.mtime_ns, 0)


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.3g} GB"
