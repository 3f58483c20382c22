"""`avsearch library compact`."""

from __future__ import annotations

from dataclasses import asdict

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, say, shown_progress, size_of


def compact(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Give back the room of what was removed; merge segments.

    Searches go on meanwhile. The vectors of what was removed are gone for good then.

    Example: avsearch library compact
    """
    from avsearch.library import compact as compact_library
    from avsearch.library import open_library

    opened = open_library(library_directory(library))
    with shown_progress() as progress:
        done = compact_library(opened, progress)
    if as_json:
        told = {name.removeprefix("num_"): value for name, value in asdict(done).items()}
        print_json({"library": str(opened.directory), **told})
    say(
        f"{opened.directory}: {done.num_segments_before} segments ({size_of(done.bytes_before)}) are now "
        f"{done.num_segments_after} ({size_of(done.bytes_after)}); {done.num_media_forgotten} media forgotten."
    )
