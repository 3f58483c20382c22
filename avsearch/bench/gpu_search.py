"""Search on a GPU: how fast its memory is read, and how near to that a search comes. Needs torch and NumPy alone.

Without faiss, and the packages that avsearch's own search needs, a product of matrices by torch shows what there is
to be had; with them, `gpu_faiss` measures avsearch's search beside it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from avsearch.bench.gpu_result import GpuBenchmarkJob, GpuFigure
from avsearch.bench.gpu_ways import BATCH, SEARCH_K, share_figure, times_s, way_figures
from avsearch.errors import AvsearchError

NUM_QUERIES = 64
_CHUNK_ROWS = 1 << 20
_CLUSTER_ROWS = 2000
_NOISE = 0.8
_ROOM_BYTES = 12 << 30  # of a GPU, beside the vectors
_READ_BYTES = {"cuda": 4 << 30, "cpu": 64 << 20}


@dataclass(frozen=True, eq=False)
class MadeRows:
    """Moments that are searched.

    Attributes:
        vector: (N, D) float16 unit rows, on the device.
        queries: (Q, D) float32 unit rows near some of them, on the processor.
    """

    vector: torch.Tensor
    queries: NDArray[np.float32]


def search_figures(job: GpuBenchmarkJob, device: torch.device) -> tuple[list[GpuFigure], list[str]]:
    """Figures of search, and a sentence for each thing that could not be measured."""
    notes = []
    num_rows = fitting_rows(job, device)
    if num_rows < job.search_rows:
        notes.append(
            f"The memory holds {num_rows:,} moments of the {job.search_rows:,} that search was to look at."
        )
    bandwidth = bytes_a_second(device)
    made = made_rows(num_rows, job.search_dim, device)
    figures = [
        GpuFigure("reading memory", bandwidth / 1e9, "GB/s"),
        GpuFigure("search: moments", num_rows),
        *way_figures("search, torch", partial(torch_best, made.vector), made.queries, device=device),
    ]
    figures.append(share_figure("search, torch", figures, made.vector.nbytes, bandwidth))
    rows, queries = made.vector.cpu().numpy(), made.queries
    del made
    if device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        from avsearch.bench.gpu_faiss import faiss_figures  # noqa: PLC0415  (where it is installed)

        more, lacks = faiss_figures(rows, queries, device, bandwidth)
        return [*figures, *more], [*notes, *lacks]
    except ImportError as error:
        notes.append(f"avsearch's own search was not measured: {error.name or error} is not installed.")
    except AvsearchError as error:
        notes.append(f"avsearch's own search was not measured: {error}")
    return figures, notes


def fitting_rows(job: GpuBenchmarkJob, device: torch.device) -> int:
    """As many moments as are wanted, or as the device's memory holds, and half of the machine's."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    free = torch.cuda.mem_get_info(device)[0] - _ROOM_BYTES if device.type == "cuda" else machine
    return max(min(job.search_rows, min(free, machine) // (2 * job.search_dim)), 1000)


def made_rows(num_rows: int, dim: int, device: torch.device, seed: int = 0) -> MadeRows:
    """Rows in clusters, made on the device."""
    rng = torch.Generator(device).manual_seed(seed)

    def noise(count: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(count, dim, generator=rng, device=device))

    clusters = noise(max(num_rows // _CLUSTER_ROWS, 20))
    vector = torch.empty(num_rows, dim, dtype=torch.float16, device=device)
    for some in torch.split(vector, _CHUNK_ROWS):
        middle = clusters[torch.randint(len(clusters), (len(some),), generator=rng, device=device)]
        some.copy_(torch.nn.functional.normalize(middle + _NOISE * noise(len(some))))
    asking = vector[torch.randint(num_rows, (NUM_QUERIES,), generator=rng, device=device)].float()
    queries = torch.nn.functional.normalize(asking + _NOISE / 2 * noise(NUM_QUERIES))
    return MadeRows(vector, queries.cpu().numpy())


def torch_best(
    vector: torch.Tensor, queries: NDArray[np.float32], k: int = SEARCH_K
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(Q, k) scores of the best rows, and their numbers, by a product in half precision and a selection."""
    asked = torch.from_numpy(queries).to(vector.device, vector.dtype).T
    best, row = [], []
    first = 0
    for some in torch.split(vector, _CHUNK_ROWS * BATCH // queries.shape[0]):
        found = torch.topk(some @ asked, min(k, len(some)), dim=0)
        best.append(found.values)
        row.append(found.indices + first)
        first += len(some)
    among = torch.topk(torch.cat(best), k, dim=0)
    rows = torch.cat(row).gather(0, among.indices)
    return among.values.T.float().cpu().numpy(), rows.T.cpu().numpy()


def bytes_a_second(device: torch.device) -> float:
    """How fast the device's memory is read, or copied where that moves more."""
    data = torch.ones(_READ_BYTES[device.type] // 4, device=device)
    copy = torch.empty_like(data)
    read_s = min(times_s(lambda _at: data.sum(), device))
    copied_s = min(times_s(lambda _at: copy.copy_(data), device))
    return max(data.nbytes / read_s, 2 * data.nbytes / copied_s)
