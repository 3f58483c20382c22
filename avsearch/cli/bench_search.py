"""`avsearch bench search`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsearch.cli.options import JsonOption, RecallOption, RecordFile, SeedOption
from avsearch.cli.output import print_json, print_line, print_table, say, shown_progress, size_of, write_json
from avsearch.errors import UsageError

if TYPE_CHECKING:
    from avsearch.bench.search_result import SearchBenchmark

_RANGE = re.compile(r"(?P<first>[^.]+)\.\.(?P<last>[^.]+)")

Moments = Annotated[
    str,
    typer.Option(
        "--moments",
        metavar="N,...|N..N",
        help="How many are made: numbers, as 1e4,3e5, or a range by tens, as 1e4..1e7.",
    ),
]
Kinds = Annotated[
    str,
    typer.Option(
        "--kinds", metavar="NAME,...", help="exact, hnsw, hnsw-sq8, ivf, ivf-sq8, ivf-pq, separated by commas."
    ),
]
OfLibrary = Annotated[
    Path | None,
    typer.Option(
        "--library", metavar="DIR", help="Search this library's moments instead.", show_default="made ones"
    ),
]
Dim = Annotated[int, typer.Option("--dim", metavar="N", min=2, help="Numbers of a made vector.")]
Place = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="DIR",
        help="Folder for the made moments while it runs.",
        show_default="the system's temporary folder",
    ),
]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="PNG", help="Draw times and memory by moments.")]


def search(
    moments: Moments = "1e4,1e5,1e6",
    kinds: Kinds = "exact,hnsw-sq8,ivf,ivf-sq8,ivf-pq",
    dim: Dim = 128,
    recall: RecallOption = 0.95,
    directory: Place = None,
    library: OfLibrary = None,
    seed: SeedOption = 0,
    out: RecordFile = None,
    plot: Plot = None,
    as_json: JsonOption = False,
) -> None:
    """Measure search, exact and by each kind of index.

    Time, memory and recall@30 over made moments that lie in clusters, or over a library's; beside FAISS alone and
    beside a plain read of as many bytes. All take turns, so that ratios hold on a busy machine too.

    Example: avsearch bench search --moments 1e4..1e6 --plot search.png
    """
    from avsearch.bench.search import SearchBenchmarkJob, bench_search

    job = SearchBenchmarkJob(
        num_rows=() if library else numbers(moments),
        kinds=[name.strip() for name in kinds.split(",")],
        library=library,
        dim=dim,
        recall=recall,
        seed=seed,
        directory=directory,
    )
    with shown_progress() as progress:
        result = bench_search(job, progress)
    _write(result, out, plot)
    if as_json:
        print_json(result.record())
    else:
        _print(result)


def numbers(text: str) -> list[int]:
    """`1e4,3e5` or `1e4..1e6`, which means 1e4, 1e5 and 1e6.

    Raises:
        UsageError: it is neither.
    """
    found = _RANGE.fullmatch(text)
    try:
        if found is None:
            return [int(float(it)) for it in text.split(",")]
        made, last = [int(float(found["first"]))], int(float(found["last"]))
        while made[-1] * 10 <= last:
            made.append(made[-1] * 10)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--moments {text}: are no numbers.", hint="Write 1e4,1e5 or 1e4..1e6.") from error
    return made


def _write(result: SearchBenchmark, out: Path | None, plot: Path | None) -> None:
    if out is not None:
        write_json(out, result.record())
    if plot is not None:
        from avsearch.bench.search_plot import plot as draw

        draw(result, plot)


def _print(result: SearchBenchmark) -> None:
    from avsearch.bench.search_result import COLUMNS

    print_line(f"{result.date}: {result.machine}")
    print_line(f"{result.source} moments, {result.dim} numbers each; recall@30 of {result.target} asked for")
    print_line("")
    print_table(COLUMNS, [run.row() for run in result.runs], right=COLUMNS[3:])
    print_line(f"At most {size_of(result.peak_rss_bytes)} of memory, mapped files included.")
    for line in result.left_out:
        say(f"Left out: {line}.")
