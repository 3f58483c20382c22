"""The highest products of several queries at once: a piece of rows stays in the cache until all have looked at it.

faiss reads all rows for each query anew, up to twenty of them, and then sorts as many numbers as before: its time
is that of the queries one after the other. Here a piece of rows is multiplied with all queries, and only what beats
the worst row kept so far is looked at again, which soon is next to nothing (docs/benchmarks.md has the ratios).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.backend import products_of_pieces

FEWEST_QUERIES = 5  # below, faiss is as fast
_PIECE_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Likely:
    """Rows that may be the best of each query, in no order.

    Attributes:
        scores: (Q, n) float32 inner products, as float32 arithmetic gives them; -inf where a query has fewer.
        row: (Q, n) int64.
    """

    scores: NDArray[np.float32]
    row: NDArray[np.int64]

    @staticmethod
    def none(num_queries: int) -> Likely:
        """Nothing for each query: (Q, 0)."""
        return Likely(np.empty((num_queries, 0), np.float32), np.empty((num_queries, 0), np.int64))

    @staticmethod
    def of_all(some: Sequence[Likely], most: int) -> Likely:
        """The likeliest of several, at least one; at most so many for each query."""
        scores = np.concatenate([it.scores for it in some], axis=1)
        row = np.concatenate([it.row for it in some], axis=1)
        if scores.shape[1] <= most:
            return Likely(scores, row)
        first = np.argpartition(scores, -most, axis=1)[:, -most:]
        return Likely(np.take_along_axis(scores, first, axis=1), np.take_along_axis(row, first, axis=1))


def highest_products_together(
    queries: NDArray[np.float32],
    rows: NDArray[np.floating],
    k: int,
    floor: NDArray[np.float32],
    is_chosen: NDArray[np.bool_] | None = None,
) -> Likely:
    """Of each query, the k highest products that are above its floor; fewer where there are fewer.

    Args:
        queries: (Q, D) float32, contiguous; at least one.
        rows: (N, D) float16 or float32.
        k: how many.
        floor: (Q, 1) float32; it may rise while this runs.
        is_chosen: (N,) bool, the rows that count; None for all.
    """
    waiting = [Likely.none(len(queries))]
    own = floor.copy()
    begins = range(0, len(rows), _PIECE_ROWS)
    pieces = [rows[first : first + _PIECE_ROWS] for first in begins]
    for first, products in zip(begins, products_of_pieces(queries, pieces), strict=True):
        is_better = products > np.maximum(own, floor)
        if is_chosen is not None:
            is_better &= is_chosen[first : first + _PIECE_ROWS]
        if not is_better.any():
            continue
        waiting.append(_apart(products, is_better, first))
        if sum(it.row.shape[1] for it in waiting) >= 2 * k:
            waiting = [Likely.of_all(waiting, k)]
            own = waiting[0].scores.min(axis=1, keepdims=True)
    return Likely.of_all(waiting, k)


def _apart(products: NDArray[np.float32], is_better: NDArray[np.bool_], before: int) -> Likely:
    """The better ones of (Q, N) products, side by side for each query, and their rows, the first being `before`."""
    query, row = np.divmod(np.flatnonzero(is_better), is_better.shape[1])
    count = np.bincount(query, minlength=len(products))
    place = np.arange(len(row)) - (np.cumsum(count) - count)[query]
    scores = np.full((len(products), count.max()), -np.inf, np.float32)
    numbers = np.zeros(scores.shape, np.int64)
    scores[query, place], numbers[query, place] = products[query, row], row + before
    return Likely(scores, numbers)
