"""What indexing costs: the command as people run it, several times, and ffmpeg alone to compare with."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from avsearch.bench.index_result import BaselinePass, IndexBenchmark, IndexRun, IndexSettings
from avsearch.bench.machine import this_machine
from avsearch.bench.memory import PeakMemory
from avsearch.bench.weights import save_random_weights
from avsearch.errors import AvsearchError
from avsearch.media import media_files
from avsearch.media.measured import Measured, decode_everything, run_measured
from avsearch.models.weights import read_usable_header
from avsearch.moments import Progress

RUN_TIMEOUT_S = 24 * 3600.0
SOME_FAILED = 3  # the exit code of a run in which some files could not be read
_PRELOADED = "import avsearch.encoder; from avsearch.cli import main; main()"
"""The command with torch imported before it begins, and not while it decodes: imports stay out of its figures."""
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class IndexBenchmarkJob:
    """What to index how often, and with what.

    Attributes:
        paths: files and folders.
        model: a weights file; None for random weights of `size`.
        size: `small` or `paper`.
        num_runs: how often.
        num_workers: files decoded at once; None leaves it to the command.
        device: as `--device`.
        baseline: whether ffmpeg alone decodes the same files after each run.
    """

    paths: Sequence[Path]
    model: Path | None = None
    size: str = "small"
    num_runs: int = 3
    num_workers: int | None = None
    device: str = "auto"
    baseline: bool = False


def bench_index(job: IndexBenchmarkJob, progress: Progress) -> IndexBenchmark:
    """Index into a new library each time, with the files in the memory of the operating system.

    Raises:
        AvsearchError: a path, the weights or the device cannot be used, or no file can be indexed.
    """
    files = media_files(job.paths)
    date, machine = datetime.now(UTC).isoformat(timespec="seconds"), this_machine()
    with tempfile.TemporaryDirectory(prefix="avsearch-bench-") as folder:
        weights, settings = _weights(job, Path(folder))
        _read_once(files, progress)
        runs: list[IndexRun] = []
        passes: list[BaselinePass] = []
        progress.stage("measure", job.num_runs, "run")
        for number in range(job.num_runs):
            run, decoded = _run(job, weights, Path(folder, f"library-{number}"))
            runs.append(run)
            if job.baseline:
                passes.append(_decode_alone(decoded))
            progress.advance(note=f"{run.times_real_time:.0f} x real time")
    try:
        return IndexBenchmark(date, machine, settings, tuple(runs), tuple(passes))
    except ValueError as error:
        raise AvsearchError(f"The runs cannot be compared: {error}.", hint="Run it again.") from error


def _weights(job: IndexBenchmarkJob, folder: Path) -> tuple[Path, IndexSettings]:
    if job.model is None:
        path = folder / "random.safetensors"
        header, weights = save_random_weights(path, job.size), "random"
    else:
        path = job.model.absolute()
        header = read_usable_header(path)
        weights = header.fingerprint
    return path, IndexSettings(header.architecture, header.size, weights, job.num_workers, job.device)


def _read_once(files: Sequence[Path], progress: Progress) -> None:
    """Bring the files into the operating system's memory, so that every run finds them there."""
    progress.stage("read", len(files), "file")
    for path in files:
        if path.is_file():
            with path.open("rb") as file:
                while file.read(_READ_BYTES):
                    pass
        progress.advance()


def _run(job: IndexBenchmarkJob, weights: Path, library: Path) -> tuple[IndexRun, list[Path]]:
    """One run, and the files that it has decoded over some time."""
    paths = [str(path.absolute()) for path in job.paths]
    options = ["--library", str(library), "--model", str(weights), "--device", job.device, "--json"]
    workers = ["--workers", str(job.num_workers)] if job.num_workers else []
    peak = PeakMemory()
    command = [sys.executable, "-c", _PRELOADED, "index", *paths, *options, *workers]
    measured = run_measured(command, timeout_s=RUN_TIMEOUT_S, on_start=peak.start)
    peak.finish()
    if measured.status not in {0, SOME_FAILED}:
        raise _failed(measured)
    events = [json.loads(line) for line in measured.output.splitlines()]
    return _index_run(events, measured, peak), list(_decoded(events))


def _index_run(events: Sequence[Mapping[str, Any]], measured: Measured, peak: PeakMemory) -> IndexRun:
    files = [event for event in events if event["event"] == "file"]
    done = events[-1]
    if not done["indexed"]:
        reasons = [failure["reason"] for failure in done["failed"]]
        raise AvsearchError("None of the files can be indexed.", hint=f"The first one: {reasons[0]}")
    timings = done["timings"]
    return IndexRun(
        num_files=done["indexed"],
        num_failed=len(done["failed"]),
        media_s=sum(event["duration_s"] for event in files),
        num_images=sum(event["images"] for event in files),
        num_sounds=sum(event["sounds"] for event in files),
        load_s=timings["load_s"],
        load_cpu_s=timings["load_cpu_s"],
        wall_s=timings["wall_s"],
        decode_cpu_s=timings["decode_cpu_s"],
        embed_cpu_s=timings["embed_cpu_s"],
        command_s=measured.wall_s,
        command_cpu_s=measured.cpu_s,
        sum_rss_bytes=peak.sum_rss_bytes,
    )


def _decoded(events: Iterable[Mapping[str, Any]]) -> Iterator[Path]:
    """Videos and sounds that were read: no copies, no failures, no still pictures."""
    for event in events:
        if event["event"] == "file" and event["state"] == "indexed" and event["duration_s"] and not event["copy"]:
            yield Path(event["path"])


def _decode_alone(files: Sequence[Path]) -> BaselinePass:
    measured = [decode_everything(path) for path in files]
    return BaselinePass(
        num_files=len(measured), wall_s=sum(it.wall_s for it in measured), cpu_s=sum(it.cpu_s for it in measured)
    )


def _failed(measured: Measured) -> AvsearchError:
    lines = measured.errors.strip().splitlines()
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    reason = (said or lines or [f"status {measured.status}"])[-1]
    return AvsearchError(
        f"The run to be measured failed: {reason}", hint="Try `avsearch index` itself on these files."
    )
