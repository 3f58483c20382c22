"""`avsearch evaluate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from avsearch.cli.options import (
    DeviceOption,
    JsonOption,
    LibraryOption,
    ManifestNeeded,
    SeedOption,
    library_directory,
)
from avsearch.cli.output import print_json, print_table, say, shown_progress
from avsearch.errors import UsageError

if TYPE_CHECKING:
    from avsearch.evaluation.items import EvaluationSettings
    from avsearch.evaluation.job import EvaluateJob
    from avsearch.evaluation.problems import Problem
    from avsearch.evaluation.systems import Report
    from avsearch.moments import Direction

NAMES_SHOWN, UNREAD_SHOWN = 6, 20
Choice = TypeVar("Choice", bound=StrEnum)

Split = Annotated[str, typer.Option("--split", metavar="NAME", help="Which rows of the manifest, by their split.")]
LabelColumn = Annotated[
    str, typer.Option("--label-column", metavar="COL", help="The column whose labels say what is relevant.")
]
Group = Annotated[
    str,
    typer.Option(
        "--group",
        metavar="COL,...",
        help="Columns that say what comes of one source, which is then not found by itself in its own modality.",
    ),
]
Rank = Annotated[int, typer.Option("-k", metavar="N", min=1, help="nDCG and recall at this rank.")]
Models = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        metavar="FILE",
        help="Weights file to measure instead of a library, by the paper's protocol: one random frame each. Given "
        "several times, all; those of one recipe count as seeds of it.",
    ),
]
Compared = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--compare", metavar="A B", help="Two weights files, or two libraries, to be compared query by query."
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="Draw so many times, with --model.")]
RelevanceOption = Annotated[
    str | None,
    typer.Option(
        "--relevance",
        metavar="NAME",
        help="How graded nDCG compares labels: overlap, iou, ontology.",
        show_default="ontology with --ontology, else iou",
    ),
]
GainOption = Annotated[
    str,
    typer.Option("--gain", metavar="NAME", help="What relevance r is worth: exponential (2^r - 1), linear (r)."),
]
OntologyFile = Annotated[
    Path | None, typer.Option("--ontology", metavar="JSON", help="AudioSet's ontology.json, for relevance by it.")
]
Include = Annotated[
    list[Path] | None,
    typer.Option("--include", metavar="FILE", help="A result of avsearch bench --out, to stand in the report."),
]
Trec = Annotated[
    bool | None,
    typer.Option(
        "--trec/--no-trec",
        help="Write runs and judgements for trec_eval.",
        show_default="unless they take over two million lines",
    ),
]
ReportFolder = Annotated[
    Path, typer.Option("--report", metavar="DIR", help="Folder for report.html, report.md, report.json and trec/.")
]


def evaluate(
    *,
    manifest: ManifestNeeded,
    split: Split = "test",
    label_column: LabelColumn = "labels",
    group: Group = "",
    model: Models = None,
    compare: Compared = None,
    ontology: OntologyFile = None,
    relevance: RelevanceOption = None,
    gain: GainOption = "exponential",
    k: Rank = 30,
    include: Include = None,
    library: LibraryOption = None,
    seed: SeedOption = 0,
    seeds: Seeds = 1,
    device: DeviceOption = "auto",
    report: ReportFolder = Path("report"),
    trec: Trec = None,
    as_json: JsonOption = False,
) -> None:
    """Measure search on labelled media, in four directions.

    Prints nDCG@30 with its 95 % interval beside what chance gives for the same items. With a library, every stored
    moment asks and media are ranked, as `avsearch query` does. With --model, one random frame of each item and its
    second are decoded and ask, as in the paper; what the network tells of pairs and places is measured too.

    Example: avsearch evaluate --manifest footage.csv --library lib --report report
    """
    from avsearch.evaluation.job import EvaluateJob

    columns = tuple(part.strip() for part in group.split(",") if part.strip())
    settings = _settings(manifest, split, label_column, columns, k, seed, relevance, gain, ontology)
    sources, compared = _sources(library, model, compare), compare is not None
    _run(EvaluateJob(sources, settings, report, compared, seeds, include or (), trec, device), as_json)


def _settings(
    manifest: Path,
    split: str,
    label_column: str,
    columns: tuple[str, ...],
    k: int,
    seed: int,
    relevance: str | None,
    gain: str,
    ontology: Path | None,
) -> EvaluationSettings:
    from avsearch.evaluation import EvaluationSettings
    from avsearch.evaluation.relevance import Gain, Relevance

    by = _one_of(Relevance, relevance or ("iou" if ontology is None else "ontology"), "--relevance")
    worth = _one_of(Gain, gain, "--gain")
    return EvaluationSettings(manifest, split, label_column, columns, k, seed, by, worth, ontology)


def _run(job: EvaluateJob, as_json: bool) -> None:
    """Do it, and print what came of it; exit code 3 where files could not be read."""
    from avsearch.evaluation.job import run_evaluation
    from avsearch.evaluation.record import report_record

    with shown_progress() as progress:
        report = run_evaluation(job, progress)
    for problem in report.first.problems:
        say(f"{len(problem.names)} {problem.kind.value}{_few_names(problem)}.")
    if as_json:
        print_json(report_record(report))
    else:
        print_scores(report)
    say(f"Report: {job.directory / 'report.html'}, with report.md and report.json beside it.")
    if _list_unread(report):
        raise typer.Exit(3)


def print_scores(report: Report) -> None:
    """Print nDCG of all systems in four directions, the headline: binary relevance, self-out; then chance."""
    from avsearch.evaluation.markdown import judgement_figures
    from avsearch.moments import DIRECTIONS

    name = f"nDCG@{report.first.settings.k}"
    if len(report.runs) == 1:
        rows = [_direction_row(report, direction) for direction in DIRECTIONS]
        print_table(["direction", name, "95 %", "chance"], rows, right=[name, "95 %", "chance"])
    else:
        columns = list(map(str, DIRECTIONS))
        print_table([name, *columns], _system_rows(report), right=columns)
    for run in report.runs:
        for figure, reached, baseline, count in judgement_figures(run):
            say(f"{figure}: {reached} (baseline {baseline}, of {count})")


def _direction_row(report: Report, direction: Direction) -> list[str]:
    score = report.first.score(direction)
    if score is None:
        return [str(direction), "-", "-", "-"]
    interval = f"{score.interval.low:.3f} to {score.interval.high:.3f}"
    return [str(direction), f"{score.mean:.3f}", interval, f"{score.chance:.3f}"]


def _system_rows(report: Report) -> list[list[str]]:
    """A row for each run, then chance, then the differences where two are compared."""
    from avsearch.moments import DIRECTIONS

    scores = [(run.source, [run.evaluation.score(it) for it in DIRECTIONS]) for run in report.runs]
    rows = [[source, *("-" if it is None else f"{it.mean:.3f}" for it in of_run)] for source, of_run in scores]
    rows.append(["chance", *("-" if it is None else f"{it.chance:.3f}" for it in scores[0][1])])
    if report.comparison is not None:
        tests = [report.comparison.tests.get(it) for it in DIRECTIONS]
        adjusted = [report.comparison.adjusted.get(it) for it in DIRECTIONS]
        rows.append(["difference", *("-" if it is None else f"{it.difference.mean:+.3f}" for it in tests)])
        rows.append(["p (Holm)", *("-" if it is None else f"{it:.4f}" for it in adjusted)])
    return rows


def _sources(library: Path | None, models: list[Path] | None, compared: tuple[Path, Path] | None) -> list[Path]:
    """What is evaluated: one of the three; the library that the environment names only where nothing else is."""
    named = library is not None and not _from_environment(library)
    if sum([named, bool(models), compared is not None]) > 1:
        raise UsageError("Give one of --library, --model and --compare.")
    if compared is not None:
        return list(compared)
    return models or [_library_there(library_directory(library))]


def _library_there(directory: Path) -> Path:
    """A library's folder; what is no folder would be taken for a weights file."""
    from avsearch.library.layout import read_layout

    if not directory.is_dir():
        read_layout(directory)
    return directory


def _few_names(problem: Problem) -> str:
    """The names where they are few; those of files that cannot be read stand at the end, with the reasons."""
    return "" if problem.kind.is_unread or len(problem.names) > NAMES_SHOWN else f": {', '.join(problem.names)}"


def _list_unread(report: Report) -> bool:
    """Say which files could not be read, and why; whether there are any."""
    unread = {
        name: None
        for run in report.runs
        for problem in run.evaluation.problems
        if problem.kind.is_unread
        for name in problem.names
    }
    say(*list(unread)[:UNREAD_SHOWN])
    if len(unread) > UNREAD_SHOWN:
        say(f"and {len(unread) - UNREAD_SHOWN} more, which the report names.")
    return bool(unread)


def _one_of(choices: type[Choice], name: str, option: str) -> Choice:
    """The member of that name."""
    if name not in {str(it) for it in choices}:
        raise UsageError(f"There is no {option} {name}.", hint=f"Choose one of {', '.join(map(str, choices))}.")
    return choices(name)


def _from_environment(library: Path) -> bool:
    import os

    return os.environ.get("AVSEARCH_LIBRARY") == str(library)
