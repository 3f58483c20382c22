"""`avsearch library engine`."""

from __future__ import annotations

from typing import Annotated

import typer

from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import counted, print_json, say, shown_progress
from avsearch.errors import UsageError

Milvus = Annotated[
    str | None,
    typer.Option(
        "--milvus",
        metavar="URL",
        help="Address of a Milvus server, as http://HOST:19530; credentials come from MILVUS_TOKEN.",
        show_default="the one that the library is in",
    ),
]
Local = Annotated[
    bool, typer.Option("--local", help="Take the library out of Milvus: its collections there are deleted.")
]


def engine(
    milvus: Milvus = None, local: Local = False, library: LibraryOption = None, as_json: JsonOption = False
) -> None:
    """Search in Milvus, or in the library's own files again.

    The vectors are copied into collections of the server, and queries ask there from then on; the library keeps
    everything, so that a query whose server does not answer is answered exactly. Moments indexed later are compared
    one by one until the same command takes them in; it also mends what differs, and goes on where it was cut off.

    Example: avsearch library engine --milvus http://127.0.0.1:19530
    """
    from avsearch.library import engine_of, move_back, move_to_milvus, open_library

    if milvus is not None and local:
        raise UsageError("A library is in Milvus or is not.", hint="Give --milvus URL or --local.")
    opened = open_library(library_directory(library))
    if local:
        was = move_back(opened)
        if as_json:
            print_json({"library": str(opened.directory), "milvus": None, "deleted": list(was.collections)})
        say(*(f"Deleted from {was.uri}: {name}." for name in was.collections))
        say(f"{opened.directory}: is searched in its own files from now on.")
        return
    with shown_progress() as progress:
        moved = move_to_milvus(opened, milvus, progress=progress)
    now = engine_of(opened)
    uri = "" if now is None else now.uri
    for find, it in moved.items():
        if as_json:
            told = {"moments": it.num_rows, "written": it.num_written, "deleted": it.num_deleted}
            print_json({"library": str(opened.directory), "milvus": uri, "modality": find, **told})
        changed = f"{it.num_written} written, {it.num_deleted} deleted"
        say(f"{find}: {counted(it.num_rows, 'moment')} in Milvus; {changed}.")
