"""`avsearch library status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsearch.cli.library.optimize import index_record
from avsearch.cli.options import JsonOption, LibraryOption, library_directory
from avsearch.cli.output import counted, print_json, print_table, size_of
from avsearch.remote import address, is_remote

if TYPE_CHECKING:
    from avsearch.catalog import Status
    from avsearch.library import Held, Library, Nearby
    from avsearch.moments import Modality

_STALE = 5  # of so many moments one that an index lacks is worth a word


def status(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """What the library holds, and what could not be read.

    Files by state, hours, moments, what was left out of them, the encoder, sizes, reasons of failures; with a
    catalog on PostgreSQL also who indexes at the moment.

    Example: avsearch library status
    """
    from avsearch.library import engine_of, held_by_engine, nearby, open_library

    opened = open_library(library_directory(library))
    found, indexes = opened.catalog.status(), nearby(opened)
    engine = engine_of(opened)
    held = {} if engine is None else held_by_engine(opened)
    if as_json:
        place: dict[str, Any] = {"library": str(opened.directory), "database": opened.layout.database.public_url}
        place["segments"] = opened.layout.shelf.place
        place["milvus"] = None if engine is None else engine.uri
        place["database_bytes"] = _database_bytes(opened)
        in_milvus = {"copies": {modality: asdict(it) for modality, it in held.items()}}
        print_json(place | asdict(found) | _index_record(indexes) | in_milvus)
        return
    copies = [] if engine is None else [["milvus", engine.uri], *_copy_rows(held)]
    rows = [
        *_rows(opened, found),
        *_index_rows(indexes),
        *copies,
        *_at_work(found),
        *_advice(found),
        *_failures(found),
    ]
    print_table(["", ""], rows)


def _rows(library: Library, found: Status) -> list[list[str]]:
    size = _database_bytes(library)
    return [
        ["library", str(library.directory)],
        ["database", library.layout.database.public_url + (f" ({size_of(size)})" if size is not None else "")],
        ["encoder", str(found.encoder or "none yet")],
        ["localizer", str(found.localizer or "none; `avsearch library set-localizer MODEL` adds one")],
        ["roots", f"{found.num_roots}{_behind_urls(library)}"],
        ["files", _counts(found.files)],
        ["media", _counts(found.media)],
        ["hours", f"{found.hours:.2f}"],
        ["moments", _counts(found.moments)],
        ["left out", f"{found.silent_seconds} silent seconds, {found.still_frames} black or frozen frames"],
        ["segments", f"{found.num_segments} ({size_of(found.segment_bytes)}){_in_a_store(library)}"],
    ]


def _at_work(found: Status) -> list[list[str]]:
    """Who indexes at the moment, which is known of a catalog on a server."""
    return [
        ["at work", f"{one.name}: {counted(one.num_files, 'file')} in hand, since {_time(one.started_at_us)}"]
        for one in found.indexers
    ]


def _index_rows(indexes: Mapping[Modality, Nearby]) -> list[list[str]]:
    """What makes search approximate, and what it does not know yet."""
    rows = []
    for modality, it in indexes.items():
        record, missing = it.record, it.num_rows - it.num_covered
        told = f"{record.kind_name} ({size_of(record.num_bytes)}), recall {record.measured.lowest_recall:.3f}"
        if missing * _STALE > it.num_rows:
            told += f"; {missing} of {it.num_rows} moments are newer: `avsearch library optimize` takes them in"
        rows.append([f"{modality} index", told])
    return rows


def _copy_rows(held: Mapping[Modality, Held]) -> list[list[str]]:
    """What is in Milvus, and what waits for the same command again."""
    rows = []
    for modality, it in held.items():
        told = f"{it.num_held} of {it.num_rows} moments"
        if it.num_held < it.num_rows or it.num_gone:
            told += f", {it.num_gone} that are gone; `avsearch library engine` takes in and leaves out"
        rows.append([f"{modality} in milvus", told])
    return rows


def _index_record(indexes: Mapping[Modality, Nearby]) -> dict[str, Any]:
    told = {
        modality: {"num_covered": it.num_covered, "num_rows": it.num_rows, **index_record(it.record)}
        for modality, it in indexes.items()
    }
    return {"indexes": told}


def _behind_urls(library: Library) -> str:
    """The roots that lie in stores."""
    urls = [address(root.path) for root in library.catalog.roots() if is_remote(root.path)]
    return f", in stores: {', '.join(urls)}" if urls else ""


def _in_a_store(library: Library) -> str:
    """Where the segments are, unless they are in the library's directory."""
    shelf = library.layout.shelf
    return f" in {shelf.place}" if shelf.folder is None else ""


def _advice(found: Status) -> list[list[str]]:
    """What waits for a command of its user."""
    rows: list[list[str]] = []
    if found.dead_moments:
        rows.append(
            ["reclaimable", f"{found.dead_moments} moments; `avsearch library compact` gives their room back"]
        )
    if found.pending is not None:
        done = f"{found.num_pending_done} of {found.num_live} media under {found.pending}"
        rows.append(["unfinished", f"{done}; `avsearch library reembed` goes on or gives up"])
    return rows


def _failures(found: Status) -> list[list[str]]:
    return [[f"failed: {count}", reason] for reason, count in found.failures.items()]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6).astimezone().isoformat(" ", "seconds")


def _database_bytes(library: Library) -> int | None:
    """The size of a catalog that is a file, with what SQLite has not yet merged into it; None on a server."""
    file = library.layout.database.file
    if file is None:
        return None
    parts = (file, Path(f"{file}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
