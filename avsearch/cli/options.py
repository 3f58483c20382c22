"""Options that several commands share, so that they read alike everywhere, and the order in which all stand.

On each command: what it works on, what it shall do (options of its own), --library, how it is done, where the
output goes. tests/cli/test_language.py holds them to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

WORKS_ON = ("--manifest", "--split", "--label-column", "--group", "--model", "--compare", "--ontology", "--folder")
HOW = ("--batch-size", "--cache", "--workers", "--seed", "--seeds", "--device", "--ray")
OUTPUT = ("--out", "--report", "--html", "--m3u", "--edl", "--plot", "--trec", "--thumbnails", "--json")

_DEVICE = "What computes: auto (a GPU when there is one), cpu, cuda, cuda:N."
_MANIFEST = "CSV with path, labels, split and any more columns."
_SIZE = "Of the network: small (for a CPU) or paper (for a GPU)."

PathsArgument = Annotated[
    list[Path],
    typer.Argument(help="Videos, sounds and pictures, or folders of them to any depth.", metavar="PATH"),
]
VideosArgument = Annotated[
    list[Path],
    typer.Argument(help="Videos, tar files of them (WebDataset), or folders to any depth.", metavar="PATH"),
]
ManifestOption = Annotated[Path | None, typer.Option("--manifest", metavar="CSV", help=_MANIFEST)]
ManifestNeeded = Annotated[Path, typer.Option("--manifest", metavar="CSV", help=_MANIFEST)]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        metavar="N",
        min=2,
        help="Clips a step, in all processes together; name fewer where memory is short.",
        show_default="the recipe's",
    ),
]
SizeOption = Annotated[str, typer.Option("--size", metavar="NAME", help=_SIZE)]
SizeOrModel = Annotated[str | None, typer.Option("--size", metavar="NAME", help=_SIZE, show_default="small")]
RECIPES = (
    "ave-nce, ave-views (better search than ave); ave, l3, avol (as published); avol-attention, avol-nce (as avol, "
    "they show where a sound comes from); ave-mf, ave-of (they see motion)."
)
LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="DIR",
        envvar="AVSEARCH_LIBRARY",
        show_envvar=True,
        help="The library's directory.",
        show_default="the user data directory",
    ),
]
RecallOption = Annotated[
    float,
    typer.Option(
        "--recall",
        metavar="X",
        help="Which part of the 30 best moments an index has to find on average (recall@30).",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Files decoded at once.", show_default="one for each core"),
]
SeedOption = Annotated[
    int,
    typer.Option("--seed", metavar="N", min=0, help="Seed of all that is random: the same N draws the same."),
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help=_DEVICE)]
SearchDeviceOption = Annotated[
    str,
    typer.Option(
        "--device", metavar="NAME", help=f"{_DEVICE} Where cuda cannot be had, the CPU does it and a line says why."
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="A Ray cluster to work on: auto, HOST:6379 or ray://HOST:10001 (docs/cluster.md).",
        show_default="this machine alone",
    ),
]
WeightsOut = Annotated[Path, typer.Option("--out", metavar="MODEL", help="Weights file to write.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print results as JSON, one object a line.")]
RecordFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write the object that --json prints to a file too.")
]


def cache_option(place: str) -> Any:  # noqa: ANN401  (Typer's own type)
    """`--cache`, with the place that serves where none is named."""
    return typer.Option(
        "--cache", metavar="DIR", help="Folder for decoded clips, which several runs may share.", show_default=place
    )


def library_directory(option: Path | None) -> Path:
    """The library asked for, else AVSEARCH_LIBRARY's, else the one in the user data directory."""
    from avsearch.home import default_library

    return option or default_library()
