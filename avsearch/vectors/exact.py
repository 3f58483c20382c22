"""Exact nearest neighbours: every row is compared, block by block, straight over the mapped segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors import parts
from avsearch.vectors.parts import Part, parts_of
from avsearch.vectors.ranges import ranges_of_media
from avsearch.vectors.ranking import (
    MARGIN,
    TIE,
    Neighbours,
    joined,
    no_neighbours,
    scored,
    stacked,
)
from avsearch.vectors.segments import Rows, rows_at
from avsearch.vectors.together import FEWEST_QUERIES, Likely
from avsearch.vectors.workers import each


def nearest(
    segments: Sequence[Rows], queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
) -> Neighbours:
    """The k rows with the highest inner product; fewer where there are fewer.

    The result depends on the moments alone, not on how they lie in segments, on blocks or threads: faiss finds
    the candidates, their scores are computed again in float64, and for a query that has a tie at its k-th place
    all rows are looked at once more. A filter changes which rows count and nothing else.

    Args:
        segments: the rows to search, each sorted by media and time.
        queries: (Q, D) float32, unit rows.
        k: how many rows for each query, at least 1.
        allowed: (A,) int64 ascending, the media whose rows count; None for all.
    """
    queries = checked(queries, k, allowed)
    return search(partial(_parts, segments, allowed, num_queries=len(queries)), segments, queries, k)


def checked(queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None) -> NDArray[np.float32]:
    """The queries as a search takes them: contiguous.

    Raises:
        ValueError: they are not (Q, D) and finite, k is below 1, or the media do not ascend.
    """
    if queries.ndim != 2 or not np.isfinite(queries).all() or k < 1:
        raise ValueError(f"queries are (Q, D) and finite, k is at least 1; not {queries.shape} and {k}")
    if allowed is not None and (allowed.dtype != np.int64 or allowed.ndim != 1 or (np.diff(allowed) <= 0).any()):
        raise ValueError(f"allowed media are (A,) int64 and ascend; not {allowed.shape} {allowed.dtype}")
    return np.ascontiguousarray(queries, np.float32)


def search(
    parts_again: Callable[[], Iterable[Part]], segments: Sequence[Rows], queries: NDArray[np.float32], k: int
) -> Neighbours:
    """The k best rows of all parts.

    Args:
        parts_again: gives the parts, and gives them again for queries that have a tie at their k-th place.
        segments: whose rows the parts number through.
        queries: (Q, D) float32, contiguous.
        k: how many rows for each query.
    """
    most = k + MARGIN
    likely = Likely.none(len(queries))
    floor, do = _way(segments, len(queries))
    for more in do(lambda part: part.likely(queries, most, floor), parts_again()):
        likely = Likely.of_all([likely, more], most)
        if floor is not None and likely.row.shape[1] == most:
            floor[:] = likely.scores.min(axis=1, keepdims=True)
    found = _scored(segments, queries, likely.row).best(k)
    if likely.row.shape[1] == most:
        is_close = found.scores[:, -1] - likely.scores.min(axis=1) <= TIE
        found = _decided(found, np.flatnonzero(is_close), parts_again, queries)
    return found


def _way(
    segments: Sequence[Rows], num_queries: int
) -> tuple[NDArray[np.float32] | None, Callable[..., Iterable[Likely]]]:
    """The (Q, 1) floor for looking at rows for all queries together, or None; and how parts are gone through.

    Rows that stay in the cache, and few queries, are best left to faiss, which gives each query a thread.
    """
    if sum(map(len, segments)) <= parts.BLOCK_ROWS:
        return None, map
    if num_queries >= FEWEST_QUERIES or any(it.vector.dtype == np.float16 for it in segments):
        return np.full((num_queries, 1), -np.inf, np.float32), each
    return None, each if num_queries == 1 else map


def _scored(segments: Sequence[Rows], queries: NDArray[np.float32], row: NDArray[np.int64]) -> Neighbours:
    """(Q, n) rows of all segments with their exact scores, in no order."""
    rows = rows_at(segments, row.ravel())
    return replace(scored(rows, queries, np.arange(row.size).reshape(row.shape)), row=row)


def _decided(
    found: Neighbours,
    doubtful: NDArray[np.int64],
    parts_again: Callable[[], Iterable[Part]],
    queries: NDArray[np.float32],
) -> Neighbours:
    """The same, once all rows were looked at for the queries that are in doubt."""
    if not doubtful.size:
        return found
    k = found.scores.shape[1]
    floors = found.scores[doubtful, -1].tolist()
    surely = [no_neighbours(1)] * len(doubtful)
    for part in parts_again():
        for at, query in enumerate(queries[doubtful]):
            surely[at] = joined(surely[at], part.surely(query, k, floors[at])).best(k)
    which = np.append(np.setdiff1d(np.arange(len(queries)), doubtful), doubtful)
    certain = found.of(which[: len(queries) - len(doubtful)])
    return stacked([certain, *surely]).of(np.argsort(which))


def _parts(segments: Sequence[Rows], allowed: NDArray[np.int64] | None, *, num_queries: int) -> Iterator[Part]:
    """The parts of all segments, numbered through."""
    before = 0
    for segment in segments:
        if len(segment):
            chosen = None if allowed is None else ranges_of_media(segment.media_id, allowed)
            for part in parts_of(segment, chosen, num_queries=num_queries):
                yield replace(part, row=part.row + before)
        before += len(segment)
