"""`avsearch library verify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from avsearch.cli.interrupt import stop_on_signal
from avsearch.cli.options import DeviceOption, JsonOption, LibraryOption, SeedOption, library_directory
from avsearch.cli.output import counted, list_failures, print_json, print_line, say

if TYPE_CHECKING:
    from avsearch.library import Library, Problem

Deep = Annotated[
    bool, typer.Option("--deep", help="Also read some files again, and compare their vectors with the stored ones.")
]
Sample = Annotated[
    int, typer.Option("--sample", metavar="N", min=1, help="How many moments --deep compares, drawn at random.")
]


def verify(
    deep: Deep = False,
    sample: Sample = 200,
    library: LibraryOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Read every byte of the library and say what is wrong.

    Prints one problem a line, with what to do; exit code 1 if there is any. With --deep, files that are not there
    to be compared are listed (exit code 3).

    Example: avsearch library verify --deep
    """
    from avsearch.library import open_library, orphans
    from avsearch.library import verify as verify_library

    opened = open_library(library_directory(library))
    problems = verify_library(opened)
    _print(problems, as_json=as_json)
    if left_over := orphans(opened):
        say(f"Belonging to nothing: {counted(len(left_over), 'file')}; the next `avsearch index` removes them.")
    code = 1 if problems else 0
    if deep and problems:
        say("Nothing was compared, since the stored vectors themselves are not all right.")
    elif deep:
        code = _compare(opened, sample=sample, seed=seed, device=device, as_json=as_json)
    if code == 0:
        say(f"{opened.directory}: all is well.")
    raise typer.Exit(code)


def _compare(library: Library, *, sample: int, seed: int, device: str, as_json: bool) -> int:
    """Make some vectors again and say which differ; the exit code."""
    from avsearch.cli.index_screen import shown_events
    from indexer.deep import MIN_COSINE, verify_deep

    with stop_on_signal() as request, shown_events(as_json=False, doing="verify") as tell:
        found = verify_deep(library, tell=tell, num_moments=sample, seed=seed, device=device, stop=request.event)
    _print(found.problems, as_json=as_json)
    say(f"{counted(found.num_checked, 'vector')} made again and compared; a cosine of {MIN_COSINE} was asked for.")
    if found.away:
        say(f"Not compared: {counted(len(found.away), 'file')}.")
        list_failures(found.away)
    if found.problems:
        return 1
    return request.exit_code if found.stopped else 3 if found.away else 0


def _print(problems: Sequence[Problem], *, as_json: bool) -> None:
    for problem in problems:
        if as_json:
            print_json({"problem": str(problem)})
        else:
            print_line(str(problem))
    if problems:
        say(f"{counted(len(problems), 'problem')}.")
