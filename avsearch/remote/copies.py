"""Copies of what lies elsewhere, on this machine's disk: bounded, and those not used for longest go first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import platformdirs

from avsearch.errors import LibraryError

LIMIT_VARIABLE = "AVSEARCH_CACHE_GB"
DEFAULT_GB = 32.0
_HINT = "Make room on its disk, or name another folder with XDG_CACHE_HOME."


class Copies:
    """Files in a folder, `most_bytes` together, which several processes may share.

    A copy that goes while it is mapped stays readable to whoever has mapped it.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes

    def find(self, name: str) -> Path | None:
        """Where the copy is, if it is there; it counts as used."""
        path = self.folder / name
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError:  # a folder that only others may write still serves
            return path if path.is_file() else None
        return path

    def keep(self, name: str, data: bytes) -> Path:
        """Make a copy, whole or not at all; the least used ones make room.

        Raises:
            LibraryError: the folder cannot be written.
        """
        path, aside = self.folder / name, self.folder / f"{uuid4().hex}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make_room(len(data))
            aside.write_bytes(data)  # no sync: what a power cut leaves is found by its checksum
            aside.replace(path)
        except OSError as error:
            raise LibraryError(
                f"{self.folder}: copies cannot be kept there ({error.strerror}).", hint=_HINT
            ) from error
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
        return path

    def drop(self, name: str) -> None:
        """Remove a copy, if it is there."""
        with suppress(OSError):
            (self.folder / name).unlink(missing_ok=True)

    def _make_room(self, num_bytes: int) -> None:
        """Remove the least used until so many bytes fit; what a killed process left unfinished is one of them."""
        files = sorted((it.st_mtime_ns, it.st_size, path) for path, it in files_in(self.folder))
        taken = sum(size for _, size, _ in files) + num_bytes
        for _, size, path in files:
            if taken <= self.most_bytes:
                return
            path.unlink(missing_ok=True)
            taken -= size


def files_in(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """What lies in a folder of copies; what another process removes meanwhile is left out."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                yield Path(entry.path), entry.stat(follow_symlinks=False)


def default_copies() -> Copies:
    """The user's own, for segments of all libraries, since no two have the same name.

    Raises:
        LibraryError: AVSEARCH_CACHE_GB is no number.
    """
    return Copies(platformdirs.user_cache_path("avsearch") / "segments", limit_bytes())


def limit_bytes() -> int:
    """The most that copies of one kind may take of this machine's disk.

    Raises:
        LibraryError: AVSEARCH_CACHE_GB is no number.
    """
    given = os.environ.get(LIMIT_VARIABLE, "")
    try:
        most_gb = float(given) if given else DEFAULT_GB
        return int(most_gb * 1e9)
    except (ValueError, OverflowError) as error:
        raise LibraryError(f"{LIMIT_VARIABLE}={given}: is no number.", hint="Give gigabytes, as 32.") from error
