"""Exact nearest neighbours: every row is compared, block by block, straight over the mapped segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors import parts
from avsearch.vectors.parts import Part, parts_of
from avsearch.vectors.ranges import ranges_of_media
from avsearch.vectors.ranking import Neighbours, joined, no_neighbours
from avsearch.vectors.segments import Rows


def nearest(
    segments: Sequence[Rows], queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
) -> Neighbours:
    """The k rows with the highest inner product; fewer where there are fewer.

    The result depends on the moments alone, not on how they lie in segments, on blocks or threads: faiss finds
    the candidates, their scores are computed again in float64, and a query that has a tie at its k-th place is
    looked at row by row. A filter changes which rows count and nothing else.

    Args:
        segments: the rows to search, each sorted by media and time.
        queries: (Q, D) float32, unit rows.
        k: how many rows for each query, at least 1.
        allowed: (A,) int64 ascending, the media whose rows count; None for all.
    """
    queries = checked(queries, k, allowed)
    return search(_parts(segments, allowed, num_queries=len(queries)), queries, k)


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


def search(some: Iterable[Part], queries: NDArray[np.float32], k: int) -> Neighbours:
    """The k best rows of all parts."""
    found = no_neighbours(len(queries))
    for part in some:
        found = joined(found, part.best(queries, k)).best(k)
    return found


def _parts(segments: Sequence[Rows], allowed: NDArray[np.int64] | None, *, num_queries: int) -> Iterator[Part]:
    """The parts of all segments, numbered through."""
    before = 0
    for segment in segments:
        if len(segment):
            chosen = None if allowed is None else ranges_of_media(segment.media_id, allowed)
            for part in parts_of(segment, chosen, num_queries=num_queries, block_rows=parts.BLOCK_ROWS):
                yield replace(part, row=part.row + before)
        before += len(segment)
