"""`avsearch evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsearch.cli.options import DeviceOption, JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, print_table, say, shown_progress
from avsearch.errors import UsageError

if TYPE_CHECKING:
    from avsearch.evaluation import Evaluation, EvaluationSettings, Items
    from avsearch.moments import Progress


ManifestFile = Annotated[
    Path, typer.Option("--manifest", metavar="CSV", help="CSV with path, labels, split and any more columns.")
]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="Which rows of the manifest.")]
LabelColumn = Annotated[
    str, typer.Option("--label-column", metavar="COL", help="The column whose labels say what is relevant.")
]
Group = Annotated[
    str,
    typer.Option(
        "--group",
        metavar="COL,...",
        help="Columns whose values say what is of one source; within a modality it is left out.",
    ),
]
Rank = Annotated[int, typer.Option("-k", metavar="N", min=1, help="nDCG at this rank.")]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="FILE",
        help="Evaluate a weights file instead, by the paper's protocol: one random frame each.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Draws the frames of the paper's protocol.")]
Report = Annotated[Path, typer.Option("--report", metavar="DIR", help="Folder for report.json and report.md.")]


def evaluate(
    manifest: ManifestFile,
    split: Split = "test",
    label_column: LabelColumn = "labels",
    group: Group = "",
    k: Rank = 30,
    library: LibraryOption = None,
    model: Model = None,
    seed: Seed = 0,
    report: Report = Path("report"),
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure search on labelled media, in four directions.

    Prints nDCG@30 beside what chance gives for the same items. With a library, every stored moment asks and media
    are ranked, as `avsearch query` does. With --model, one random frame of each item and its second are decoded
    and ask, as in the paper.

    Example: avsearch evaluate --manifest footage.csv --library lib --report report
    """
    from avsearch.evaluation import EvaluationSettings
    from avsearch.evaluation import evaluate as evaluate_items
    from avsearch.evaluation.report import report_record, write_report

    if model is not None and library is not None and not _from_environment(library):
        raise UsageError("Give either --library or --model, not both.")
    columns = tuple(part.strip() for part in group.split(",") if part.strip())
    settings = EvaluationSettings(manifest, split, label_column, columns, k, seed)
    with shown_progress() as progress:
        items = _load(settings, library, model, device, progress)
        evaluation = evaluate_items(items, progress=progress)
    written = write_report(evaluation, report)
    for problem in evaluation.problems:
        say(f"{len(problem.names)} {problem.kind.value}.")
    if as_json:
        print_json(report_record(evaluation))
    else:
        print_scores(evaluation)
    say(f"Report: {written.with_suffix('.md')} and {written}")


def print_scores(evaluation: Evaluation) -> None:
    """Print nDCG and chance in four directions, the headline: binary relevance, self-out."""
    from avsearch.evaluation.relevance import Gain, SelfRule
    from avsearch.moments import DIRECTIONS

    scores = evaluation.table(SelfRule.OUT, Gain.BINARY).scores
    rows = [
        [
            str(direction),
            *("-" if it is None else f"{it:.3f}" for it in (scores[direction].ndcg, scores[direction].chance)),
        ]
        for direction in DIRECTIONS
    ]
    name = f"nDCG@{evaluation.settings.k}"
    print_table(["direction", name, "chance"], rows, right=[name, "chance"])


def _from_environment(library: Path) -> bool:
    import os

    return os.environ.get("AVSEARCH_LIBRARY") == str(library)


def _load(
    settings: EvaluationSettings, library: Path | None, model: Path | None, device: str, progress: Progress
) -> Items:
    if model is not None:
        from avsearch.encoder import load_encoder
        from avsearch.evaluation.drawn import load_items_from_model

        return load_items_from_model(load_encoder(model, device), settings, progress=progress)
    from avsearch.evaluation.stored import load_items_from_library
    from avsearch.library import open_library

    return load_items_from_library(open_library(library_directory(library)), settings)
