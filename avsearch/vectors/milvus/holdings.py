"""The media of some segments: where the rows of each lie, and whether they are what they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xxhash
from numpy.typing import NDArray

from avsearch.vectors.ranges import Ranges
from avsearch.vectors.segments import Rows, rows_at

GONE = -1


@dataclass(frozen=True, eq=False)
class Holdings:
    """The media of one modality; all rows of a media lie side by side in one segment.

    Attributes:
        segments: each sorted by media and time.
        media_id: (M,) int64 ascending.
        first: (M,) int64, the number of its first row in the concatenation of the segments.
        num_rows: (M,) int64.
        owner: (M,) int64, which segment.
    """

    segments: Sequence[Rows]
    media_id: NDArray[np.int64]
    first: NDArray[np.int64]
    num_rows: NDArray[np.int64]
    owner: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.media_id)

    def place_of(self, media_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) media -> (N,) places among these media; `GONE` for others."""
        if not len(self):
            return np.full(len(media_id), GONE)
        place = np.minimum(np.searchsorted(self.media_id, media_id), len(self) - 1)
        return np.where(self.media_id[place] == media_id, place, GONE)

    def rows_of(self, place: int) -> Rows:
        """All rows of one media, as views."""
        owner = int(self.owner[place])
        first = int(self.first[place]) - self._before[owner]
        return self.segments[owner].take(slice(first, first + int(self.num_rows[place])))

    def rows_in(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) int64: the numbers of all rows of some media."""
        return Ranges(self.first[places], self.first[places] + self.num_rows[places]).rows()

    def rows_at(self, row: NDArray[np.int64]) -> Rows:
        """(N,) rows of the concatenation."""
        return rows_at(self.segments, row)

    def find(self, media_id: NDArray[np.int64], start_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) moments -> (N,) rows of the concatenation; `GONE` for what is none."""
        row = np.full(len(media_id), GONE)
        place = self.place_of(media_id)
        for one in np.unique(place[place != GONE]).tolist():
            here = np.flatnonzero(place == one)
            times = self.rows_of(one).start_us
            near = np.minimum(np.searchsorted(times, start_us[here]), len(times) - 1)
            is_there = times[near] == start_us[here]
            row[here[is_there]] = self.first[one] + near[is_there]
        return row

    def digests(self, places: NDArray[np.int64]) -> NDArray[np.uint64]:
        """(N,) xxh3-64 of the times and vectors of some media."""
        return np.array([_digest(self.rows_of(place)) for place in places.tolist()], np.uint64)

    @cached_property
    def _before(self) -> list[int]:
        """How many rows come before each segment."""
        return [0, *np.cumsum([len(it) for it in self.segments]).tolist()]


def holdings_of(segments: Sequence[Rows]) -> Holdings:
    """The media of some segments."""
    columns: list[tuple[NDArray[np.int64], ...]] = [(np.empty(0, np.int64),) * 4]
    before = 0
    for owner, rows in enumerate(segments):
        first = np.flatnonzero(np.diff(rows.media_id, prepend=-1))
        count = np.diff(np.append(first, len(rows)))
        columns.append((rows.media_id[first], first + before, count, np.full(len(first), owner)))
        before += len(rows)
    media_id, first, count, owned = (np.concatenate(it) for it in zip(*columns, strict=True))
    order = np.argsort(media_id, kind="stable")
    return Holdings(segments, media_id[order], first[order], count[order], owned[order])


def _digest(rows: Rows) -> int:
    digest = xxhash.xxh3_64(np.ascontiguousarray(rows.start_us).data)
    digest.update(np.ascontiguousarray(rows.vector).data)
    return digest.intdigest()
