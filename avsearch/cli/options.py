"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PathsArgument = Annotated[
    list[Path],
    typer.Argument(help="Videos, sounds and pictures, or folders of them to any depth.", metavar="PATH"),
]
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
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="Where the network runs: auto (a GPU when there is one), cpu, cuda, cuda:N.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
SearchDeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="Where the network runs and vectors are compared: auto (a GPU when there is one), cpu, cuda, cuda:N. "
        "Where cuda cannot be had, the CPU does it and a line says why.",
    ),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="CSV", help="CSV with path, labels, split and any more columns."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Files decoded at once.", show_default="one for each core"),
]
EventsOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object for each event, the last is `done`.")
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
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of everything that is random.")]


def library_directory(option: Path | None) -> Path:
    """The library asked for, else AVSEARCH_LIBRARY's, else the one in the user data directory."""
    from avsearch.home import default_library

    return option or default_library()
