"""`avsearch query`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from avsearch.cli.options import DeviceOption, JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, print_table

if TYPE_CHECKING:
    from avsearch.moments import Hit


class Side(StrEnum):
    """A modality, as the command line names it."""

    IMAGE = "image"
    AUDIO = "audio"


SourceArgument = Annotated[
    str, typer.Argument(help="A picture, sound or video; a moment of it, or a stretch.", metavar="FILE[@S|@A-B]")
]
Find = Annotated[Side, typer.Option("--find", metavar="image|audio", help="What to find.")]
By = Annotated[
    Side | None,
    typer.Option(
        "--by",
        metavar="image|audio",
        help="The side of a video to ask with.",
        show_default="the other than --find",
    ),
]
NumHits = Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many hits, one for each media.")]


def query(
    source: SourceArgument,
    find: Find,
    by: By = None,
    k: NumHits = 30,
    library: LibraryOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find the moments that are most like a picture or a sound.

    A stretch, or a whole sound, asks with the mean of its seconds. A hit's own moment, asked as FILE@START,
    comes back first.

    Example: avsearch query still.jpg --find audio
    """
    from avsearch.library import open_library
    from avsearch.moments import Modality
    from avsearch.query import parse_source, search

    hits = search(
        open_library(library_directory(library)),
        parse_source(source),
        find=Modality(find),
        by=None if by is None else Modality(by),
        k=k,
        device=device,
    )
    if as_json:
        for hit in hits:
            print_json(asdict(hit) | {"path": str(hit.path), "score": round(hit.score, 6)})
    else:
        print_hits(hits)


def print_hits(hits: list[Hit]) -> None:
    """A table of hits; `start` can be given back as FILE@START."""
    rows = [
        [str(hit.rank), f"{hit.score:.3f}", f"{hit.start_s:.6f}".rstrip("0").rstrip("."), str(hit.path)]
        for hit in hits
    ]
    print_table(["rank", "score", "start", "path"], rows, right=["rank", "score", "start"])
