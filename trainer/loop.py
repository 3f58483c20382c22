"""The job: raw files in, one weights file out."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from avsearch import features
from avsearch.encoder import fast_bfloat16
from avsearch.errors import TrainingError
from avsearch.models.network import Network
from avsearch.models.networks import NETWORKS, save_network
from avsearch.models.weights import WeightsHeader
from avsearch.moments import Failed, Modality, Progress
from trainer.checkpoint import Learner, load_checkpoint, save_checkpoint
from trainer.config import Schedule, TrainConfig, TrainJob
from trainer.dataset import Batch, training_batches
from trainer.objectives import objective
from trainer.preparation import Run, prepare
from trainer.runlog import RunLog, data_fingerprint, provenance
from trainer.validation import Validation, validate

EVALUATIONS = 10
_PAIRS_PER_VALIDATION_CLIP = 4
_MOST_VALIDATION_CLIPS = 256
_TIMED_STEPS = 5
_WARM_STEPS = 2
_CLIP_NORM = 5.0
_PAPER_DECAY, _PAPER_DECAY_EPOCHS = 0.94, 16
_STATISTICS_CLIPS = 64


@dataclass(frozen=True)
class Trained:
    """What a run has made."""

    weights: Path
    header: WeightsHeader
    steps: int
    validation: Validation
    failures: Sequence[Failed]


def train(job: TrainJob, progress: Progress) -> Trained:
    """Decode what is not in the cache, train, and leave the best weights in `job.out`.

    Raises:
        TrainingError: fewer than two usable videos, a loss that is no number, a folder of another run.
        MediaError, ManifestError: see `sources.find_sources`.
    """
    _refuse_taken_folder(job)
    run, failures = prepare(job, progress)
    learner = _learner(run)
    log = RunLog.open(job.out, resume=job.resume)
    state = _start(run, learner)
    state = _steps(run, learner, state, log, progress)
    weights = job.out / "encoder.safetensors"
    best = Validation(**state["best"])
    reached = {"validation": asdict(best), "best_step": state["best_step"], "steps": state["steps"]}
    load_checkpoint(_checkpoint(job, "best"), learner)
    header = save_network(weights, learner.network, _header(run, learner.network, reached))
    log.draw_curve()
    return Trained(weights, header, state["steps"], best, failures)


def _refuse_taken_folder(job: TrainJob) -> None:
    if not job.resume and (job.out / "checkpoints").exists():
        raise TrainingError(
            f"{job.out}: holds another training run.", hint="Add --resume to go on with it, or name another --out."
        )
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"{job.out}: cannot be written ({error.strerror}).", hint="Name another --out."
        ) from error


def _learner(run: Run) -> Learner:
    torch.manual_seed(run.job.seed)
    network = NETWORKS[run.config.architecture](run.config.widths).to(run.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    goal = objective(run.config.objective).to(run.device)
    optimizer = torch.optim.Adam(
        [*network.parameters(), *goal.parameters()],
        lr=run.config.learning_rate,
        weight_decay=run.config.weight_decay,
    )
    return Learner(network, goal, optimizer)


def _start(run: Run, learner: Learner) -> dict[str, Any]:
    """Where to begin: at the last checkpoint, or at step 0 with the threshold and the step count fixed."""
    last = _checkpoint(run.job, "last")
    if run.job.resume and last.exists():
        return _resumed(run, load_checkpoint(last, learner))
    _initialise(run, learner)
    return {
        "step": 0,
        "steps": run.job.steps or _affordable_steps(run, learner),
        "best": None,
        "best_step": 0,
        "data": data_fingerprint(run.train),
    }


def _initialise(run: Run, learner: Learner) -> None:
    """Let the network measure the first batch, where it has something to begin from."""
    first = next(training_batches(run.train, run.config, seed=run.job.seed, steps=range(1))).to(run.device)
    frames = features.image_tensor(first.frames, run.config.front_end)
    learner.network.start(frames, features.log_spectrogram(first.sounds, run.config.front_end))


def _resumed(run: Run, state: dict[str, Any]) -> dict[str, Any]:
    """Go on to the steps asked for, else to those of the first call, on the same media."""
    if state["data"] != data_fingerprint(run.train):
        raise TrainingError(
            f"{run.job.out}: this run was begun with other media or another split of them.",
            hint="Name the same ones to resume it, or train into another folder with --out.",
        )
    return state | {"steps": max(run.job.steps or state["steps"], state["step"])}


def _affordable_steps(run: Run, learner: Learner) -> int:
    """How many steps fit into the minutes, timed on copies so that nothing is learnt yet."""
    trial = copy.deepcopy(learner)
    ends = [time.monotonic()]
    steps = range(_WARM_STEPS + _TIMED_STEPS)
    for batch in training_batches(run.train, run.config, seed=run.job.seed, steps=steps):
        _step(run, trial, batch, learning_rate=0.0)
        ends.append(time.monotonic())  # waiting for the batch included
    times = [end - begin for begin, end in pairwise(ends)]
    began = time.monotonic()
    validate(trial.network, run.held_out, run.config.front_end, run.device)
    validation_s = time.monotonic() - began
    budget_s = (run.job.minutes or 0) * 60 - EVALUATIONS * validation_s - sum(times)
    return max(int(budget_s / median(times[_WARM_STEPS:])), EVALUATIONS)


def _steps(run: Run, learner: Learner, state: dict[str, Any], log: RunLog, progress: Progress) -> dict[str, Any]:
    """All remaining steps; now and then validate, and keep the last and the best checkpoint."""
    progress.stage("train", state["steps"] - state["step"], "step")
    steps = range(state["step"], state["steps"])
    every = -(-state["steps"] // EVALUATIONS)
    for step, batch in zip(
        steps, training_batches(run.train, run.config, seed=run.job.seed, steps=steps), strict=True
    ):
        rate = learning_rate(run.config, step, steps=state["steps"], num_clips=len(run.train.clips))
        loss = _step(run, learner, batch, learning_rate=rate)
        log.add_step(step, loss, rate)
        progress.advance(note=f"loss {loss:.3f}")
        if (step + 1) % every == 0 or step + 1 == state["steps"]:
            state = _evaluate(run, learner, state | {"step": step + 1}, log)
    return state


def _step(run: Run, learner: Learner, batch: Batch, *, learning_rate: float) -> float:
    """One update; a loss that is no number stops before it."""
    network, device, front_end = learner.network, run.device, run.config.front_end
    batch = batch.to(device)
    with torch.no_grad():
        spectrograms = features.log_spectrogram(batch.sounds, front_end)
        if batch.shake is not None:
            spectrograms = batch.shake.apply(spectrograms)
        frames = features.image_tensor(batch.frames, front_end).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device)):
        seen, heard = network.see(frames), network.hear(spectrograms)
    loss = learner.objective(network, seen, heard, batch.media, batch.partner)
    value = float(loss.detach())
    for group in learner.optimizer.param_groups:
        group["lr"] = learning_rate
    learner.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    slope = float(torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP_NORM))
    if not math.isfinite(value + slope):
        raise TrainingError("The loss is no longer a number.", hint="Train again with another --seed.")
    learner.optimizer.step()
    return value


def learning_rate(config: TrainConfig, step: int, *, steps: int, num_clips: int) -> float:
    """The learning rate of one step: x0.94 every 16 epochs (the paper), or a half cosine; after a warm-up."""
    warmup_steps = round(config.warmup * steps)
    if step < warmup_steps:
        return config.learning_rate * (step + 1) / warmup_steps
    if config.schedule is Schedule.COSINE:
        done = (step - warmup_steps) / max(steps - warmup_steps, 1)
        return config.learning_rate * (1 + math.cos(math.pi * done)) / 2
    epoch = step * min(config.batch_size, num_clips) // num_clips
    return float(config.learning_rate * _PAPER_DECAY ** (epoch // _PAPER_DECAY_EPOCHS))


def _evaluate(run: Run, learner: Learner, state: dict[str, Any], log: RunLog) -> dict[str, Any]:
    found = validate(learner.network, run.held_out, run.config.front_end, run.device)
    log.add_validation(state["step"], found)
    if state["best"] is None or found.nearer >= state["best"]["nearer"]:
        state = state | {"best": asdict(found), "best_step": state["step"]}
        save_checkpoint(_checkpoint(run.job, "best"), learner, state)
    save_checkpoint(_checkpoint(run.job, "last"), learner, state)
    return state


def _checkpoint(job: TrainJob, name: str) -> Path:
    return job.out / "checkpoints" / f"{name}.safetensors"


def _header(run: Run, network: Network, reached: dict[str, Any]) -> WeightsHeader:
    config = run.config
    return WeightsHeader(
        architecture=config.architecture,
        widths=config.widths,
        size=config.size,
        dim=network.dim,
        modalities=tuple(Modality),
        num_frames=1,
        front_end=config.front_end,
        recipe=asdict(config),
        provenance=provenance(run.train, seed=run.job.seed) | reached,
    )
