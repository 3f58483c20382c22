"""`avsearch library upgrade`."""

from __future__ import annotations

from avsearch.cli.options import LibraryOption, library_directory
from avsearch.cli.output import say


def upgrade(library: LibraryOption = None) -> None:
    """Bring an older library to this version's format.

    Nothing is read again, and nothing in it is lost.

    Example: avsearch library upgrade
    """
    from avsearch.library import upgrade_library

    say(f"{upgrade_library(library_directory(library)).directory}: is of this version's format.")
