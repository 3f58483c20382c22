"""Files that can be made again: made once even when several ask, bounded in size, the least used ones go first."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import platformdirs

from avsearch.errors import LibraryError
from avsearch.media.waiting import still_waiting
from avsearch.web.crew import ClientGone

_ASIDE = ".making-"
_LOOK_EVERY_S = 0.2
_FULL_HINT = "Make room on its disk, or name another folder with XDG_CACHE_HOME."


@dataclass(eq=False)
class _Making:
    """A file that somebody is making, and how it went."""

    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


def default_cache() -> Path:
    """The user's own cache: a library may be read-only, and several of them may hold the same media."""
    return platformdirs.user_cache_path("avsearch") / "served"


class FileCache:
    """A folder of files under plain names, `most_bytes` together."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._making: dict[str, _Making] = {}

    def find(self, name: str) -> BinaryIO | None:
        """The file, if it is there; it stays readable when it goes meanwhile."""
        try:
            file = (self._folder / name).open("rb")
        except OSError:
            return None
        with suppress(OSError):
            os.utime(file.fileno())  # it was used
        return file

    def open(self, name: str, make: Callable[[Path], None]) -> BinaryIO:
        """The file, made where it is not there; of several who ask, one makes it and the others wait.

        Args:
            name: letters, digits, dots and dashes.
            make: writes a path at which nothing is.

        Raises:
            LibraryError: the folder cannot be written.
            Exception: what `make` raises.
        """
        while True:
            if (file := self.find(name)) is not None:
                return file
            with self._lock:
                making = self._making.get(name)
                is_ours = making is None
                if making is None:
                    making = self._making[name] = _Making()
            if is_ours:
                self._make(name, make, making)
            else:
                self._await(making)

    def is_making(self, name: str) -> bool:
        """Whether somebody is at it now."""
        return name in self._making

    def _make(self, name: str, make: Callable[[Path], None], making: _Making) -> None:
        try:
            with self._aside() as aside:
                make(aside)
                aside.replace(self._folder / name)
            self._make_room(name)
        except OSError as error:
            making.error = LibraryError(
                f"{self._folder}: previews cannot be kept there ({error.strerror}).", hint=_FULL_HINT
            )
            raise making.error from error
        except BaseException as error:
            making.error = error
            raise
        finally:
            with self._lock:
                del self._making[name]
            making.done.set()

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = self._folder / f"{_ASIDE}{uuid4().hex}"
        try:
            yield aside
        finally:
            aside.unlink(missing_ok=True)

    def _await(self, making: _Making) -> None:
        """Wait for whoever makes it; one whose client has gone does not count, and is followed by another."""
        while not making.done.wait(_LOOK_EVERY_S):
            still_waiting()
        if isinstance(making.error, Exception) and not isinstance(making.error, ClientGone):
            raise making.error

    def _make_room(self, newest: str) -> None:
        """Remove what was not used for longest, until all fit; what nobody finished long ago goes too."""
        files = sorted(self._files(), key=lambda it: it[1])
        num_bytes = sum(size for _, _, size in files)
        for path, _, size in files:
            if num_bytes <= self._most_bytes:
                return
            if path.name != newest and not self._is_being_made(path):
                path.unlink(missing_ok=True)
                num_bytes -= size

    def _is_being_made(self, path: Path) -> bool:
        return path.name.startswith(_ASIDE) and bool(self._making)

    def _files(self) -> Iterator[tuple[Path, int, int]]:
        """(path, when last used, bytes)."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    yield Path(entry.path), status.st_mtime_ns, status.st_size
