"""`avsearch doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, print_line, print_table

if TYPE_CHECKING:
    from avsearch.doctor.check import Diagnosis


def doctor(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Tell what works on this machine, and what is missing.

    Looks at Python and the packages, ffmpeg and its codecs, the GPU with the builds of torch and faiss, folders,
    room and extras. The exit code is 1 where something that is needed does not work.

    Example: avsearch doctor
    """
    from avsearch.doctor.job import diagnose

    diagnosis = diagnose(library_directory(library))
    if as_json:
        print_json(diagnosis.record())
    else:
        _print(diagnosis)
    if not diagnosis.works:
        raise typer.Exit(1)


def _print(diagnosis: Diagnosis) -> None:
    """A line for each thing; then what to do, needed things first."""
    rows = [[it.state, it.name, it.found] for it in diagnosis.checks]
    print_table(["", "what", "found"], rows)
    for state, heading in (("broken", "Needed:"), ("optional", "Can be had:")):
        wanted = [it for it in diagnosis.checks if it.state == state]
        if wanted:
            print_line("")
            print_line(heading)
            for it in wanted:
                print_line(f"  {it.name}: {it.to_do}")
