"""`avsearch library export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, print_path, say, shown_progress


class Kind(StrEnum):
    """A kind of media, as the command line names it."""

    VIDEO = "video"
    SOUND = "sound"
    PICTURE = "picture"


Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for moments.parquet and media.parquet.")]
OfKind = Annotated[
    Kind | None, typer.Option("--kind", metavar="video|sound|picture", help="Only media of this kind.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="LABEL", help="Only media with this label; given several times, with any."),
]
Under = Annotated[Path | None, typer.Option("--under", metavar="PATH", help="Only what lies below this folder.")]


def export(
    *,
    kind: OfKind = None,
    label: Labels = None,
    under: Under = None,
    library: LibraryOption = None,
    out: Out,
    as_json: JsonOption = False,
) -> None:
    """Write vectors, moments and media as Parquet files.

    One row for each moment with its vector, and one for each media with its paths. Needs the Python package
    pyarrow, which the extra [parquet] installs.

    Example: avsearch library export --out vectors --kind video
    """
    from avsearch.catalog import MediaFilter
    from avsearch.library import export as export_library
    from avsearch.library import open_library
    from avsearch.moments import MediaKind

    wanted = MediaFilter(kind=MediaKind(kind) if kind else None, labels=tuple(label or ()), under=under)
    opened = open_library(library_directory(library))
    with shown_progress() as progress:
        done = export_library(opened, out, wanted=wanted, progress=progress)
    if as_json:
        paths = [str(path) for path in done.paths]
        print_json(
            {"library": str(opened.directory), "media": done.num_media, "moments": done.num_moments, "paths": paths}
        )
    else:
        for path in done.paths:
            print_path(path)
    say(f"{out}: {done.num_moments} moments of {done.num_media} media.")
