"""`avsearch demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsearch.cli.evaluate import print_scores
from avsearch.cli.localize import peak_sentence
from avsearch.cli.options import DeviceOption, SeedOption
from avsearch.cli.output import list_failures, print_line, say, shell_line, shown_progress
from avsearch.cli.query_output import print_hits

if TYPE_CHECKING:
    from avsearch.demo.job import DemoResult

Directory = Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where everything is made.")]
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
    _print_queries(result)
    words = ["avsearch", "localize", str(result.map.source), "--library", str(result.library)]
    print_line("")
    print_line(f"$ {shell_line([*words, '--out', str(result.map.out)])}")
    print_line(peak_sentence(result.map.still.heat))
    print_line("")
    print_scores(result.evaluation)
    list_failures(result.failures)
    say(
        "",
        f"The library: {result.library}",
        f"The report:  {result.report / 'report.html'}",
        f"The map:     {result.map.out}; the whole clip, its map following the sound:",
        f"  {shell_line([*words, '--out', 'map.mp4'])}",
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
