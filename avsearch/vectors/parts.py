"""Which rows of a segment are looked at together, and how a filter is applied to them.

Rows of a media lie side by side, so that media are ranges of rows. Few rows are gathered and then all looked at;
of many, faiss looks at each in its place and skips those that do not count. Fetching more than are wanted and
throwing out what does not count was measured too: it saves 4 % where nearly all count, costs up to fifteen times
as much where few do, and has no bound where the filter leaves out just what answers best.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.ranges import Ranges
from avsearch.vectors.ranking import Neighbours, likely_rows, near_rows, scored
from avsearch.vectors.segments import Rows
from avsearch.vectors.together import Likely

BLOCK_ROWS = 65_536

# Milliseconds of CPU for 500,000 rows of 128 numbers and k = 135, where this share of them counts:
# share                    1 %   3 %  10 %  20 %  40 %  70 %  90 %
# a query, gathered        0.4   0.9   3.8   8.4  17.8  28.9  35.1
# a query, in place        0.8   1.1   1.9   3.0   5.0   7.0   7.9 (and 7.6 without a filter)
# 16 queries, gathered     1.3   2.8  12.7  27.7  60.7 103.4 133.9
# 16 queries, in place    12.3  13.5  30.6  45.3  74.3 109.9 122.8 (and 124 without a filter)
# Gathering costs a copy, which queries share: it wins below 4 % for each query, and never far above 70 %.
_GATHERED_SHARE = 0.04
_MOST_GATHERED_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that are looked at together.

    Attributes:
        rows: the rows themselves.
        row: their numbers: (N,) int64 each, or the number of the first where they lie side by side.
        is_chosen: (N,) bool, which of them count; None for all.
    """

    rows: Rows
    row: NDArray[np.int64] | int
    is_chosen: NDArray[np.bool_] | None = None

    def likely(self, queries: NDArray[np.float32], most: int, floor: NDArray[np.float32] | None) -> Likely:
        """The rows that float32 arithmetic finds best for each query, under their numbers, as `likely_rows`."""
        found = likely_rows(self.rows.vector, queries, most, floor, self.is_chosen)
        return Likely(found.scores, self._numbered(found.row))

    def surely(self, query: NDArray[np.float32], k: int, floor: float) -> Neighbours:
        """The k best of the rows that score at least `floor` for one query, (D,), and of some that score less."""
        near = near_rows(self.rows.vector, query, floor, self.is_chosen)
        found = scored(self.rows, query[None], near[None]).best(k)
        return replace(found, row=self._numbered(found.row))

    def _numbered(self, row: NDArray[np.int64]) -> NDArray[np.int64]:
        return row + self.row if isinstance(self.row, int) else self.row[row]


def parts_of(rows: Rows, chosen: Ranges | None, *, num_queries: int) -> Iterator[Part]:
    """The parts to look at, so that each row that counts is in one of them.

    Args:
        rows: of one segment, or of all.
        chosen: the rows that count; None for all.
        num_queries: that share the work.
    """
    num_chosen = len(rows) if chosen is None else chosen.num_rows
    share = num_chosen / max(len(rows), 1)
    if chosen is not None and share < 1 and share <= min(_GATHERED_SHARE * num_queries, _MOST_GATHERED_SHARE):
        row = chosen.rows()
        for first in range(0, num_chosen, BLOCK_ROWS):
            some = row[first : first + BLOCK_ROWS]
            yield Part(rows.take(some), some)
        return
    is_chosen = None if chosen is None or share == 1 else chosen.mask(len(rows))
    for first in range(0, len(rows), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        yield Part(rows.take(block), first, None if is_chosen is None else is_chosen[block])
