"""Segments side by side in memory, with room behind them: a block that grows shares its memory with what it was."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.ranges import Ranges
from avsearch.vectors.segments import Rows

VECTOR_DTYPE = np.dtype(np.float32)
BYTES_BESIDE = 16  # media and time of a row
BLOCK_BYTES = 128 << 20  # of vectors; memory that nothing was written to is not taken
_NONE = np.empty(0, np.int64)


@dataclass
class _Room:
    """Memory for rows, and how many of them are taken.

    Attributes:
        rows: (C,) of which the first are written.
        num_taken: how many.
        lock: held while that changes.
    """

    rows: Rows
    num_taken: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, first: int, count: int) -> bool:
        """Whether the rows from `first` on are still to be had; they are taken then."""
        with self.lock:
            is_free = self.num_taken == first and first + count <= len(self.rows)
            self.num_taken += count if is_free else 0
        return is_free


@dataclass(frozen=True, eq=False)
class Block:
    """Some segments side by side; it never changes.

    Attributes:
        rows: of all of them.
        cuts: names of the segments -> where their rows lie, in that order.
        media_id: (M,) int64 of each stretch of rows that belong to one media.
        stretches: where these lie.
        room: the memory that it lies in; None where that is a segment's own.
    """

    rows: Rows
    cuts: Mapping[Hashable, slice]
    media_id: NDArray[np.int64]
    stretches: Ranges
    room: _Room | None

    @staticmethod
    def with_room_for(segments: Mapping[Hashable, Rows]) -> Block:
        """An empty block with room for the first segment at least, and for more where they are small."""
        first = next(iter(segments.values()))
        num_rows = max(len(first), BLOCK_BYTES // (max(first.dim, 1) * VECTOR_DTYPE.itemsize))
        room = Rows(
            np.empty((num_rows, first.dim), VECTOR_DTYPE),
            np.empty(num_rows, np.int64),
            np.empty(num_rows, np.int64),
        )
        return Block(room.take(slice(0)), {}, _NONE, Ranges(_NONE, _NONE), _Room(room))

    @property
    def num_bytes(self) -> int:
        """What its rows take."""
        held = (self.rows.vector, self.rows.media_id, self.rows.start_us)
        beside = (self.media_id, self.stretches.first, self.stretches.last)
        return sum(array.nbytes for array in (*held, *beside))

    def chosen(self, allowed: NDArray[np.int64]) -> Ranges:
        """The rows of some media, (A,) int64 ascending."""
        place = np.searchsorted(allowed, self.media_id)
        is_chosen = np.append(allowed, -1)[place] == self.media_id
        return Ranges(self.stretches.first[is_chosen], self.stretches.last[is_chosen])

    def extended(self, segments: dict[Hashable, Rows]) -> Block:
        """A block with the first of the segments as well, as many as there is room for; they are taken out."""
        block, added = self, []
        while segments and block.room is not None:
            name, rows = next(iter(segments.items()))
            first = len(block.rows)
            here = slice(first, first + len(rows))
            if not block.room.take(first, len(rows)):
                break
            into = block.room.rows
            into.vector[here], into.media_id[here], into.start_us[here] = rows.vector, rows.media_id, rows.start_us
            added.append(_stretches(rows.media_id, first))
            block = replace(block, rows=into.take(slice(here.stop)), cuts={**block.cuts, name: here})
            del segments[name]
        media_id = np.concatenate([block.media_id, *(media_id for media_id, _ in added)])
        first_row = np.concatenate([block.stretches.first, *(ranges.first for _, ranges in added)])
        last_row = np.concatenate([block.stretches.last, *(ranges.last for _, ranges in added)])
        return replace(block, media_id=media_id, stretches=Ranges(first_row, last_row))


def whole(segments: Mapping[Hashable, Rows]) -> Block | None:
    """One float32 segment as it is; None for anything else."""
    ((name, rows),) = segments.items()
    if rows.vector.dtype != VECTOR_DTYPE:
        return None
    media_id, stretches = _stretches(rows.media_id, 0)
    return Block(rows, {name: slice(0, len(rows))}, media_id, stretches, None)


def _stretches(media_id: NDArray[np.int64], before: int) -> tuple[NDArray[np.int64], Ranges]:
    """(M,) int64 of each stretch of rows that belong to one media, and where these lie behind `before` others."""
    is_first = np.ones(len(media_id), np.bool_)
    is_first[1:] = np.diff(media_id) != 0
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(media_id))[: len(first)]
    return media_id[first], Ranges(first + before, last + before)
