"""`avsearch library ...`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import print_json, print_table, say

app = typer.Typer(help="Look after a library.", no_args_is_help=True)


@app.command()
def status(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """What the library holds: files by state, hours, moments, the encoder, reasons of failures.

    Example: avsearch library status
    """
    from avsearch.library import open_library

    directory = library_directory(library)
    found = open_library(directory).catalog.status()
    if as_json:
        print_json({"library": str(directory), **asdict(found)})
        return
    rows = [
        ["library", str(directory)],
        ["encoder", str(found.encoder or "none yet")],
        ["roots", str(found.num_roots)],
        ["files", _counts(found.files)],
        ["media", _counts(found.media)],
        ["hours", f"{found.hours:.2f}"],
        ["moments", _counts(found.moments)],
        ["segments", f"{found.num_segments} ({found.segment_bytes / 1e6:.1f} MB)"],
    ]
    print_table(["", ""], [*rows, *([f"failed: {count}", reason] for reason, count in found.failures.items())])


@app.command()
def verify(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Read every byte of the library and say what is wrong; exit code 1 if anything is.

    Example: avsearch library verify
    """
    from avsearch.library import open_library, orphans
    from avsearch.library import verify as verify_library

    opened = open_library(library_directory(library))
    problems = verify_library(opened)
    for problem in problems:
        if as_json:
            print_json({"problem": str(problem)})
        else:
            print(problem)
    left_over = orphans(opened)
    if left_over:
        say(f"{len(left_over)} files belong to nothing; the next `avsearch index` removes them.")
    say(f"{opened.directory}: {'all is well' if not problems else f'{len(problems)} problems'}.")
    if problems:
        raise typer.Exit(1)


@app.command()
def upgrade(library: LibraryOption = None) -> None:
    """Bring a library that an older avsearch made to this version's format.

    Example: avsearch library upgrade
    """
    from avsearch.library import upgrade_library

    say(f"{upgrade_library(library_directory(library)).directory}: is of this version's format.")


def _counts(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
