"""Segments on one GPU, as float16 in one flat index of faiss; which ones lie together, and on which GPU."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from avsearch.vectors.backend import load_faiss
from avsearch.vectors.gpu.cards import Card, guarded
from avsearch.vectors.segments import Rows

BLOCK_BYTES = 4 << 30  # of float16 vectors; one that grows is copied as a whole
SPREAD_ROWS = 1 << 20  # up to which one GPU alone is faster than several
_NUMBER_BYTES = 2
_ADDED_BYTES = 128 << 20  # of float32, on their way to a GPU at a time


@dataclass(frozen=True, eq=False)
class GpuBlock:
    """Some segments side by side; it never changes.

    Attributes:
        card: where they lie.
        index: faiss's flat index of them.
        cuts: names of the segments -> how many rows each has, in the order in which they lie.
        is_rounded: whether any of them is kept less finely than on the disk.
    """

    card: Card
    index: Any
    cuts: Mapping[Hashable, int]
    is_rounded: bool

    def __len__(self) -> int:
        return sum(self.cuts.values())


def blocks(segments: Mapping[Hashable, Rows], cards: Sequence[Card], before: Sequence[GpuBlock]) -> list[GpuBlock]:
    """Blocks with exactly these segments: those of before that fit, and new ones where there is least on a GPU.

    Small blocks are made anew together with what is new, so that many small commits do not leave many blocks; each
    row is copied a few times at most, as often as its block's size can double.

    Args:
        segments: that are searched, by name.
        cards: at least one.
        before: of an earlier state of the library.

    Raises:
        NoGpu: the memory does not hold them, or a GPU fails.
    """
    kept = [block for block in before if block.cuts.keys() <= segments.keys() and block.card in cards]
    known = {name for block in kept for name in block.cuts}
    new = {name: rows for name, rows in segments.items() if name not in known and len(rows)}
    num_new = sum(map(len, new.values()))
    for block in sorted(kept, key=len):
        if new and len(block) <= num_new and len(block) < _most_rows(segments, cards, num_new) // 2:
            kept.remove(block)
            num_new += len(block)
            new.update({name: segments[name] for name in block.cuts})
    for some in _grouped(new, _most_rows(segments, cards, num_new)):
        load = {card.device: sum(len(it) for it in kept if it.card is card) for card in cards}
        kept.append(_block(some, min(cards, key=lambda card: load[card.device])))
    return kept


def _most_rows(segments: Mapping[Hashable, Rows], cards: Sequence[Card], num_new: int) -> int:
    """How many rows one block takes: less where several GPUs are to share what is new."""
    dim = next((rows.dim for rows in segments.values()), 1)
    most = max(BLOCK_BYTES // (_NUMBER_BYTES * dim), 1)
    return most if num_new <= SPREAD_ROWS else min(most, -(-num_new // len(cards)))


def _grouped(segments: Mapping[Hashable, Rows], most_rows: int) -> Iterator[dict[Hashable, Rows]]:
    """Segments in their order, so many rows together; one that is longer lies alone."""
    some: dict[Hashable, Rows] = {}
    for name, rows in segments.items():
        if some and sum(map(len, some.values())) + len(rows) > most_rows:
            yield some
            some = {}
        some[name] = rows
    if some:
        yield some


def _block(segments: Mapping[Hashable, Rows], card: Card) -> GpuBlock:
    """Copy segments to a GPU."""
    faiss = load_faiss()
    dim = next(iter(segments.values())).dim
    config = faiss.GpuIndexFlatConfig()
    config.device, config.useFloat16, config.use_cuvs = card.device, True, False

    def copied() -> Any:  # noqa: ANN401  (faiss has no types)
        index = faiss.GpuIndexFlat(card.resources, dim, faiss.METRIC_INNER_PRODUCT, config)
        step = max(_ADDED_BYTES // (4 * dim), 1)
        for rows in segments.values():
            for first in range(0, len(rows), step):
                index.add(np.ascontiguousarray(rows.vector[first : first + step], np.float32))
        return index

    is_rounded = any(rows.vector.dtype != np.float16 for rows in segments.values())
    return GpuBlock(card, guarded(card, copied), {name: len(rows) for name, rows in segments.items()}, is_rounded)
