"""The figures of `avsearch bench index`: frozen, and refused where they cannot be true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from avsearch.bench.figure import Figure, figure
from avsearch.bench.machine import Machine

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class IndexSettings:
    """What was the same in all runs.

    Attributes:
        architecture: of the encoder.
        size: `small` or `paper`.
        weights: their fingerprint, or `random`.
        num_workers: files decoded at once; None: as the command chose.
        device: as asked for.
    """

    architecture: str
    size: str
    weights: str
    num_workers: int | None
    device: str


@dataclass(frozen=True)
class IndexRun:
    """One run of the command.

    Attributes:
        num_files: that were indexed.
        num_failed: that could not be read.
        media_s: seconds of media that were decoded.
        num_images: image moments made.
        num_sounds: audio moments made.
        load_s: seconds of importing torch and loading the encoder, while files are decoded beside it.
        load_cpu_s: CPU seconds of that.
        wall_s: seconds from the first file to the last commit.
        decode_cpu_s: CPU seconds of the decoding processes.
        embed_cpu_s: CPU seconds of the encoder's threads.
        command_s: seconds of the whole command, imports and all.
        command_cpu_s: CPU seconds of the whole command and all that it started.
        sum_rss_bytes: highest sum of the resident sizes of all its processes.
    """

    num_files: int
    num_failed: int
    media_s: float
    num_images: int
    num_sounds: int
    load_s: float
    load_cpu_s: float
    wall_s: float
    decode_cpu_s: float
    embed_cpu_s: float
    command_s: float
    command_cpu_s: float
    sum_rss_bytes: int

    def __post_init__(self) -> None:
        if self.num_files < 1 or self.wall_s <= 0:
            raise ValueError("a run has at least one file, and takes some time")
        if min(asdict(self).values()) < 0:
            raise ValueError("a figure is negative")
        if self.wall_s > self.command_s:
            raise ValueError("a part of the command took longer than all of it")
        if self.decode_cpu_s + self.embed_cpu_s > self.command_cpu_s * 1.05:  # two clocks, one of them coarse
            raise ValueError("decoding and embedding took more CPU time than the whole command")

    @property
    def times_real_time(self) -> float:
        """Seconds of media a second."""
        return self.media_s / self.wall_s

    def efficiency(self, num_cores: int) -> float:
        """The part of all cores' time that went into decoding and embedding; what imports took is no part of it."""
        return (self.decode_cpu_s + self.embed_cpu_s) / (num_cores * self.wall_s - self.load_cpu_s)


@dataclass(frozen=True)
class BaselinePass:
    """`ffmpeg -i FILE -f null -` over the same videos and sounds, one after another."""

    num_files: int
    wall_s: float
    cpu_s: float

    def __post_init__(self) -> None:
        if self.num_files < 1 or self.wall_s <= 0 or self.cpu_s < 0:
            raise ValueError("a pass decodes at least one file, and takes some time")


@dataclass(frozen=True)
class IndexBenchmark:
    """Several runs over the same files on one machine; after each, where asked for, a pass of ffmpeg alone."""

    date: str
    machine: Machine
    settings: IndexSettings
    runs: tuple[IndexRun, ...]
    baseline: tuple[BaselinePass, ...] = ()

    def __post_init__(self) -> None:
        if not self.runs or len(self.baseline) not in {0, len(self.runs)}:
            raise ValueError("there is at least one run, and a pass of ffmpeg for each or for none")
        made = {(run.num_files, run.num_failed, run.num_images, run.num_sounds) for run in self.runs}
        if len(made) > 1:
            raise ValueError(f"runs over the same files made different moments: {sorted(made)}")

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All that varies from run to run."""
        cores = self.machine.num_cores
        quantities: list[tuple[str, str, Callable[[IndexRun], float]]] = [
            ("wall, s", "wall_s", lambda run: run.wall_s),
            ("files a second", "files_per_s", lambda run: run.num_files / run.wall_s),
            ("times real time", "times_real_time", lambda run: run.times_real_time),
            ("decode CPU, s", "decode_cpu_s", lambda run: run.decode_cpu_s),
            ("embed CPU, s", "embed_cpu_s", lambda run: run.embed_cpu_s),
            (f"efficiency on {cores} cores", "efficiency", lambda run: run.efficiency(cores)),
            ("imports and loading, s", "load_s", lambda run: run.load_s),
            ("whole command, s", "command_s", lambda run: run.command_s),
            ("CPU of the whole command, s", "command_cpu_s", lambda run: run.command_cpu_s),
            ("peak memory, MB (sum of RSS)", "sum_rss_mb", lambda run: run.sum_rss_bytes / 1e6),
        ]
        found = [figure(name, key, [of(run) for run in self.runs]) for name, key, of in quantities]
        return (*found, *self._compared())

    def _compared(self) -> list[Figure]:
        """Ratios are taken within a run and the pass after it, since a machine's speed drifts."""
        if not self.baseline:
            return []
        pairs = list(zip(self.runs, self.baseline, strict=True))
        return [
            figure("ffmpeg alone, wall, s", "baseline_wall_s", [alone.wall_s for alone in self.baseline]),
            figure("ffmpeg alone, CPU, s", "baseline_cpu_s", [alone.cpu_s for alone in self.baseline]),
            figure("wall / ffmpeg alone", "baseline_ratio", [run.wall_s / it.wall_s for run, it in pairs]),
            figure("command / ffmpeg alone", "command_ratio", [run.command_s / it.wall_s for run, it in pairs]),
        ]

    def record(self) -> dict[str, Any]:
        """Everything as a JSON object."""
        return {
            "schema_version": SCHEMA_VERSION,
            "benchmark": "index",
            **asdict(self),
            "measured_on": str(self.machine),
            "median": {it.key: round(it.median, 4) for it in self.figures},
            "figures": [it.record() for it in self.figures],
        }
