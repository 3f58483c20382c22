"""Indexes for approximate search on GPUs: inverted lists, shared by several, and CAGRA's graph on one.

A structure on a GPU names rows as the one on the processor that it was copied from, and is asked instead of it
where a GPU can: it selects so many rows or lists at most. Where one fails, the processor goes on. Lists are shared
out here and not by `faiss.index_cpu_to_gpu_multiple`, in which a GPU without memory ends the whole process.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsearch.moments import Progress
from avsearch.vectors.ann.approximate import Approximate
from avsearch.vectors.ann.kinds import LINKS, Kind
from avsearch.vectors.ann.structure import Structure, row_blocks, some_rows
from avsearch.vectors.backend import load_faiss
from avsearch.vectors.gpu.cards import MOST_FETCHED, Card, NoGpu, guarded, warn_once
from avsearch.vectors.segments import Rows

MOST_WALKED = 512  # rows that CAGRA keeps while it walks; a processor walks further
_STEP_WALKED = 32  # of which that is a multiple


class GpuStructure:
    """A structure that is on GPUs as well; several threads may ask at once.

    Attributes:
        kind: of the structure.
        origin: the structure on the processor, which answers what a GPU cannot.
        is_lost: whether a GPU failed, so that the processor answers from then on.
    """

    def __init__(self, origin: Structure, shares: Sequence[tuple[Card, Any]]) -> None:
        self.origin = origin  # faiss may go on using its memory
        self.kind: Kind = origin.kind
        self.is_lost = False
        self._shares = shares

    def __len__(self) -> int:
        return len(self.origin)

    @property
    def dim(self) -> int:
        return self.origin.dim

    def search(self, queries: NDArray[np.float32], fetch: int, effort: int) -> NDArray[np.int64]:
        """As `Structure.search`."""
        is_graph, reach = self.kind.graph, max(effort, fetch)
        if not self.is_lost and reach <= (MOST_WALKED if is_graph else MOST_FETCHED):
            try:
                return self._asked(queries, fetch, -(-reach // _STEP_WALKED) * _STEP_WALKED if is_graph else effort)
            except NoGpu as error:
                self.is_lost = True
                warn_once(error)
        return self.origin.search(queries, fetch, effort)

    def _asked(self, queries: NDArray[np.float32], fetch: int, effort: int) -> NDArray[np.int64]:
        """What the GPUs name: of several, the best of all.

        Raises:
            NoGpu: one failed.
        """
        faiss = load_faiss()
        if self.kind.graph:
            chosen = faiss.SearchParametersCagra(itopk_size=effort)
        else:
            chosen = faiss.SearchParametersIVF(nprobe=effort)

        def ask(share: tuple[Card, Any]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            card, index = share
            found: tuple[NDArray[np.float32], NDArray[np.int64]] = guarded(
                card, lambda: index.search(queries, fetch, params=chosen)
            )
            return found

        if len(self._shares) == 1:
            return ask(self._shares[0])[1]
        with ThreadPoolExecutor(len(self._shares)) as pool:
            told = list(pool.map(ask, self._shares))
        row = np.concatenate([row for _, row in told], axis=1)
        scores = np.where(row < 0, -np.inf, np.concatenate([scores for scores, _ in told], axis=1))
        return np.take_along_axis(row, np.argsort(-scores, axis=1, kind="stable")[:, :fetch], axis=1)


def on_gpu(structure: Structure, cards: Sequence[Card]) -> GpuStructure:
    """Copy a structure to GPUs.

    Args:
        structure: of a kind that faiss has on GPUs: not HNSW.
        cards: at least one; lists are shared by all, a graph lies on the first.

    Raises:
        NoGpu: the memory does not hold it, a GPU fails, or faiss has no such index there.
    """
    if structure.kind.graph and not (structure.kind.needs_cuvs and hasattr(load_faiss(), "GpuIndexCagra")):
        raise NoGpu(
            f"The index {structure.kind.name} has no form for the GPU in this faiss.",
            hint="Run `avsearch library optimize --device cuda` for one that has.",
        )
    if structure.kind.graph or len(cards) == 1:
        return GpuStructure(structure, [(cards[0], _copied(structure.index, cards[0]))])
    shares = (_share(structure.index, at, len(cards)) for at in range(len(cards)))
    return GpuStructure(
        structure, [(card, _copied(share, card)) for card, share in zip(cards, shares, strict=True)]
    )


def approximate_on_gpu(
    approximate: Approximate, cards: Sequence[Card], before: Approximate | None = None
) -> Approximate:
    """The same search with its structure on GPUs; as it is, with a warning, where that cannot be.

    Args:
        approximate: with a structure on the processor.
        cards: none to leave it there.
        before: of an earlier state of the library: what it has on GPUs is taken over where it is the same file.
    """
    structure = approximate.structure
    if not cards or not isinstance(structure, Structure):
        return approximate
    held = None if before is None else before.structure
    if (
        isinstance(held, GpuStructure)
        and structure.name
        and held.origin.name == structure.name
        and not held.is_lost
    ):
        return approximate.asking(held)
    try:
        return approximate.asking(on_gpu(structure, cards))
    except NoGpu as error:
        warn_once(error)
        return approximate


def build_on_gpu(
    segments: Sequence[Rows], kind: Kind, card: Card, *, rng: np.random.Generator, progress: Progress
) -> Structure:
    """Train and fill a structure on a GPU, and bring it back: what is written is as if the processor had made it.

    Args:
        segments: as many rows as `kind.fits` wants.
        kind: lists, or CAGRA where `has_cuvs`.
        card: which builds.
        rng: draws the rows that are trained on.
        progress: told of the rows that were added.

    Raises:
        NoGpu: the memory does not hold it, or the GPU fails.
    """
    if kind.needs_cuvs:
        progress.stage("train", None, "row")
        return Structure(_cagra(segments, card), kind)
    faiss = load_faiss()
    num_rows, dim = sum(map(len, segments)), segments[0].dim
    empty = faiss.index_factory(dim, kind.factory(num_rows, dim), faiss.METRIC_INNER_PRODUCT)
    index = _copied(empty, card)
    progress.stage("train", None, "row")
    guarded(card, partial(index.train, some_rows(segments, kind, rng)))
    progress.stage("add", num_rows, "row")
    for block in row_blocks(segments):
        guarded(card, partial(index.add, block))
        progress.advance(len(block))
    return Structure(guarded(card, lambda: faiss.index_gpu_to_cpu(index)), kind)


def has_cuvs(cards: Sequence[Card]) -> bool:
    """Whether there is a GPU, and a faiss with CAGRA."""
    return bool(cards) and hasattr(load_faiss(), "GpuIndexCagra")


def _cagra(segments: Sequence[Rows], card: Card) -> Any:  # noqa: ANN401  (faiss has no types)
    """CAGRA's graph, as an index that the processor can be asked with too; it is made of all rows at once."""
    faiss, dim = load_faiss(), segments[0].dim
    rows = np.empty((sum(map(len, segments)), dim), np.float32)
    first = 0
    for block in row_blocks(segments):
        rows[first : first + len(block)] = block
        first += len(block)
    config = faiss.GpuIndexCagraConfig()
    config.device, config.graph_degree, config.intermediate_graph_degree = card.device, 2 * LINKS, 4 * LINKS
    index = faiss.IndexHNSWCagra(dim, LINKS, faiss.METRIC_INNER_PRODUCT)
    index.base_level_only = True

    def made() -> None:
        there = faiss.GpuIndexCagra(card.resources, dim, faiss.METRIC_INNER_PRODUCT, config)
        there.train(rows)
        there.copyTo(index)

    guarded(card, made)
    return index


def _copied(index: Any, card: Card) -> Any:  # noqa: ANN401
    """An index of faiss on a GPU.

    Raises:
        NoGpu: it has no room there, or no form.
    """
    faiss = load_faiss()
    options = faiss.GpuClonerOptions()
    options.use_cuvs = False  # it has no 8-bit lists
    options.indicesOptions = faiss.INDICES_64_BIT
    return guarded(card, lambda: faiss.index_cpu_to_gpu(card.resources, card.device, index, options))


def _share(index: Any, at: int, count: int) -> Any:  # noqa: ANN401
    """Every `count`-th row of an index with lists, from row `at` on, under the number that it has there."""
    faiss = load_faiss()
    of_all = (index.quantizer, index.d, index.nlist)
    if isinstance(index, faiss.IndexIVFScalarQuantizer):
        share = faiss.IndexIVFScalarQuantizer(*of_all, index.sq.qtype, index.metric_type, index.by_residual)
        share.sq = index.sq
    elif isinstance(index, faiss.IndexIVFPQ):
        share = faiss.IndexIVFPQ(*of_all, index.pq.M, index.pq.nbits, index.metric_type)
        share.pq, share.by_residual = index.pq, index.by_residual
    else:
        share = faiss.IndexIVFFlat(*of_all, index.metric_type)
    share.is_trained = True
    index.copy_subset_to(share, faiss.InvertedLists.SUBSET_TYPE_ID_MOD, count, at)
    return share
