"""How long a way to search takes on a GPU, and which part of the memory's bandwidth that is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from avsearch.bench.gpu_result import GpuFigure

SEARCH_K = 30
BATCH = 32
MOST_S = 20.0  # of asking in one way
_ROUNDS = 30


def way_figures(
    name: str,
    ask: Callable[[NDArray[np.float32]], object],
    queries: NDArray[np.float32],
    *,
    device: torch.device | None = None,
) -> list[GpuFigure]:
    """Milliseconds of one query, and of each of a batch; on a device that is waited for."""
    one = times_s(lambda at: ask(queries[at % len(queries)][None]), device)
    many = [it / BATCH for it in times_s(lambda _at: ask(queries[:BATCH]), device)]
    return [milliseconds(f"{name}: one query", one), milliseconds(f"{name}: each of {BATCH}", many)]


def times_s(work: Callable[[int], object], device: torch.device | None) -> list[float]:
    """Seconds of each of several rounds, after two that are not counted; fewer where they take long."""
    taken: list[float] = []
    while len(taken) < _ROUNDS + 2 and (len(taken) < 5 or sum(taken) < MOST_S):
        began = time.perf_counter()
        work(len(taken))
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return taken[2:]


def milliseconds(name: str, taken_s: Sequence[float]) -> GpuFigure:
    """The median, the fastest and the slowest."""
    return GpuFigure(name, 1e3 * statistics.median(taken_s), "ms", 1e3 * min(taken_s), 1e3 * max(taken_s))


def share_figure(name: str, figures: Sequence[GpuFigure], num_bytes: int, bandwidth: float) -> GpuFigure:
    """Which part of the measured bandwidth one query reads all vectors with."""
    one_ms = next(it.value for it in figures if it.name == f"{name}: one query")
    return GpuFigure(f"{name}: of the bandwidth, by one query", num_bytes / (one_ms / 1e3) / bandwidth)
