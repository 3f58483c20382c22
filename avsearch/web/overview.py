"""The library in figures, counted again only when its catalog has changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from avsearch.catalog import Root, State, Status
from avsearch.library import Library
from avsearch.remote import is_remote, is_there

FAILURES_SHOWN = 20
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
        return self._get("labels", version, library.catalog.label_counts)

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
    if is_remote(folder):
        found.set_result(is_there(folder))
        return
    try:
        with os.scandir(folder) as entries:
            found.set_result(next(entries, None) is not None)
    except OSError:
        found.set_result(False)


def _overview(library: Library) -> Overview:
    catalog = library.catalog
    counts = catalog.file_counts()
    roots = tuple(_count(library, it, counts[it.id]) for it in catalog.roots() if it.id in counts)
    return Overview(catalog.status(), roots)


def _count(library: Library, root: Root, counts: dict[str, int]) -> RootCount:
    failed = library.catalog.failed_files(root.id, FAILURES_SHOWN) if counts[State.FAILED] else []
    return RootCount(root, counts, tuple((root.absolute(path), reason) for path, reason in failed))
