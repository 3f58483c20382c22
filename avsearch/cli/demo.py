"""`avsearch demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.evaluate import print_scores
from avsearch.cli.localize import peak_sentence
from avsearch.cli.options import DeviceOption, JsonOption, SeedOption
from avsearch.cli.output import (
    failure_record,
    list_failures,
    print_json,
    print_line,
    say,
    shell_line,
    shown_progress,
)
from avsearch.cli.query_output import hit_record, print_hits

if TYPE_CHECKING:
    from avsearch.demo.job import DemoResult

Directory = Annotated[Path, typer.Option("--dir", metavar="DIR", help="Folder that everything is made in.")]
Minutes = Annotated[
    float, typer.Option("--minutes", metavar="M", min=0.1, help="How long to train, both networks together.")
]
Clips = Annotated[int, typer.Option("--clips", metavar="N", min=10, help="Clips of each of the twelve kinds.")]


def demo(
    directory: Directory = Path("demo"),
    minutes: Minutes = 6.0,  # as `demo.job.FULL_MINUTES`
    clips_per_kind: Clips = 45,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make a small collection and do everything with it.

    Train an encoder on it, and in at most a third of the time a localizer; index it, search it, show where a
    sound comes from, measure the search. What an earlier call has made in --dir is used again.

    Example: avsearch demo
    """
    from avsearch.demo.job import DemoJob, run_demo

    job = DemoJob(directory, minutes=minutes, clips_per_kind=clips_per_kind, seed=seed, device=device)
    with shown_progress() as progress:
        result = run_demo(job, progress)
    if as_json:
        print_json(_record(result))
    else:
        _print(result)
    _say_next(result)
    if result.failures:
        list_failures(result.failures)
        raise typer.Exit(3)


def _record(result: DemoResult) -> dict[str, Any]:
    from avsearch.evaluation.record import report_record

    queries = [
        {"query": str(it.source), "by": it.by, "find": it.find, "hits": [hit_record(hit) for hit in it.hits]}
        for it in result.queries
    ]
    return {
        "library": str(result.library),
        "report": str(result.report / "report.html"),
        "map": str(result.map.out),
        "queries": queries,
        "evaluation": report_record(result.evaluation),
        "failed": [failure_record(it) for it in result.failures],
    }


def _print(result: DemoResult) -> None:
    """Each thing that was done as a command, and what it gives."""
    _print_queries(result)
    print_line("")
    print_line(f"$ {shell_line([*_localize_words(result), '--out', str(result.map.out)])}")
    print_line(peak_sentence(result.map.still.heat))
    print_line("")
    print_scores(result.evaluation)


def _localize_words(result: DemoResult) -> list[str]:
    return ["avsearch", "localize", str(result.map.source), "--library", str(result.library)]


def _say_next(result: DemoResult) -> None:
    say(
        "",
        f"The library: {result.library}",
        f"The report:  {result.report / 'report.html'}",
        f"The map:     {result.map.out}; the whole clip, its map following the sound:",
        f"  {shell_line([*_localize_words(result), '--out', 'map.mp4'])}",
        "",
        "Next, on footage of your own:",
        "  avsearch train ~/footage --out run",
        "  avsearch index ~/footage --model run/encoder.safetensors",
        "  avsearch query still.jpg --find audio",
    )


def _print_queries(result: DemoResult) -> None:
    """The four directions, each as a command and what it gives."""
    for query in result.queries:
        words = ["avsearch", "query", str(query.source), "--by", query.by, "--find", query.find]
        words += ["-k", str(len(query.hits)), "--library", str(result.library)]
        print_line("")
        print_line(f"$ {shell_line(words)}")
        print_hits(query.hits)
