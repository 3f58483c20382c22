"""Where a run begins: at step 0, with first weights and a number of steps, or at its last checkpoint."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from avsearch import features
from avsearch.errors import TrainingError
from avsearch.models.network import Network
from avsearch.models.networks import NETWORKS
from trainer.batches import Batch, training_batches
from trainer.checkpoint import load_checkpoint, save_checkpoint
from trainer.config import TrainConfig, TrainJob
from trainer.distributed import Ranks
from trainer.preparation import Run
from trainer.runlog import data_fingerprint
from trainer.step import Learner, learner, update
from trainer.validation import validate

EVALUATIONS = 10
_TIMED_STEPS = 5
_WARM_STEPS = 2


def begin(run: Run, ranks: Ranks) -> tuple[Learner, dict[str, Any]]:
    """Where to begin: at the last checkpoint, or at step 0 with the first weights and the step count fixed."""
    torch.manual_seed(run.job.seed)
    network = NETWORKS[run.config.architecture](run.config.widths).to(run.device)
    last = checkpoint_path(run.job, "last")
    resumed = run.job.resume and last.exists()
    if not resumed:
        _measure_first_batch(run, network)
    trial = copy.deepcopy(network)
    one = learner(network, run.config, run.device, ranks=ranks)
    if resumed:
        return one, _resumed(run, load_checkpoint(last, one))
    state = {
        "step": 0,
        "steps": run.job.steps or ranks.agreed(_affordable_steps(run, ranks, trial)),
        "best": None,
        "best_step": 0,
        "data": data_fingerprint(run.train),
        "config": _comparable(run.job.config),
    }
    if ranks.is_first:
        save_checkpoint(last, one, state)
    return one, state


def _measure_first_batch(run: Run, network: Network) -> None:
    """Let the network measure the first batch, where it has something to begin from."""
    first = next(training_batches(run.source, run.config, seed=run.job.seed, steps=range(1))).to(run.device)
    frames = features.image_tensor(first.frames, run.config.front_end)
    network.start(frames, features.log_spectrogram(first.sounds, run.config.front_end))


def _resumed(run: Run, state: dict[str, Any]) -> dict[str, Any]:
    """Go on to the steps asked for, else to those of the first call, on the same media by the same recipe."""
    if state["data"] != data_fingerprint(run.train):
        raise TrainingError(
            f"{run.job.out}: this run was begun with other media or another split of them.",
            hint="Name the same ones to resume it, or train into another folder with --out.",
        )
    if state["config"] != _comparable(run.job.config):
        raise TrainingError(
            f"{run.job.out}: this run was begun with another recipe or other settings.",
            hint="Give the same ones to resume it (run.json has them), or train into another folder with --out.",
        )
    return state | {"steps": max(run.job.steps or state["steps"], state["step"])}


def _affordable_steps(run: Run, ranks: Ranks, network: Network) -> int:
    """How many steps fit into the minutes, timed on a copy so that nothing is learnt yet."""
    trial = learner(network, run.config, run.device, ranks=ranks)
    ends = [time.monotonic()]
    for batch in rank_batches(run, ranks, range(_WARM_STEPS + _TIMED_STEPS)):
        update(trial, batch, run.config, run.device, learning_rate=0.0)
        ends.append(time.monotonic())  # waiting for the batch included
    times = [end - begin for begin, end in pairwise(ends)]
    began = time.monotonic()
    validate(trial.network, run.held_out, run.config.front_end, run.device)
    validation_s = time.monotonic() - began
    budget_s = (run.job.minutes or 0) * 60 - EVALUATIONS * validation_s - sum(times)
    return max(int(budget_s / median(times[_WARM_STEPS:])), EVALUATIONS)


def rank_batches(run: Run, ranks: Ranks, steps: range) -> Iterator[Batch]:
    """This rank's rows of the batches of the given steps."""
    return training_batches(
        run.source, run.config, seed=run.job.seed, steps=steps, rank=ranks.rank, world=ranks.world
    )


def checkpoint_path(job: TrainJob, name: str) -> Path:
    """`last` or `best`."""
    return job.out / "checkpoints" / f"{name}.safetensors"


def _comparable(config: TrainConfig) -> dict[str, Any]:
    """A config as JSON gives it back."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return fields
