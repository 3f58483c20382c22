"""`avsearch demo`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from avsearch.cli.evaluate import print_scores
from avsearch.cli.options import DeviceOption
from avsearch.cli.output import list_failures, say, shown_progress
from avsearch.cli.query import print_hits


def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Where everything is made.")] = Path("demo"),
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="How long to train.")] = 4.0,
    clips_per_kind: Annotated[int, typer.Option("--clips", min=10, help="Clips of each of the twelve kinds.")] = 45,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything that is random.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Make a small labelled collection, train on it, index it, search it and measure the search.

    What an earlier call has made in --dir is kept and used again.

    Example: avsearch demo
    """
    from avsearch.demo.job import DemoJob, run_demo

    job = DemoJob(directory, minutes=minutes, clips_per_kind=clips_per_kind, seed=seed, device=device)
    with shown_progress() as progress:
        result = run_demo(job, progress)
    library = shlex.quote(str(result.library))
    for query in result.queries:
        source = shlex.quote(str(query.source))
        print(
            f"\n$ avsearch query {source} --by {query.by} --find {query.find} -k {len(query.hits)}"
            f" --library {library}"
        )
        print_hits(query.hits)
    print()
    print_scores(result.evaluation)
    list_failures(result.failures)
    say(
        f"\nThe library: {result.library}\nThe report:  {result.report.with_suffix('.md')}\n\n"
        "Next, on footage of your own:\n"
        "  avsearch train ~/footage --out run\n"
        "  avsearch index ~/footage --model run/encoder.safetensors\n"
        "  avsearch query still.jpg --find audio"
    )
