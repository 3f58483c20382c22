"""Where the rows of some media lie: within a segment they are side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.segments import Rows, rows_at


@dataclass(frozen=True, eq=False)
class Ranges:
    """Ranges of rows [first, last), ascending and apart; (R,) int64 each."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @property
    def num_rows(self) -> int:
        return int((self.last - self.first).sum())

    def rows(self) -> NDArray[np.int64]:
        """(N,) int64 ascending: every row in them."""
        length = self.last - self.first
        before = np.cumsum(length) - length
        return np.repeat(self.first - before, length) + np.arange(int(length.sum()))

    def mask(self, num_rows: int) -> NDArray[np.bool_]:
        """(num_rows,) bool: whether a row is in them."""
        step = np.zeros(num_rows + 1, np.int8)
        step[self.first] += 1
        step[self.last] -= 1
        return np.cumsum(step[:-1], dtype=np.int8).view(np.bool_)


def ranges_of_media(media_id: NDArray[np.int64], wanted: NDArray[np.int64]) -> Ranges:
    """Where the rows of some media lie.

    Args:
        media_id: (N,) int64 ascending, of the rows; at least one.
        wanted: (M,) int64 ascending, the media.
    """
    near = wanted[np.searchsorted(wanted, media_id[0]) : np.searchsorted(wanted, media_id[-1], side="right")]
    first, last = np.searchsorted(media_id, near), np.searchsorted(media_id, near, side="right")
    has_rows = last > first
    return Ranges(first[has_rows], last[has_rows])


def rows_of_media(segments: Sequence[Rows], media_ids: NDArray[np.int64]) -> Rows:
    """All rows of some media, sorted by media and time.

    Args:
        segments: each sorted by media and time; nothing is read of one that has no such rows.
        media_ids: (M,) int64 ascending.
    """
    row = [np.empty(0, np.int64)]
    before = 0
    for segment in segments:
        if len(segment):
            row.append(ranges_of_media(segment.media_id, media_ids).rows() + before)
        before += len(segment)
    found = rows_at(segments, np.concatenate(row))
    return found.take(np.lexsort((found.start_us, found.media_id)))
