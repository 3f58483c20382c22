"""Rows of one modality held in memory as faiss wants them, for a server that is asked again and again.

They lie in blocks with room at the end. What comes after a commit takes over the blocks whose segments are all
still there, and writes new segments behind the rows that its predecessor looks at: it costs what was added.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.blocks import BYTES_BESIDE, VECTOR_DTYPE, Block, whole
from avsearch.vectors.exact import checked
from avsearch.vectors.parts import parts_of
from avsearch.vectors.ranges import Ranges
from avsearch.vectors.ranking import Neighbours, joined, no_neighbours
from avsearch.vectors.segments import Rows

_NO_MEDIA = np.empty(0, np.int64)


class Resident:
    """All rows of one modality, in a few blocks; several threads may ask at once.

    Attributes:
        segments: the same moments in the same order as in the segments it was made of, now float32 in memory.
    """

    def __init__(
        self,
        segments: Sequence[Rows],
        *,
        names: Sequence[Hashable] | None = None,
        before: Resident | None = None,
    ) -> None:
        """Copy what is not in memory yet.

        Args:
            segments: the rows to search, each sorted by media and time.
            names: of the segments; the same name means the same rows. By default each object is one of its own.
            before: what was searched until now; it may go on being asked.
        """
        names = segments if names is None else names
        held: tuple[Block, ...] = () if before is None else before._blocks
        self._blocks: tuple[Block, ...] = tuple(_blocks(dict(zip(names, segments, strict=True)), held))
        place = {name: (block, cut) for block in self._blocks for name, cut in block.cuts.items()}
        self.segments = tuple(block.rows.take(cut) for block, cut in map(place.__getitem__, names))
        first = dict(zip(names, np.cumsum([0, *map(len, segments)], dtype=np.int64).tolist(), strict=False))
        self._begins = [np.array([cut.start for cut in block.cuts.values()], np.int64) for block in self._blocks]
        self._first = [np.array([first[name] for name in block.cuts], np.int64) for block in self._blocks]
        self._last_chosen: tuple[NDArray[np.int64], Sequence[Ranges]] = _NO_MEDIA, ()

    def __len__(self) -> int:
        return sum(len(block.rows) for block in self._blocks)

    @property
    def num_bytes(self) -> int:
        """What it takes; one float32 segment stays mapped, and then that much is the page cache's."""
        return sum(block.num_bytes for block in self._blocks)

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        """What `exact.nearest` gives over the same segments, by one look over rows in memory."""
        queries = checked(queries, k, allowed)
        chosen: Sequence[Ranges | None] = [None] * len(self._blocks) if allowed is None else self._chosen(allowed)
        found = no_neighbours(len(queries))
        for at, (block, some) in enumerate(zip(self._blocks, chosen, strict=True)):
            for part in parts_of(block.rows, some, num_queries=len(queries), block_rows=None):
                near = part.best(queries, k)
                found = joined(found, replace(near, row=self._row(at, near.row))).best(k)
        return found

    def _row(self, block: int, row: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of a block -> rows of the concatenation of the segments."""
        owner = np.searchsorted(self._begins[block], row, side="right") - 1
        return row - self._begins[block][owner] + self._first[block][owner]

    def _chosen(self, allowed: NDArray[np.int64]) -> Sequence[Ranges]:
        """Of the media that counted last too, most often all, the ranges in each block are still known."""
        before, chosen = self._last_chosen
        if before is not allowed:
            chosen = [block.chosen(allowed) for block in self._blocks]
            self._last_chosen = allowed, chosen
        return chosen


def resident_bytes(segments: Sequence[Rows]) -> int:
    """The least that `Resident` takes of memory: 4 D + 16 bytes a row; 24 for each media come on top."""
    return sum(len(rows) * (rows.dim * VECTOR_DTYPE.itemsize + BYTES_BESIDE) for rows in segments)


def _blocks(segments: dict[Hashable, Rows], before: Sequence[Block]) -> Iterator[Block]:
    """Blocks with exactly these segments: those that fit, the last of them with what has room, and new ones."""
    kept = [block for block in before if block.cuts.keys() <= segments.keys()]
    known = {name for block in kept for name in block.cuts}
    new = {name: rows for name, rows in segments.items() if name not in known}
    if not kept and len(new) == 1 and (only := whole(new)) is not None:
        yield only
        return
    for block in kept:
        yield block.extended(new) if block is kept[-1] else block
    while new:
        yield Block.with_room_for(new).extended(new)
