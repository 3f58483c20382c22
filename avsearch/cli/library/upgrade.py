"""`avsearch library upgrade`."""

from __future__ import annotations

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, say


def upgrade(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Bring an older library to this version's format.

    Nothing is read again, and nothing in it is lost.

    Example: avsearch library upgrade
    """
    from avsearch.library import upgrade_library

    directory = upgrade_library(library_directory(library)).directory
    if as_json:
        print_json({"library": str(directory)})
    say(f"{directory}: is of this version's format.")
