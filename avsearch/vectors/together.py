"""The highest products of several queries at once: a piece of rows stays in the cache until all have looked at it.

faiss reads all rows for each query anew, up to twenty of them, and then sorts as many numbers as before: its time
is that of the queries one after the other. Here a piece of rows is multiplied with all queries, and only what beats
the worst row kept so far is looked at again, which soon is next to nothing (docs/benchmarks.md has the ratios).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FEWEST_QUERIES = 4  # below, faiss is as fast
_PIECE_ROWS = 4096


def highest_products_together(
    queries: NDArray[np.float32], rows: NDArray[np.float32], k: int, is_chosen: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(Q, k) float32 inner products, in no order, as float32 arithmetic gives them, and (Q, k) int64 row numbers.

    Args:
        queries: (Q, D) float32, contiguous; at least one.
        rows: (N, D) float32, contiguous.
        k: at most as many as are chosen.
        is_chosen: (N,) bool, the rows that count; None for all.
    """
    kept = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    floor = np.full((len(queries), 1), -np.inf, np.float32)
    waiting = [kept]
    for found in _better(queries, rows, floor, is_chosen):
        waiting.append(found)
        if sum(scores.shape[1] for scores, _ in waiting) >= 2 * k:
            waiting = [kept := highest(waiting, k)]
            floor[:] = kept[0].min(axis=1, keepdims=True)
    return highest(waiting, k)


def highest(
    found: list[tuple[NDArray[np.float32], NDArray[np.int64]]], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k highest (Q, n) scores of all, and their (Q, n) row numbers; all, where they are no more."""
    scores = np.concatenate([some for some, _ in found], axis=1)
    row = np.concatenate([some for _, some in found], axis=1)
    if scores.shape[1] <= k:
        return scores, row
    first = np.argpartition(scores, -k, axis=1)[:, -k:]
    return np.take_along_axis(scores, first, axis=1), np.take_along_axis(row, first, axis=1)


def _better(
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    floor: NDArray[np.float32],
    is_chosen: NDArray[np.bool_] | None,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Of each piece the rows that count and score above the (Q, 1) floor, which may rise meanwhile.

    Queries find differently many: the others' places are filled with -inf.
    """
    for first in range(0, len(rows), _PIECE_ROWS):
        piece = slice(first, first + _PIECE_ROWS)
        products = queries @ rows[piece].T
        is_better = products > floor
        if is_chosen is not None:
            is_better &= is_chosen[piece]
        query, row = np.nonzero(is_better)
        if not row.size:
            continue
        count = np.bincount(query, minlength=len(queries))
        place = np.arange(len(row)) - (np.cumsum(count) - count)[query]
        scores = np.full((len(queries), count.max()), -np.inf, np.float32)
        numbers = np.zeros(scores.shape, np.int64)
        scores[query, place], numbers[query, place] = products[query, row], row + first
        yield scores, numbers
