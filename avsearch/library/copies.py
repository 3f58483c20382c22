"""What of a library is in Milvus: as the record says, and as the server says when it is compared."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avsearch.catalog import SegmentRecord, Snapshot
from avsearch.errors import LibraryError
from avsearch.library.store import Library, View
from avsearch.moments import Modality, Silent
from avsearch.vectors.milvus.holdings import holdings_of
from avsearch.vectors.milvus.moving import NUM_NAMED, compare
from avsearch.vectors.milvus.record import AGAIN_HINT, Copied, Engine, read_copied, read_engine
from avsearch.vectors.milvus.server import Server, connect

_LOG = logging.getLogger("avsearch")


@dataclass(frozen=True)
class Held:
    """What is known of the copy of one modality.

    Attributes:
        collection: its name.
        num_held: moments that are searched and that it holds; the others are all looked at.
        num_rows: moments that are searched.
        num_gone: moments that it holds and that are searched no more.
    """

    collection: str
    num_held: int
    num_rows: int
    num_gone: int


def engine_of(library: Library) -> Engine | None:
    """Where a library is copied to; None where it is in no Milvus, or where that cannot be read, and a warning."""
    try:
        return read_engine(library.layout.milvus)
    except LibraryError as error:
        _LOG.warning("%s %s", error.message, error.hint)
        return None


def held_by_engine(library: Library) -> Mapping[Modality, Held]:
    """What is known of the copies, by the catalog alone; of a record that cannot be read a warning tells."""
    snapshot = library.snapshot()
    found = {}
    for modality in Modality:
        try:
            copied = copied_of(library, snapshot, modality)
        except LibraryError as error:
            _LOG.warning("%s %s", error.message, error.hint)
            continue
        if copied is not None:
            found[modality] = _held(library, [it for it in snapshot.segments if it.modality is modality], copied)
    return found


def engine_faults(library: Library) -> list[str]:
    """A sentence for each way in which Milvus does not hold what the library's record says."""
    try:
        engine = read_engine(library.layout.milvus)
        if engine is None:
            return []
        server, view = connect(engine.uri), library.view(*Modality)
        return [it for modality in Modality for it in _faults(library, view, modality, server)]
    except LibraryError as error:
        return [error.message]


def copied_of(library: Library, snapshot: Snapshot, modality: Modality) -> Copied | None:
    """The record of a modality; None where none of it was copied.

    Raises:
        LibraryError: it is damaged, or of another encoder's vectors.
    """
    copied = read_copied(library.layout.milvus, modality)
    if copied is not None and copied.fingerprint != fingerprint_of(snapshot):
        raise LibraryError(
            f"{library.layout.milvus}: what is in Milvus are {modality} vectors of another encoder.",
            hint=AGAIN_HINT,
        )
    return copied


def names_of(view: View, modality: Modality) -> tuple[str, ...]:
    """Of the segments, in the order of the view."""
    return tuple(it.name for it in view.snapshot.segments if it.modality is modality)


def fingerprint_of(snapshot: Snapshot) -> str:
    """Of the active encoder; empty where there is none."""
    return "" if snapshot.encoder is None else snapshot.encoder.fingerprint


def _held(library: Library, segments: Sequence[SegmentRecord], copied: Copied) -> Held:
    """Media count by their numbers of rows; whether these are the same rows is seen when they are searched."""
    known = dict(zip(copied.media_id.tolist(), copied.num_rows.tolist(), strict=True))
    counts = [library.catalog.rows_of_media(it.name) for it in segments]
    num_held = sum(count for of_media in counts for it, count in of_media.items() if known.get(it) == count)
    num_rows = sum(count for of_media in counts for count in of_media.values())
    return Held(copied.collection, num_held, num_rows, copied.total_rows - num_held)


def _faults(library: Library, view: View, modality: Modality, server: Server) -> Iterator[str]:
    copied = copied_of(library, view.snapshot, modality)
    if copied is None:
        return
    where = f"{server.uri}: the collection {copied.collection}"
    if not server.has(copied.collection):
        yield f"{where} is not there"
        return
    server.load(copied.collection)
    holdings = holdings_of(view.segments[modality])
    is_held = copied.held(holdings, names_of(view, modality))
    gone = np.setdiff1d(copied.media_id, holdings.media_id[is_held])
    found = compare(server, copied.collection, holdings, is_held, gone, progress=Silent())
    count, num_rows = server.count(copied.collection), copied.total_rows
    if found.num_missing:
        yield f"{where} lacks {found.num_missing} of {found.num_compared} moments, as {', '.join(found.missing)}"
    if found.surplus:
        some = ", ".join(found.surplus[:NUM_NAMED])
        yield f"{where} holds {len(found.surplus)} moments that it should not, as {some}"
    if count != num_rows + len(found.surplus) - found.num_missing:
        yield f"{where} counts {count} moments, and {num_rows} were copied"
