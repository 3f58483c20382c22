"""The best of some rows, exactly: faiss finds candidates, float64 decides among them.

float32 arithmetic may give two scores that are this close in either order, and in another order with other threads.
So a few more rows are fetched than are wanted, their scores are computed again, and only where the last of them
still comes that close to the last one wanted, all rows are looked at for that query (`exact.search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.backend import all_products, highest_products, multiplies_exactly
from avsearch.vectors.segments import Rows
from avsearch.vectors.together import Likely, highest_products_together

TIE = 1e-5  # scores this close may come out of float32 arithmetic in either order
MARGIN = 16  # more rows than are wanted, so that ties seldom cost a second look
_EXACT_ELEMENTS = 1 << 22  # of vectors, in float64, at a time


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The best rows of each query, best first; of equal scores, the lower media id first, then the earlier time.

    Attributes:
        scores: (Q, k) float32, inner products, correctly rounded: equal vectors score equally.
        row: (Q, k) int64, into the concatenation of the segments.
        media_id: (Q, k) int64, of the row.
        start_us: (Q, k) int64, of the row.
    """

    scores: NDArray[np.float32]
    row: NDArray[np.int64]
    media_id: NDArray[np.int64]
    start_us: NDArray[np.int64]

    def __post_init__(self) -> None:
        columns = (self.scores, self.row, self.media_id, self.start_us)
        if self.scores.ndim != 2 or len({column.shape for column in columns}) > 1:
            raise ValueError(f"{[column.shape for column in columns]} do not fit each other")

    def best(self, k: int) -> Neighbours:
        """The k best, in order; fewer where there are fewer."""
        order = np.lexsort((self.start_us, self.media_id, -self.scores), axis=1)[:, :k]
        return Neighbours(
            scores=np.take_along_axis(self.scores, order, axis=1),
            row=np.take_along_axis(self.row, order, axis=1),
            media_id=np.take_along_axis(self.media_id, order, axis=1),
            start_us=np.take_along_axis(self.start_us, order, axis=1),
        )

    def of(self, queries: NDArray[np.integer] | slice, k: int | None = None) -> Neighbours:
        """What some of the queries have found, where it is in order; the k best of it, or all."""
        return Neighbours(
            scores=self.scores[queries, :k],
            row=self.row[queries, :k],
            media_id=self.media_id[queries, :k],
            start_us=self.start_us[queries, :k],
        )


def no_neighbours(num_queries: int) -> Neighbours:
    """What is found where nothing is: (Q, 0)."""
    none = np.empty((num_queries, 0), np.int64)
    return Neighbours(none.astype(np.float32), none, none, none)


def joined(one: Neighbours, other: Neighbours) -> Neighbours:
    """What both have found, of the same queries, side by side."""
    return Neighbours(
        scores=np.concatenate([one.scores, other.scores], axis=1),
        row=np.concatenate([one.row, other.row], axis=1),
        media_id=np.concatenate([one.media_id, other.media_id], axis=1),
        start_us=np.concatenate([one.start_us, other.start_us], axis=1),
    )


def stacked(some: Sequence[Neighbours]) -> Neighbours:
    """What other queries have found, one below the other; at least one, all with as many columns."""
    return Neighbours(
        scores=np.concatenate([it.scores for it in some]),
        row=np.concatenate([it.row for it in some]),
        media_id=np.concatenate([it.media_id for it in some]),
        start_us=np.concatenate([it.start_us for it in some]),
    )


def likely_rows(
    vector: NDArray[np.floating],
    queries: NDArray[np.float32],
    most: int,
    floor: NDArray[np.float32] | None,
    is_chosen: NDArray[np.bool_] | None = None,
) -> Likely:
    """The rows that score highest in float32 arithmetic; fewer where there are fewer.

    Args:
        vector: (N, D) float16 or float32.
        queries: (Q, D) float32, contiguous.
        most: how many.
        floor: (Q, 1) float32; what scores no higher may be left out, -inf be in its place. None where nothing is
            gained by looking at the rows for all queries together, unless they are float16.
        is_chosen: (N,) bool, the rows that count; None for all.
    """
    num_chosen = len(vector) if is_chosen is None else int(np.count_nonzero(is_chosen))
    if num_chosen > most:
        if vector.dtype == np.float16 and floor is None:
            floor = np.full((len(queries), 1), -np.inf, np.float32)
        if floor is not None and multiplies_exactly():
            return highest_products_together(queries, vector, most, floor, is_chosen)
        return Likely(*highest_products(queries, np.ascontiguousarray(vector, np.float32), most, is_chosen))
    chosen = np.arange(len(vector)) if is_chosen is None else np.flatnonzero(is_chosen)
    return Likely(all_products(queries, vector[chosen]), np.tile(chosen, (len(queries), 1)))


def near_rows(
    vector: NDArray[np.floating], query: NDArray[np.float32], floor: float, is_chosen: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """(n,) all rows that score at least `floor` for a query, (D,), and some that score a little less."""
    is_near = all_products(query[None], vector)[0] >= floor - TIE
    return np.flatnonzero(is_near if is_chosen is None else is_near & is_chosen)


def scored(rows: Rows, queries: NDArray[np.float32], row: NDArray[np.int64]) -> Neighbours:
    """(Q, n) rows with their exact scores, in no order."""
    return Neighbours(_exact_scores(rows.vector, queries, row), row, rows.media_id[row], rows.start_us[row])


def _exact_scores(
    vector: NDArray[np.floating], queries: NDArray[np.float32], row: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(Q, n) float32 inner products of (Q, n) rows with their query, computed in float64."""
    flat, query = row.ravel(), np.repeat(np.arange(len(row)), row.shape[1])
    scores = np.empty(flat.shape, np.float32)
    step = max(1, _EXACT_ELEMENTS // max(vector.shape[1], 1))
    for first in range(0, len(flat), step):
        some = slice(first, first + step)
        products = vector[flat[some]].astype(np.float64) * queries[query[some]]
        scores[some] = products.sum(axis=1)
    return scores.reshape(row.shape)
