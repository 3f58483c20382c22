"""avsearch's own search on a GPU, measured over made moments: exact, by inverted lists, and by CAGRA."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from avsearch.bench.gpu_result import GpuFigure
from avsearch.bench.gpu_ways import BATCH, SEARCH_K, share_figure, way_figures
from avsearch.moments import Silent
from avsearch.vectors.ann.choosing import over
from avsearch.vectors.ann.kinds import KINDS, Kind
from avsearch.vectors.ann.record import Tuning
from avsearch.vectors.exact import nearest
from avsearch.vectors.gpu.cards import Card, NoGpu, find_cards
from avsearch.vectors.gpu.exact import OnGpu, on_gpu
from avsearch.vectors.gpu.rounding import unit_queries
from avsearch.vectors.gpu.structure import approximate_on_gpu, build_on_gpu, has_cuvs
from avsearch.vectors.ranking import Neighbours
from avsearch.vectors.segments import Rows

SAMPLE = 8  # queries that the processor answers too
SEGMENT_ROWS = 1 << 20
MEDIA_ROWS = 50
INDEX_ROWS = {"ivf-sq8": 10_000_000, "ivf": 10_000_000, "cagra": 2_000_000}
"""Moments that an index is built of: it takes minutes with more."""
_EFFORTS = {"ivf-sq8": (16, 2), "ivf": (16, 1), "cagra": (128, 1)}
_FETCH = 2 * SEARCH_K + 64  # as `OnGpu` begins


def faiss_figures(
    vector: NDArray[np.float16], queries: NDArray[np.float32], device: torch.device, bandwidth: float
) -> tuple[list[GpuFigure], list[str]]:
    """Figures of each way to search, and a sentence for each that could not be measured.

    Args:
        vector: (N, D) float16 unit rows.
        queries: (Q, D) float32 unit rows.
        device: a GPU; on the processor there is nothing to measure here.
        bandwidth: bytes a second.

    Raises:
        LibraryError: faiss is missing or broken, or has no GPU.
    """
    cards = find_cards(f"cuda:{device.index or 0}") if device.type == "cuda" else ()
    if not cards:
        raise NoGpu("The device that is measured is no GPU.")
    segments = made_segments(vector)
    figures = _exact(segments, queries, cards, bandwidth)
    notes = []
    for name in (it for it in INDEX_ROWS if has_cuvs(cards) or not KINDS[it].needs_cuvs):
        some = made_segments(vector[: INDEX_ROWS[name]])
        try:
            figures += _index(some, queries, KINDS[name], cards)
        except NoGpu as error:
            notes.append(f"{name} was not measured: {error}")
    if not has_cuvs(cards):
        notes.append("CAGRA was not measured: this faiss has no cuVS; `avsearch doctor` says what to install.")
    return figures, notes


def made_segments(vector: NDArray[np.float16]) -> list[Rows]:
    """Rows as a library has them, nothing copied."""
    made = []
    for first in range(0, len(vector), SEGMENT_ROWS):
        some = vector[first : first + SEGMENT_ROWS]
        row = np.arange(first, first + len(some))
        made.append(Rows(some, row // MEDIA_ROWS, row % MEDIA_ROWS))
    return made


def recall(found: Neighbours, truth: Neighbours) -> float:
    """The part of the best rows that was found; rows that score as well as the last of them are as good."""
    return float((found.scores[:, : truth.scores.shape[1]] >= truth.scores[:, -1:]).mean())


def _exact(
    segments: Sequence[Rows],
    queries: NDArray[np.float32],
    cards: Sequence[Card],
    bandwidth: float,
) -> list[GpuFigure]:
    """All vectors as float16, and what the GPU alone takes beside the whole answer."""
    began = time.perf_counter()
    searched = on_gpu(segments, cards)
    copied_s = time.perf_counter() - began
    whole, alone = "search, float16", "search, float16, the GPU alone"
    figures = [
        GpuFigure(f"{whole}: copying to the GPU", copied_s, "s"),
        *way_figures(whole, partial(searched.nearest, k=SEARCH_K), queries),
        *way_figures(alone, partial(_candidates, searched), queries),
    ]
    num_bytes = sum(rows.vector.nbytes for rows in segments)
    truth = nearest(segments, queries[:SAMPLE], SEARCH_K)
    return [
        *figures,
        share_figure(whole, figures, num_bytes, bandwidth),
        share_figure(alone, figures, num_bytes, bandwidth),
        GpuFigure(f"{whole}: recall@{SEARCH_K}", recall(searched.nearest(queries[:SAMPLE], SEARCH_K), truth)),
    ]


def _candidates(searched: OnGpu, queries: NDArray[np.float32]) -> object:
    return searched.candidates(unit_queries(queries)[0], _FETCH)


def _index(
    segments: Sequence[Rows],
    queries: NDArray[np.float32],
    kind: Kind,
    cards: Sequence[Card],
) -> list[GpuFigure]:
    """One kind of index, asked with an effort that is usual for it.

    Raises:
        NoGpu: the memory does not hold it.
    """
    began = time.perf_counter()
    structure = build_on_gpu(segments, kind, cards[0], rng=np.random.default_rng(0), progress=Silent())
    build_s = time.perf_counter() - began
    found = approximate_on_gpu(over(structure, Tuning(*_EFFORTS[kind.name]), segments), cards)
    truth = nearest(segments, queries[:BATCH], SEARCH_K)
    name = f"search, {kind.name}"
    return [
        GpuFigure(f"{name}: moments", sum(map(len, segments))),
        GpuFigure(f"{name}: building", build_s, "s"),
        *way_figures(name, partial(found.nearest, k=SEARCH_K), queries),
        GpuFigure(f"{name}: recall@{SEARCH_K}", recall(found.nearest(queries[:BATCH], SEARCH_K), truth)),
    ]
