"""The library in figures, counted again only when its catalog has changed."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from avsearch.catalog import FileState, Root, State, Status
from avsearch.library import Library

FAILURES_SHOWN = 20
_MEDIA_AT_A_TIME = 2000
T = TypeVar("T")


@dataclass(frozen=True)
class RootCount:
    """What became of the files of a root, and why some of them failed."""

    root: Root
    files: dict[str, int]
    failures: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class Overview:
    """The catalog's own figures, and those of each root."""

    status: Status
    roots: tuple[RootCount, ...]


class Overviews:
    """What was counted last, and of which version of the catalog that is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[int, object]] = {}

    def overview(self, library: Library, version: int) -> Overview:
        """The library in figures."""
        return self._get("overview", version, lambda: _overview(library))

    def labels(self, library: Library, version: int) -> dict[str, int]:
        """All labels -> how many media that can be found have it."""
        return self._get("labels", version, lambda: _labels(library))

    def _get(self, name: str, version: int, count: Callable[[], T]) -> T:
        with self._lock:  # of several who ask, one counts
            kept = self._kept.get(name)
            if kept is None or kept[0] != version:
                kept = self._kept[name] = version, count()
            return kept[1]  # type: ignore[return-value]  # what was counted under this name


class Reach:
    """Which roots are there and hold anything: an empty one may be a mount point, a dead one never answers."""

    def __init__(self, *, waits_s: float = 1.0) -> None:
        self._waits_s = waits_s
        self._lock = threading.Lock()
        self._looking: dict[Path, Future[bool]] = {}

    def is_reachable(self, folder: Path) -> bool:
        """Whether it answers in time; of each folder one thread at most is left waiting."""
        with self._lock:
            looking = self._looking.get(folder)
            if looking is None or looking.done():
                looking = self._looking[folder] = Future()
                threading.Thread(target=_look, args=(folder, looking), daemon=True).start()
        try:
            return looking.result(timeout=self._waits_s)
        except TimeoutError:
            return False


def _look(folder: Path, found: Future[bool]) -> None:
    try:
        with os.scandir(folder) as entries:
            found.set_result(next(entries, None) is not None)
    except OSError:
        found.set_result(False)


def _overview(library: Library) -> Overview:
    roots = tuple(_count(root, library.catalog.files_of(root.id)) for root in library.catalog.roots())
    return Overview(library.catalog.status(), roots)


def _count(root: Root, files: dict[bytes, FileState]) -> RootCount:
    counts = Counter(str(it.state) for it in files.values())
    failed = [it for it in files.values() if it.state is State.FAILED][:FAILURES_SHOWN]
    return RootCount(
        root,
        {str(state): counts[str(state)] for state in State},
        tuple((root.absolute(it.path), it.reason) for it in failed),
    )


def _labels(library: Library) -> dict[str, int]:
    ids = library.catalog.live_media_ids().tolist()
    counts: Counter[str] = Counter()
    for first in range(0, len(ids), _MEDIA_AT_A_TIME):
        for record in library.catalog.media_records(ids[first : first + _MEDIA_AT_A_TIME]).values():
            counts.update(record.labels)
    return dict(sorted(counts.items()))
