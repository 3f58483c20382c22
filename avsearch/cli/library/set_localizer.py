"""`avsearch library set-localizer`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, say, shell_line
from avsearch.errors import UsageError

Model = Annotated[
    Path | None,
    typer.Argument(
        help="Weights file of a localizer, a network that makes heat maps, as of the recipe avol-nce.",
        metavar="MODEL",
        show_default="required, unless --none is given",
    ),
]
TakeAway = Annotated[bool, typer.Option("--none", help="Take the library's localizer away instead.")]


def set_localizer(
    model: Model = None, take_away: TakeAway = False, library: LibraryOption = None, as_json: JsonOption = False
) -> None:
    """Give it a network that shows where a sound comes from.

    The weights are copied into it; searches stay as they are. `avsearch localize` and the page use it from then on.
    One that was there before goes, with its room, when the library is compacted.

    Example: avsearch library set-localizer run-avol/encoder.safetensors
    """
    from avsearch.library import open_library

    if take_away == (model is not None):
        raise UsageError("Give either a weights file or --none.", hint="--none takes the localizer away.")
    opened = open_library(library_directory(library))
    with opened.writer("set-localizer") as writer:
        localizer = writer.set_localizer(model)
    if as_json:
        print_json({"library": str(opened.directory), "localizer": localizer and asdict(localizer)})
    if localizer is None:
        say(f"{opened.directory}: has no localizer any more.")
    else:
        words = ["avsearch", "localize", "IMAGE", "SOUND", "--out", "map.png", "--library", str(opened.directory)]
        say(f"{opened.directory}: {localizer} shows where sounds come from.", f"Next: {shell_line(words)}")
