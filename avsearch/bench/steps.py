"""Training steps with a clock beside them. Needs torch and NumPy alone."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

import torch

from trainer.batches import Batch, ClipSource, training_batches
from trainer.config import TrainConfig
from trainer.step import Learner, update

_WARM_STEPS = 3
_MADE_BATCHES = 3
_LEARNING_RATE = 1e-4  # any: how long a step takes does not depend on it


def waiting_s(
    one: Learner, source: ClipSource, config: TrainConfig, device: torch.device, *, steps: int
) -> list[float]:
    """Seconds of each step as `avsearch train` takes it, waiting for its batch included."""
    ends = []
    for batch in training_batches(source, config, seed=0, steps=range(_WARM_STEPS + steps)):
        update(one, batch, config, device, learning_rate=_LEARNING_RATE)  # reads the loss: the device has finished
        ends.append(time.perf_counter())
    return [after - before for before, after in pairwise(ends)][_WARM_STEPS - 1 :]


def computing_s(
    one: Learner, batch: Batch, config: TrainConfig, device: torch.device, *, steps: int
) -> list[float]:
    """Seconds of each step on one batch that is there already, with nothing beside it."""
    ends = []
    for _ in range(_WARM_STEPS + steps):
        update(one, batch, config, device, learning_rate=_LEARNING_RATE)
        ends.append(time.perf_counter())
    return [after - before for before, after in pairwise(ends)][_WARM_STEPS - 1 :]


def making_s(source: ClipSource, config: TrainConfig) -> float:
    """Seconds to draw and render one batch, with nothing beside it: the median of three."""
    times_s = []
    for step in range(_MADE_BATCHES):
        began = time.perf_counter()
        [batch] = training_batches(source, config, seed=1, steps=range(step, step + 1))
        float(batch.sounds[-1, -1])  # waits for the device
        times_s.append(time.perf_counter() - began)
    return median(times_s)
