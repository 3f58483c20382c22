"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        envvar="AVSEARCH_LIBRARY",
        show_envvar=True,
        help="The library's directory. [default: the user data directory]",
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="Where the network runs: auto (a GPU when there is one), cpu, cuda, cuda:N.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
ManifestOption = Annotated[
    Path | None, typer.Option("--manifest", help="CSV with path, labels, split and any more columns.")
]


def library_directory(option: Path | None) -> Path:
    """The library asked for, else AVSEARCH_LIBRARY's, else the one in the user data directory."""
    from avsearch.library import default_library

    return option or default_library()
