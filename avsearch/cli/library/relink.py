"""`avsearch library relink`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, say
from avsearch.remote import address

Old = Annotated[Path, typer.Argument(help="The folder, or the URL, as the library knows it.", metavar="OLD")]
New = Annotated[Path, typer.Argument(help="Where it is now: a folder or a URL.", metavar="NEW")]


def relink(old: Old, new: New, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Tell the library that a folder has moved.

    Nothing is read again. Refused when none of the folder's files is at the new place.

    Example: avsearch library relink /media/old-disk/footage /media/new-disk/footage
    """
    from avsearch.library import open_library
    from avsearch.library import relink as relink_folder

    opened = open_library(library_directory(library))
    done = relink_folder(opened, old, new)
    if as_json:
        print_json(
            {
                "library": str(opened.directory),
                "root": address(done.root.path),
                "files": done.num_files,
                "there": done.num_there,
            }
        )
    say(f"{address(done.root.path)}: {done.num_there} of {done.num_files} indexed files are there.")
    if done.num_there < done.num_files:
        say(f"Run `avsearch index {address(done.root.path)}` to look for the others.")
