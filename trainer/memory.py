"""A batch that the memory does not hold: one sentence, with the batch size to try. Needs torch alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from avsearch.errors import TrainingError
from trainer.config import TrainConfig

_SAYINGS = ("can't allocate memory", "out of memory", "ALLOC_FAILED")  # of CPUs, of CUDA and NCCL, of cuBLAS, cuDNN


@contextmanager
def enough_memory(
    device: torch.device,
    config: TrainConfig,
    *,
    rows: int,
    world: int = 1,
    has_begun: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Whatever runs out of memory in the body becomes an error that names a batch size.

    Args:
        device: where batches of this config are trained on.
        config: of the run.
        rows: pairs that a batch has in fact.
        world: the processes that share it.
        has_begun: whether a run is there to go on with, whose batches stay as they are.

    Raises:
        TrainingError: the memory of the device, or of the machine, is full.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"{device}: the memory does not hold a batch of {rows}.",
            hint=_hint(smaller_batch(rows, world=world, views=config.views), config.size, begun=has_begun()),
        ) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of torch, NumPy or Python tells of memory that is not there."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(saying in str(error) for saying in _SAYINGS)


def smaller_batch(rows: int, *, world: int = 1, views: int = 1) -> int | None:
    """The largest batch of half the pairs at most that can be trained with; None where that is too few."""
    unit = math.lcm(world, views)
    half = rows // 2 // unit * unit
    return half if half >= 2 * views else None


def _hint(batch_size: int | None, size: str, *, begun: bool) -> str:
    if begun:
        anew = f" and --batch-size {batch_size}" if batch_size else ""
        return f"Free some memory and go on with --resume, or train into another folder with --out{anew}."
    if batch_size:
        return f"Try --batch-size {batch_size}."
    return "Free some memory" + (", or try --size small." if size == "paper" else " or train on another machine.")
