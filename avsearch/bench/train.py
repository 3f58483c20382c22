"""What training waits for: steps as the command takes them, beside steps whose batch is there already."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from avsearch.bench.figure import Figure, figure
from avsearch.bench.machine import Machine, this_machine
from avsearch.bench.steps import computing_s, making_s, waiting_s
from avsearch.moments import Failed, Progress
from trainer.batches import training_batches
from trainer.beginning import begin
from trainer.config import TrainConfig, TrainJob
from trainer.distributed import Ranks
from trainer.memory import enough_memory
from trainer.preparation import Run, prepare

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class TrainBenchmarkJob:
    """What to train on, with which recipe, how often and how long.

    Attributes:
        paths: videos, tar files and folders.
        config: of the recipe.
        num_runs: how often; medians are told.
        steps: that are timed in each run, twice.
        cache: folder for decoded clips; None: one that is deleted afterwards.
        device: as `--device`.
    """

    paths: Sequence[Path]
    config: TrainConfig
    num_runs: int = 3
    steps: int = 20
    cache: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class TrainRun:
    """Medians over the steps of one run.

    Attributes:
        step_s: seconds of a step as `avsearch train` takes it.
        computing_s: seconds of a step on a batch that is there already.
        making_s: seconds to make one batch, with nothing beside it.
    """

    step_s: float
    computing_s: float
    making_s: float

    def __post_init__(self) -> None:
        if min(asdict(self).values()) <= 0:
            raise ValueError("a step and a batch take some time")

    @property
    def loading_share(self) -> float:
        """The part of a step that goes into data: below 0 where chance outweighs it."""
        return 1 - self.computing_s / self.step_s


@dataclass(frozen=True)
class TrainBenchmark:
    """Several runs on one machine; `rows` are pairs in a batch."""

    date: str
    machine: Machine
    recipe: str
    size: str
    rows: int
    num_clips: int
    runs: tuple[TrainRun, ...]
    failures: tuple[Failed, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All that varies from run to run."""
        return (
            figure("a step, s", "step_s", [run.step_s for run in self.runs]),
            figure("a step without data loading, s", "computing_s", [run.computing_s for run in self.runs]),
            figure("share of data loading, %", "loading_percent", [100 * run.loading_share for run in self.runs]),
            figure("making one batch alone, s", "making_s", [run.making_s for run in self.runs]),
            figure("pairs a second", "pairs_per_s", [self.rows / run.step_s for run in self.runs]),
        )

    def record(self) -> dict[str, Any]:
        """Everything as a JSON object."""
        failures = [{"path": str(it.path), "reason": it.reason} for it in self.failures]
        return {
            "schema_version": SCHEMA_VERSION,
            "benchmark": "train",
            **asdict(self),
            "failures": failures,
            "measured_on": str(self.machine),
            "median": {it.key: round(it.median, 4) for it in self.figures},
            "figures": [it.record() for it in self.figures],
        }


def bench_train(job: TrainBenchmarkJob, progress: Progress) -> TrainBenchmark:
    """Decode what is not in the cache, then time steps with and without their batches being made beside them.

    The two kinds of step take turns, run by run, since a machine's speed drifts.

    Raises:
        TrainingError: fewer than two usable videos, a full disk or memory.
        MediaError: no video is found.
    """
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder:
        training = TrainJob(
            config=job.config, paths=job.paths, out=Path(folder), cache=job.cache, steps=1, device=job.device
        )
        run, failures = prepare(training, progress)
        progress.stage("measure", job.num_runs, "run")
        with enough_memory(run.device, run.config, rows=run.config.rows(len(run.train.clips))):
            runs = _measured(run, job, progress)
    return _benchmark(run, machine, runs, failures)


def _measured(run: Run, job: TrainBenchmarkJob, progress: Progress) -> list[TrainRun]:
    run, one, _ = begin(run, Ranks(), progress)
    [batch] = training_batches(run.source, run.config, seed=0, steps=range(1))
    batch = batch.to(run.device)
    runs = []
    for _ in range(job.num_runs):
        with_loading = waiting_s(one, run.source, run.config, run.device, steps=job.steps)
        without = computing_s(one, batch, run.config, run.device, steps=job.steps)
        runs.append(TrainRun(median(with_loading), median(without), making_s(run.source, run.config)))
        progress.advance()
    return runs


def _benchmark(run: Run, machine: Machine, runs: Sequence[TrainRun], failures: Sequence[Failed]) -> TrainBenchmark:
    clips = len(run.train.clips)
    return TrainBenchmark(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        recipe=run.config.name,
        size=run.config.size,
        rows=run.config.rows(clips),
        num_clips=clips,
        runs=tuple(runs),
        failures=tuple(failures),
    )
