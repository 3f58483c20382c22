"""Which files stand for media that the library knows: those that are as they were when they were indexed."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsearch.catalog import Catalog, FileState, Root
from avsearch.errors import StorageError
from avsearch.moments import Failed, Modality
from avsearch.remote import Version, is_remote, list_objects
from indexer.discover import FoundFile
from indexer.events import Found

_CHANGED = "has changed since it was indexed; index it first."

Counts = Mapping[Modality, int | None]
"""How many moments of each modality a media had; None where nobody knows."""


@dataclass(frozen=True)
class Wanted:
    """A media to read again.

    Attributes:
        media_id: whose moments they are.
        file: one that holds it.
        counts: the modalities that are wanted, and how many moments each had; None where nobody knows.
    """

    media_id: int
    file: FoundFile
    counts: Counts


def choose_files(catalog: Catalog, counts_of: Mapping[int, Counts]) -> tuple[list[Wanted], list[Failed]]:
    """For each media a file that is there as it was indexed; and the media that have none, by their first file.

    Args:
        catalog: knows their files.
        counts_of: media ids -> what is wanted of them.

    Raises:
        LibraryError: the catalog cannot be read.
    """
    wanted: list[Wanted] = []
    away: list[Failed] = []
    stores = _Stores()
    for media_id, states in catalog.files_of_media(counts_of).items():
        files = [_file(root, state) for root, state in states]
        faults = [stores.fault(file) if is_remote(file.path) else _fault(file) for file in files]
        if "" in faults:
            wanted.append(Wanted(media_id, files[faults.index("")], counts_of[media_id]))
        else:
            away.append(Failed(files[0].path, faults[0]))
    return wanted, away


def to_be_read(wanted: Sequence[Wanted]) -> Found:
    """What there is to do, for listeners."""
    num_bytes = sum(one.file.size_bytes for one in wanted)
    return Found(len(wanted), num_bytes, num_unchanged=0, num_missing=0, num_removed=0)


def _file(root: Root, state: FileState) -> FoundFile:
    return FoundFile(root, root.absolute(state.path), state.size_bytes, state.mtime_ns, state.etag)


class _Stores:
    """What lies below the roots that are behind URLs; each is listed once."""

    def __init__(self) -> None:
        self._objects: dict[Path, dict[str, Version] | StorageError] = {}

    def fault(self, file: FoundFile) -> str:
        """As `_fault`, of an object."""
        folder = file.root.path
        if folder not in self._objects:
            try:
                self._objects[folder] = list_objects(folder)
            except StorageError as error:
                self._objects[folder] = error
        found = self._objects[folder]
        if isinstance(found, StorageError):
            return f"cannot be looked at: {found}"
        now = found.get(os.fsdecode(file.root.relative(file.path)))
        if now is None:
            return "is not there; index its folder."
        return "" if now.is_same(file.version) else _CHANGED


def _fault(file: FoundFile) -> str:
    """Why a file cannot stand for what was indexed, as a sentence without its subject; empty if it can."""
    try:
        status = os.stat(file.path)  # noqa: PTH116  (one call for all questions)
    except OSError as error:
        return f"is not there ({error.strerror}); mount its disk, or index its folder."
    same = (status.st_size, status.st_mtime_ns) == (file.size_bytes, file.mtime_ns)
    return "" if same and stat.S_ISREG(status.st_mode) else _CHANGED
