"""The job: raw files in, one weights file out."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from avsearch.device import choose_device
from avsearch.errors import TrainingError, WeightsError
from avsearch.models.header import WeightsHeader
from avsearch.models.network import Network
from avsearch.models.networks import save_network
from avsearch.models.weights import read_header
from avsearch.moments import Failed, Modality, Progress, Silent
from trainer.batches import Batch
from trainer.beginning import EVALUATIONS, begin, rank_batches
from trainer.checkpoint import checkpoint_path, has_begun, load_checkpoint, save_checkpoint
from trainer.config import TrainJob
from trainer.dataset import sources_of_step
from trainer.distributed import Ranks, device_of_rank, joined
from trainer.memory import enough_memory
from trainer.preparation import Run, prepare
from trainer.runlog import RunLog, provenance, write_run
from trainer.schedule import learning_rate
from trainer.step import Learner, NotANumberError, uncompiled, update
from trainer.validation import Validation, validate

_CHECKPOINT_S = 60.0  # as much work as a kill may cost
_NAMED_FILES = 3


@dataclass(frozen=True)
class Trained:
    """What a run has made."""

    weights: Path
    header: WeightsHeader
    steps: int
    validation: Validation
    failures: Sequence[Failed]


@dataclass(frozen=True)
class _Course:
    """A run on its way; only the first rank has a log."""

    run: Run
    ranks: Ranks
    learner: Learner
    log: RunLog | None


def train(job: TrainJob, progress: Progress) -> Trained:
    """Decode what is not in the cache, train, and leave the best weights in `job.out`.

    Started by torchrun, each process trains on its rows of every batch, and the first one tells and writes.

    Raises:
        TrainingError: fewer than two usable videos, a loss that is no number, a folder of another run, a full
            disk or memory.
        MediaError, ManifestError: see `sources.find_sources`.
    """
    device = choose_device(device_of_rank(job.device))
    with joined(device) as ranks, _enough_disk(job):
        ranks.share(job.config.batch_size)
        return _train(replace(job, device=str(device)), ranks, progress if ranks.is_first else Silent())


@contextmanager
def _enough_disk(job: TrainJob) -> Iterator[None]:
    """A full disk is one sentence, whatever was being written."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise TrainingError(
            f"{job.out}: the disk is full.", hint="Free some space, then go on with --resume."
        ) from error


def _train(job: TrainJob, ranks: Ranks, progress: Progress) -> Trained:
    with ranks.first_alone():
        if ranks.is_first:
            _refuse_taken_folder(job)
        run, failures = prepare(job, progress)
    rows = run.config.rows(len(run.train.clips))
    ranks.share(rows)
    fits = enough_memory(run.device, run.config, rows=rows, world=ranks.world, has_begun=lambda: has_begun(job))
    with fits:
        return _trained(run, ranks, progress, failures)


def _trained(run: Run, ranks: Ranks, progress: Progress, failures: Sequence[Failed]) -> Trained:
    job = run.job
    run, one, state = begin(run, ranks, progress)
    about = provenance(run.train, seed=job.seed) | {name: state[name] for name in ("command", "resumed")}
    if ranks.is_first:
        write_run(job.out, about | _settings(run, ranks, state))
    with _opened_log(job, ranks, state["step"]) as log:
        state = _steps(_Course(run, ranks, one, log), state, progress)
    best = Validation(**state["best"])
    reached = {"validation": asdict(best), "best_step": state["best_step"], "steps": state["steps"]}
    with ranks.first_alone():
        if log is not None:
            load_checkpoint(checkpoint_path(job, "best"), one)
            _save_weights(run, one.network, about | reached)
            write_run(job.out, about | _settings(run, ranks, state) | reached)
            log.draw_curve()
    weights = job.out / "encoder.safetensors"
    return Trained(weights, read_header(weights), state["steps"], best, failures)


@contextmanager
def _opened_log(job: TrainJob, ranks: Ranks, step: int) -> Iterator[RunLog | None]:
    """The log of the first rank, which goes on after `step` steps; closed, however the steps end."""
    if not ranks.is_first:
        yield None
        return
    log = RunLog.open(job.out, step=step)
    try:
        yield log
    except BaseException:
        with suppress(OSError):  # it is told already
            log.close()
        raise
    log.close()


def _save_weights(run: Run, network: Network, about: dict[str, Any]) -> None:
    try:
        save_network(run.job.out / "encoder.safetensors", network, _header(run, network, about))
    except WeightsError as error:
        raise TrainingError(error.message, hint="Free some space, then go on with --resume.") from error


def _refuse_taken_folder(job: TrainJob) -> None:
    if not job.resume and has_begun(job):
        raise TrainingError(
            f"{job.out}: holds another training run.", hint="Add --resume to go on with it, or name another --out."
        )


def _steps(course: _Course, state: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """All remaining steps; now and then validate, and keep the last and the best checkpoint."""
    run, one, log = course.run, course.learner, course.log
    progress.stage("train", state["steps"] - state["step"], "step")
    steps = range(state["step"], state["steps"])
    every = -(-state["steps"] // EVALUATIONS)
    saved_s = time.monotonic()
    for step, batch in zip(steps, rank_batches(run, course.ranks, steps), strict=True):
        rate = learning_rate(run.config, step, steps=state["steps"], num_clips=len(run.train.clips))
        loss = _update(run, one, batch, step, rate)
        if step == steps.start and (reason := uncompiled(one)):
            progress.say(f"Training goes on without torch.compile, which failed: {reason}")
        state = state | {"step": step + 1}
        if log is not None:
            log.add_step(step, loss, rate)
        progress.advance(note=f"loss {loss:.3f}")
        is_due = (step + 1) % every == 0 or step + 1 == state["steps"]
        if log is not None and is_due:
            state = _evaluate(course, state, log)
        if log is not None and (is_due or time.monotonic() - saved_s > _CHECKPOINT_S):
            save_checkpoint(checkpoint_path(run.job, "last"), one, state)
            saved_s = time.monotonic()
    return course.ranks.agreed(state)


def _update(run: Run, one: Learner, batch: Batch, step: int, rate: float) -> float:
    """One update; where the loss is no number, nothing is changed and the files of the batch are told."""
    try:
        return update(one, batch, run.config, run.device, learning_rate=rate)
    except NotANumberError as error:
        files = sources_of_step(run.train, run.config, seed=run.job.seed, step=step)
        listed = run.job.out / "not-a-number.txt"
        listed.write_text("".join(f"{path}\n" for path in files))
        named = ", ".join(map(str, files[:_NAMED_FILES]))
        raise TrainingError(
            f"The loss of step {step + 1} is no number; its batch held {named} and others ({listed} has all).",
            hint="Move a file that is at fault away and go on with --resume: the run then does without it, and "
            "draws other batches. Or train into another --out with another --seed.",
        ) from error


def _evaluate(course: _Course, state: dict[str, Any], log: RunLog) -> dict[str, Any]:
    """Validate, and keep the weights where no others were better."""
    run, one = course.run, course.learner
    found = validate(one.network, run.held_out, run.config.front_end, run.device)
    log.add_validation(state["step"], found)
    if state["best"] is None or found.nearer >= state["best"]["nearer"]:
        state = state | {"best": asdict(found), "best_step": state["step"]}
        save_checkpoint(checkpoint_path(run.job, "best"), one, state)
    return state


def _settings(run: Run, ranks: Ranks, state: dict[str, Any]) -> dict[str, Any]:
    return {
        "device": str(run.device),
        "processes": ranks.world,
        "steps": state["steps"],
        "minutes": run.job.minutes,
        "config": asdict(run.config),
    }


def _header(run: Run, network: Network, about: dict[str, Any]) -> WeightsHeader:
    config = run.config
    return WeightsHeader(
        architecture=config.architecture,
        widths=config.widths,
        size=config.size,
        dim=network.dim,
        modalities=tuple(Modality),
        num_frames=config.front_end.num_frames,
        front_end=config.front_end,
        recipe=asdict(config),
        provenance=about,
    )
