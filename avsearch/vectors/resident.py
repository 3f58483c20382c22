"""Rows of one modality held in memory as faiss wants them, for a server that is asked again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.exact import checked, search
from avsearch.vectors.parts import parts_of
from avsearch.vectors.ranges import Ranges
from avsearch.vectors.ranking import Neighbours
from avsearch.vectors.segments import Rows

_VECTOR_DTYPE = np.dtype(np.float32)
_BYTES_BESIDE = 16  # media and time of a row
_NO_MEDIA = np.empty(0, np.int64)


class Resident:
    """All rows of one modality, side by side; several threads may ask at once.

    Attributes:
        segments: the same moments in the same order as in the segments it was made of, now float32 in memory.
    """

    def __init__(self, segments: Sequence[Rows]) -> None:
        self._rows = _side_by_side(segments)
        self._media_id, self._stretches = _stretches(self._rows.media_id)
        self.segments = tuple(_cut(self._rows, segments))
        self._last_chosen = _NO_MEDIA, Ranges(_NO_MEDIA, _NO_MEDIA)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def num_bytes(self) -> int:
        """What it takes; one float32 segment stays mapped, and then that much is the page cache's."""
        held = (self._rows.vector, self._rows.media_id, self._rows.start_us)
        beside = (self._media_id, self._stretches.first, self._stretches.last)
        return sum(array.nbytes for array in (*held, *beside))

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        """What `exact.nearest` gives over the same segments, by one look over rows in memory."""
        queries = checked(queries, k, allowed)
        chosen = None if allowed is None else self._chosen(allowed)
        return search(parts_of(self._rows, chosen, num_queries=len(queries), block_rows=None), queries, k)

    def _chosen(self, allowed: NDArray[np.int64]) -> Ranges:
        """Of the media that counted last too, most often all, the ranges are still known."""
        before, chosen = self._last_chosen
        if before is not allowed:
            place = np.searchsorted(allowed, self._media_id)
            is_chosen = np.append(allowed, -1)[place] == self._media_id
            chosen = Ranges(self._stretches.first[is_chosen], self._stretches.last[is_chosen])
            self._last_chosen = allowed, chosen
        return chosen


def resident_bytes(segments: Sequence[Rows]) -> int:
    """The least that `Resident` takes of memory: 4 D + 16 bytes a row; 24 for each media come on top."""
    return sum(len(rows) * (rows.dim * _VECTOR_DTYPE.itemsize + _BYTES_BESIDE) for rows in segments)


def _side_by_side(segments: Sequence[Rows]) -> Rows:
    """One float32 segment as it is; several are copied one by one, so that only the result has to fit."""
    if len(segments) == 1 and segments[0].vector.dtype == _VECTOR_DTYPE:
        return segments[0]
    num_rows, dim = sum(map(len, segments)), segments[0].dim if segments else 0
    vector = np.empty((num_rows, dim), _VECTOR_DTYPE)
    media_id, start_us = np.empty(num_rows, np.int64), np.empty(num_rows, np.int64)
    before = 0
    for rows in segments:
        here = slice(before, before + len(rows))
        vector[here], media_id[here], start_us[here] = rows.vector, rows.media_id, rows.start_us
        before += len(rows)
    return Rows(vector, media_id, start_us)


def _stretches(media_id: NDArray[np.int64]) -> tuple[NDArray[np.int64], Ranges]:
    """(M,) int64 of each stretch of rows that belong to one media, and where these lie."""
    is_first = np.ones(len(media_id), np.bool_)
    is_first[1:] = np.diff(media_id) != 0
    first = np.flatnonzero(is_first)
    return media_id[first], Ranges(first, np.append(first[1:], len(media_id))[: len(first)])


def _cut(rows: Rows, segments: Sequence[Rows]) -> list[Rows]:
    """The rows again as the segments had them, not copied."""
    ends = np.cumsum([len(segment) for segment in segments], dtype=np.int64).tolist()
    return [rows.take(slice(end - len(segment), end)) for segment, end in zip(segments, ends, strict=True)]
