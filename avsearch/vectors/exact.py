"""Exact nearest neighbours: every row is compared, block by block, straight over the mapped segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.backend import load_faiss
from avsearch.vectors.segments import Rows

BLOCK_ROWS = 65_536
TIE = 1e-5  # scores this close may come out of float32 arithmetic in either order
_EXACT_ELEMENTS = 1 << 22  # of the winners' vectors, in float64, at a time


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The best rows of each query, best first; of equal scores, the lower media id first, then the earlier time.

    Attributes:
        scores: (Q, k) float32, inner products.
        row: (Q, k) int64, into the concatenation of the segments.
    """

    scores: NDArray[np.float32]
    row: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.scores.shape != self.row.shape or self.scores.ndim != 2:
            raise ValueError(f"{self.scores.shape} scores do not fit {self.row.shape} rows")


def nearest(segments: Sequence[Rows], queries: NDArray[np.float32], k: int) -> Neighbours:
    """The k rows with the highest inner product; fewer where there are fewer.

    The result depends on the moments alone, not on how they lie in segments, on blocks or threads: faiss finds
    the candidates, their scores are computed again in float64, and a query that has a tie at its k-th place is
    looked at row by row.

    Args:
        segments: the rows to search, each sorted by media and time.
        queries: (Q, D) float32, unit rows.
        k: how many rows for each query, at least 1.
    """
    if queries.ndim != 2 or not np.isfinite(queries).all() or k < 1:
        raise ValueError(f"queries are (Q, D) and finite, k is at least 1; not {queries.shape} and {k}")
    queries = np.ascontiguousarray(queries, np.float32)
    none = np.empty((len(queries), 0), np.int64)
    found = _Ranked(none.astype(np.float32), none, none, none)
    for first_row, block in _blocks(segments):
        best = _search_block(np.ascontiguousarray(block.vector, np.float32), queries, k)
        more = _Ranked(best.scores, best.row + first_row, block.media_id[best.row], block.start_us[best.row])
        found = _merge(found, more, k=k)
    return Neighbours(found.scores, found.row)


class _Ranked(NamedTuple):
    """(Q, k) each: candidates, and what decides between equal scores."""

    scores: NDArray[np.float32]
    row: NDArray[np.int64]
    media_id: NDArray[np.int64]
    start_us: NDArray[np.int64]


def _blocks(segments: Sequence[Rows]) -> Iterator[tuple[int, Rows]]:
    """(first row, some rows), not copied."""
    first_row = 0
    for segment in segments:
        for first in range(0, len(segment), BLOCK_ROWS):
            yield first_row + first, segment.take(slice(first, first + BLOCK_ROWS))
        first_row += len(segment)


def _search_block(block: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> Neighbours:
    """At least the k best rows of a block, or all of them."""
    if len(block) <= k:
        row = np.tile(np.arange(len(block)), (len(queries), 1))
        return Neighbours(_exact_scores(block, queries, row), row)
    faiss = load_faiss()
    rough, row = faiss.knn(queries, block, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
    for query in np.flatnonzero(rough[:, k - 1] - rough[:, k] <= TIE):
        row[query] = _best_rows(block, queries[query], k + 1, floor=rough[query, k - 1] - TIE)
    return Neighbours(_exact_scores(block, queries, row), row)


def _best_rows(
    block: NDArray[np.float32], query: NDArray[np.float32], count: int, *, floor: float
) -> NDArray[np.int64]:
    """The `count` best rows of those that score at least about `floor`, one query."""
    candidates = np.flatnonzero(block @ query >= floor - TIE)
    scores = _exact_scores(block, query[None], candidates[None])[0]
    return candidates[np.lexsort((candidates, -scores))[:count]]


def _exact_scores(
    block: NDArray[np.float32], queries: NDArray[np.float32], row: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(Q, k) rows of a block -> (Q, k) float32 inner products, correctly rounded: equal vectors score equally."""
    scores = np.empty(row.shape, np.float32)
    step = max(1, _EXACT_ELEMENTS // max(1, row.shape[1] * block.shape[1]))
    for first in range(0, len(queries), step):
        some = slice(first, first + step)
        vectors = block[row[some]].astype(np.float64)
        scores[some] = np.einsum("qkd,qd->qk", vectors, queries[some].astype(np.float64))
    return scores


def _merge(found: _Ranked, more: _Ranked, *, k: int) -> _Ranked:
    scores = np.concatenate([found.scores, more.scores], axis=1)
    row = np.concatenate([found.row, more.row], axis=1)
    media_id = np.concatenate([found.media_id, more.media_id], axis=1)
    start_us = np.concatenate([found.start_us, more.start_us], axis=1)
    order = np.lexsort((start_us, media_id, -scores), axis=1)[:, :k]
    return _Ranked(
        scores=np.take_along_axis(scores, order, axis=1),
        row=np.take_along_axis(row, order, axis=1),
        media_id=np.take_along_axis(media_id, order, axis=1),
        start_us=np.take_along_axis(start_us, order, axis=1),
    )
