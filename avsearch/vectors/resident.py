"""Rows of one modality held in memory as faiss wants them, for a server that is asked again and again.

They lie in blocks with room at the end. What comes after a commit takes over the blocks whose segments are all
still there, and writes new segments behind the rows that its predecessor looks at: it costs what was added.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.blocks import BYTES_BESIDE, VECTOR_DTYPE, Block, whole
from avsearch.vectors.exact import checked, search
from avsearch.vectors.numbering import Numbering
from avsearch.vectors.parts import Part, parts_of
from avsearch.vectors.ranges import Ranges
from avsearch.vectors.ranking import Neighbours
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
        sizes = [len(block.rows) for block in self._blocks]
        self._begins: list[int] = np.cumsum([0, *sizes], dtype=np.int64)[:-1].tolist()
        cuts = [
            it + cut.start
            for it, block in zip(self._begins, self._blocks, strict=True)
            for cut in block.cuts.values()
        ]
        first = dict(zip(names, np.cumsum([0, *map(len, segments)], dtype=np.int64).tolist(), strict=False))
        counted = [first[name] for block in self._blocks for name in block.cuts]
        self._numbered = Numbering(np.array(cuts, np.int64), np.array(counted, np.int64))
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
        found = search(partial(self._parts, chosen, len(queries)), [it.rows for it in self._blocks], queries, k)
        return replace(found, row=self._numbered(found.row))

    def _parts(self, chosen: Sequence[Ranges | None], num_queries: int) -> Iterator[Part]:
        """The parts of all blocks, numbered through."""
        for first, block, some in zip(self._begins, self._blocks, chosen, strict=True):
            for part in parts_of(block.rows, some, num_queries=num_queries):
                yield replace(part, row=part.row + first)

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
