"""The job of `avsearch evaluate`: models or libraries -> a report on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from avsearch.errors import UsageError
from avsearch.evaluation.benches import read_bench
from avsearch.evaluation.items import EvaluationSettings
from avsearch.evaluation.report import write_report
from avsearch.evaluation.retrieval import evaluate
from avsearch.evaluation.systems import Report, Run, apart, compare, group_runs, two_protocols
from avsearch.moments import Progress

if TYPE_CHECKING:
    from avsearch.localize import Localizer

WEIGHTS_NAME = "encoder.safetensors"  # of every run of training: its folder tells more


@dataclass(frozen=True)
class EvaluateJob:
    """What to evaluate, and what to write.

    Attributes:
        sources: weights files, or folders of libraries, not both.
        settings: what is asked, and how it is counted.
        directory: where the report goes.
        compared: whether there are two sources and they are to be compared query by query.
        num_seeds: how often frames are drawn, with the seeds from `settings.seed` on; weights files only.
        benches: results of `avsearch bench` to stand in the report.
        trec: whether files for trec_eval are written; None: where they do not get too large.
        device: as `--device`.
    """

    sources: Sequence[Path]
    settings: EvaluationSettings
    directory: Path
    compared: bool = False
    num_seeds: int = 1
    benches: Sequence[Path] = ()
    trec: bool | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.sources or (self.compared and len(self.sources) != 2):
            raise UsageError("There must be something to evaluate, and two of it to compare.")
        kinds = {is_library(source) for source in self.sources}
        if len(kinds) > 1:
            raise two_protocols()
        if self.num_seeds < 1 or (self.num_seeds > 1 and kinds == {True}):
            raise UsageError(
                "Only the paper's protocol draws frames, so only weights files have several seeds.",
                hint="Give --model, or leave --seeds out.",
            )


def is_library(source: Path) -> bool:
    """Whether a path is a library's folder, and no weights file."""
    return source.is_dir()


def run_evaluation(job: EvaluateJob, progress: Progress) -> Report:
    """Evaluate everything, and write the report.

    Raises:
        AvsearchError: the manifest, a model, a library or a benchmark's result cannot be used.
    """
    benches = tuple(read_bench(path) for path in job.benches)
    runs: list[Run] = []
    localizers: list[Localizer | None] = []
    for source, name in zip(job.sources, source_names(job.sources), strict=True):
        for run, localizer in _runs(source, name, job, progress):
            runs.append(run)
            localizers.append(localizer)
    systems = apart(runs) if job.compared else group_runs(runs)
    report = Report(
        systems=systems,
        created=datetime.now(UTC).date().isoformat(),
        comparison=compare(*systems, seed=job.settings.seed) if job.compared else None,
        benches=benches,
    )
    write_report(report, job.directory, localizers=localizers, trec=job.trec, progress=progress)
    return report


def source_names(sources: Sequence[Path]) -> list[str]:
    """Short names that tell sources apart: the last parts of their paths, as few as serve."""
    parts = [(path.absolute().parent if path.name == WEIGHTS_NAME else path.absolute()).parts for path in sources]
    longest = max(len(it) for it in parts)
    for count in range(1, longest + 1):
        names = ["/".join(it[-count:]) for it in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names


def _runs(source: Path, name: str, job: EvaluateJob, progress: Progress) -> Iterator[tuple[Run, Localizer | None]]:
    if is_library(source):
        from avsearch.evaluation.stored import load_items_from_library  # noqa: PLC0415
        from avsearch.library import open_library  # noqa: PLC0415

        items = load_items_from_library(open_library(source), job.settings)
        yield Run(name, evaluate(items, progress=progress)), None
        return
    from avsearch.evaluation.judged import load_judged  # noqa: PLC0415  (torch)

    for seed in range(job.settings.seed, job.settings.seed + job.num_seeds):
        yield load_judged(source, name, replace(job.settings, seed=seed), device=job.device, progress=progress)
