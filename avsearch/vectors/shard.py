"""What one node of a cluster holds of the rows of a modality: some segments, in memory, read from their shelf."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.cluster.actors import Shared
from avsearch.vectors.backend import limit_threads
from avsearch.vectors.ranking import Neighbours
from avsearch.vectors.resident import Resident
from avsearch.vectors.segments import SegmentFile
from avsearch.vectors.shelf import Shelf

_MOST_CUTS = 4  # that are held: those of two modalities, in the state of now and the one before


@dataclass(frozen=True)
class Cut:
    """The segments of one shard, in their order.

    Attributes:
        key: two cuts of one key are the same.
        shelf: where the segments lie.
        files: which they are.
        before: key of the cut that was held for the same modality until now; empty for none.
    """

    key: str
    shelf: Shelf
    files: Sequence[SegmentFile]
    before: str = ""


@dataclass(frozen=True, eq=False)
class Allowed:
    """The media that may be found, as (A,) int64 ascending; two of one key are the same."""

    key: str
    media_ids: Shared[NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class _Held:
    """A cut in memory, and the names of its segments."""

    names: Sequence[str]
    resident: Resident


class Shard:
    """Answers for any cut that it is asked about, and holds those it was asked about last.

    So one that is made anew, because its process or its node died, needs to be told nothing.
    """

    def __init__(self, num_threads: int) -> None:
        """Hold nothing yet.

        Args:
            num_threads: that share one search.
        """
        self._num_threads = num_threads
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._allowed: dict[str, NDArray[np.int64]] = {}

    def hold(self, cut: Shared[Cut], key: str) -> int:
        """Read what is not in memory of a cut; returns how many rows there are.

        Raises:
            LibraryError: a segment is missing or damaged, as this node sees it.
        """
        return len(self._resident(cut, key))

    def nearest(
        self, cut: Shared[Cut], key: str, queries: NDArray[np.float32], k: int, allowed: Allowed | None
    ) -> Neighbours:
        """As `exact.nearest` over the segments of a cut; rows are counted through these.

        Raises:
            LibraryError: as `hold`.
        """
        resident = self._resident(cut, key)
        limit_threads(self._num_threads)  # each of our threads has a number of its own
        return resident.nearest(queries, k, allowed=None if allowed is None else self._media_ids(allowed))

    def _resident(self, cut: Shared[Cut], key: str) -> Resident:
        with self._lock:
            if key not in self._held:
                wanted = cut.value()
                self._held[key] = _hold(wanted, self._held.get(wanted.before))
                for oldest in list(self._held)[:-_MOST_CUTS]:
                    del self._held[oldest]
            self._held[key] = held = self._held.pop(key)  # the last one asked for goes last
            return held.resident

    def _media_ids(self, allowed: Allowed) -> NDArray[np.int64]:
        """The same object as last time, by which `Resident` knows them."""
        with self._lock:
            if allowed.key not in self._allowed:
                self._allowed = {allowed.key: allowed.media_ids.value()}
            return self._allowed[allowed.key]


def _hold(cut: Cut, before: _Held | None) -> _Held:
    """Read what was not held until now, and only that."""
    known = {} if before is None else dict(zip(before.names, before.resident.segments, strict=True))
    cut.shelf.gather([file for file in cut.files if file.name not in known])
    rows = [known[file.name] if file.name in known else cut.shelf.map(file) for file in cut.files]
    names = [file.name for file in cut.files]
    return _Held(names, Resident(rows, names=names, before=None if before is None else before.resident))
