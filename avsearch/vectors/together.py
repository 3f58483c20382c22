"""The highest products of several queries at once: a piece of rows stays in the cache until all have looked at it.

faiss reads all rows for each query anew, up to twenty of them, and then sorts as many numbers as before: its time
is that of the queries one after the other. Here a piece of rows is multiplied with all queries, and only what beats
the worst row kept so far is looked at again, which soon is next to nothing (docs/benchmarks.md has the ratios).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.backend import products_of_pieces

Products: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]
FEWEST_QUERIES = 5  # below, faiss is as fast
_PIECE_ROWS = 4096


def highest_products_together(
    queries: NDArray[np.float32],
    rows: NDArray[np.floating],
    k: int,
    floor: NDArray[np.float32],
    is_chosen: NDArray[np.bool_] | None = None,
) -> Products:
    """(Q, n) float32 inner products, in no order, as float32 arithmetic gives them, and (Q, n) int64 row numbers.

    Of each query, the k highest that are above its floor; places of one that has fewer are filled with -inf.

    Args:
        queries: (Q, D) float32, contiguous; at least one.
        rows: (N, D) float16 or float32.
        k: how many.
        floor: (Q, 1) float32; it may rise while this runs.
        is_chosen: (N,) bool, the rows that count; None for all.
    """
    waiting: list[Products] = []
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
        if sum(scores.shape[1] for scores, _ in waiting) >= 2 * k:
            waiting = [highest(waiting, k)]
            own = waiting[0][0].min(axis=1, keepdims=True)
    return highest(waiting, k) if waiting else no_products(len(queries))


def no_products(num_queries: int) -> Products:
    """Nothing for each query: (Q, 0)."""
    return np.empty((num_queries, 0), np.float32), np.empty((num_queries, 0), np.int64)


def highest(found: list[Products], k: int) -> Products:
    """The k highest (Q, n) scores of all, and their (Q, n) row numbers; all, where they are no more."""
    scores = np.concatenate([some for some, _ in found], axis=1)
    row = np.concatenate([some for _, some in found], axis=1)
    if scores.shape[1] <= k:
        return scores, row
    first = np.argpartition(scores, -k, axis=1)[:, -k:]
    return np.take_along_axis(scores, first, axis=1), np.take_along_axis(row, first, axis=1)


def _apart(products: NDArray[np.float32], is_better: NDArray[np.bool_], before: int) -> Products:
    """The better ones of (Q, N) products, side by side for each query, and their rows, the first being `before`."""
    query, row = np.divmod(np.flatnonzero(is_better), is_better.shape[1])
    count = np.bincount(query, minlength=len(products))
    place = np.arange(len(row)) - (np.cumsum(count) - count)[query]
    scores = np.full((len(products), count.max()), -np.inf, np.float32)
    numbers = np.zeros(scores.shape, np.int64)
    scores[query, place], numbers[query, place] = products[query, row], row + before
    return scores, numbers
