"""`avsearch library remove`."""

from __future__ import annotations

from typing import Annotated

import typer

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, say

Targets = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, URLs, or patterns in quotes: * and ? within a name, ** for any folders.",
        metavar="PATH|GLOB",
    ),
]


def remove(targets: Targets, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Take files out of the library; the files themselves stay.

    They are no longer found from this moment on, and stay out when their folder is indexed again. Index a file by
    its own name to take it back; `avsearch library compact` gives the room of its vectors back.

    Example: avsearch library remove ~/footage/private '~/footage/**/draft-*.mov'
    """
    from avsearch.library import open_library
    from avsearch.library import remove as remove_files

    opened = open_library(library_directory(library))
    done = remove_files(opened, targets)
    if as_json:
        print_json({"library": str(opened.directory), "files": done.num_files, "media": done.num_media})
    say(f"{opened.directory}: {done.num_files} files removed; {done.num_media} media are no longer found.")
