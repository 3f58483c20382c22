"""A library in Milvus and back: a copy of its vectors on a server, beside the segments, which stay the truth."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from avsearch.catalog import SegmentRecord, Snapshot
from avsearch.errors import EngineError, LibraryError, UsageError
from avsearch.library.lock import write_lock
from avsearch.library.store import Library, View
from avsearch.moments import Modality, Progress, Silent
from avsearch.vectors.milvus.address import check_uri, collection_name
from avsearch.vectors.milvus.beside import Beside
from avsearch.vectors.milvus.holdings import holdings_of
from avsearch.vectors.milvus.link import Collection, Link
from avsearch.vectors.milvus.moving import NUM_NAMED, Moved, compare, make_equal
from avsearch.vectors.milvus.record import (
    AGAIN_HINT,
    Copied,
    Engine,
    copied_path,
    nothing_copied,
    read_copied,
    read_engine,
    write_copied,
    write_engine,
)
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


def move_to_milvus(library: Library, uri: str | None, *, progress: Progress) -> Mapping[Modality, Moved]:
    """Copy what a library can find into collections of a Milvus server, and let searches ask there.

    Doing it again takes in what is new, leaves out what is gone, compares all ids, and mends what differs; a run
    that was cut off goes on. Searches and writers go on meanwhile.

    Args:
        library: whose vectors are copied.
        uri: of the server; None for the one that the library is in already.
        progress: told of what is compared and copied.

    Raises:
        UsageError: the address is none, holds credentials, or is another than the library's.
        EngineError: the server does not answer or refuses.
        LibraryError: nothing has been indexed, a segment is damaged, or another process does this.
    """
    asked = None if uri is None else check_uri(uri)
    with _alone(library):
        engine = _engine(library, asked)
        view = library.view(*Modality)
        if view.snapshot.encoder is None or not view.snapshot.segments:
            raise LibraryError(
                f"{library.directory}: nothing has been indexed.", hint="Run `avsearch index FOLDER`."
            )
        server = connect(engine.uri)
        names = {
            it: collection_name(_id(library), it, _fingerprint(view.snapshot))
            for it in Modality
            if view.segments[it]
        }
        known = tuple(dict.fromkeys((*engine.collections, *names.values())))
        write_engine(library.layout.milvus, Engine(engine.uri, known))
        moved = {it: _fill(library, view, it, server, name, progress=progress) for it, name in names.items()}
        for name in set(known) - set(names.values()):
            server.drop(name)
        for modality in set(Modality) - set(names):
            copied_path(library.layout.milvus, modality).unlink(missing_ok=True)
        write_engine(library.layout.milvus, Engine(engine.uri, tuple(names.values())))
    return moved


def move_back(library: Library) -> Engine:
    """Delete a library's collections from Milvus; searches are exact, or by an index, as before.

    Returns:
        What was deleted, and where.

    Raises:
        UsageError: it is in no Milvus.
        EngineError: the server does not answer or refuses; then the library stays in Milvus.
    """
    if not library.layout.milvus.is_dir():
        raise _in_no_milvus(library)
    with _alone(library):
        engine = read_engine(library.layout.milvus)
        if engine is None:
            raise _in_no_milvus(library)
        try:
            server = connect(engine.uri)
            for name in engine.collections:
                server.drop(name)
        except EngineError as error:
            hint = f"{error.hint} To do without the server for good, delete the folder {library.layout.milvus}."
            raise EngineError(error.message, hint=hint) from error
        shutil.rmtree(library.layout.milvus)
    return engine


def open_engine(library: Library, view: View, *modalities: Modality) -> Mapping[Modality, Beside]:
    """Search by Milvus in the modalities that were copied; where a record is damaged, a warning says so.

    The server is asked nothing yet: a query that it does not answer is exact, and a warning says why.

    Args:
        library: whose they are.
        view: what is searched; it has the rows of these modalities.
        modalities: which are wanted.
    """
    found: dict[Modality, Beside] = {}
    try:
        engine = read_engine(library.layout.milvus)
        if engine is None:
            return found
        link = Link(partial(connect, engine.uri, is_asking=True))
        for modality in modalities:
            copied = _copied(library, view.snapshot, modality)
            if copied is not None:
                holdings = holdings_of(view.segments[modality])
                is_held = copied.held(holdings, _names(view, modality))
                found[modality] = Beside(link, Collection(copied.collection, copied.total_rows), holdings, is_held)
    except LibraryError as error:
        _LOG.warning("%s Search is exact. %s", error.message, error.hint)
    return found


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
            copied = _copied(library, snapshot, modality)
        except LibraryError as error:
            _LOG.warning("%s %s", error.message, error.hint)
            continue
        if copied is not None:
            found[modality] = _held(library, [it for it in snapshot.segments if it.modality is modality], copied)
    return found


def _held(library: Library, segments: Sequence[SegmentRecord], copied: Copied) -> Held:
    """Media count by their numbers of rows; whether these are the same rows is seen when they are searched."""
    known = dict(zip(copied.media_id.tolist(), copied.num_rows.tolist(), strict=True))
    counts = [library.catalog.rows_of_media(it.name) for it in segments]
    num_held = sum(count for of_media in counts for it, count in of_media.items() if known.get(it) == count)
    num_rows = sum(count for of_media in counts for count in of_media.values())
    return Held(copied.collection, num_held, num_rows, copied.total_rows - num_held)


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


def _faults(library: Library, view: View, modality: Modality, server: Server) -> Iterator[str]:
    copied = _copied(library, view.snapshot, modality)
    if copied is None:
        return
    where = f"{server.uri}: the collection {copied.collection}"
    if not server.has(copied.collection):
        yield f"{where} is not there"
        return
    server.load(copied.collection)
    holdings = holdings_of(view.segments[modality])
    is_held = copied.held(holdings, _names(view, modality))
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


def _fill(
    library: Library, view: View, modality: Modality, server: Server, name: str, *, progress: Progress
) -> Moved:
    directory = library.layout.milvus
    copied = _copied_or_nothing(library, view, modality, name)
    if not server.has(name):
        copied = nothing_copied(name, _fingerprint(view.snapshot))
    server.create(name, view.segments[modality][0].dim)
    save = partial(write_copied, directory, modality)
    return make_equal(
        server,
        holdings_of(view.segments[modality]),
        copied,
        _names(view, modality),
        save=save,
        progress=progress,
    )


def _copied(library: Library, snapshot: Snapshot, modality: Modality) -> Copied | None:
    """The record of a modality; None where none of it was copied.

    Raises:
        LibraryError: it is damaged, or of another encoder's vectors.
    """
    copied = read_copied(library.layout.milvus, modality)
    if copied is not None and copied.fingerprint != _fingerprint(snapshot):
        raise LibraryError(
            f"{library.layout.milvus}: what is in Milvus are {modality} vectors of another encoder.",
            hint=AGAIN_HINT,
        )
    return copied


def _copied_or_nothing(library: Library, view: View, modality: Modality, name: str) -> Copied:
    try:
        copied = _copied(library, view.snapshot, modality)
    except LibraryError:  # what was copied is compared with the collection anyway
        copied = None
    return nothing_copied(name, _fingerprint(view.snapshot)) if copied is None else copied


def _engine(library: Library, uri: str | None) -> Engine:
    """Where the library is, or is to be."""
    try:
        engine = read_engine(library.layout.milvus)
    except LibraryError:
        if uri is None:
            raise
        engine = None
    if engine is None and uri is None:
        raise _in_no_milvus(library)
    if engine is not None and uri is not None and engine.uri != uri:
        raise UsageError(
            f"{library.directory}: is in Milvus at {engine.uri} already.",
            hint="Run `avsearch library engine --local` first.",
        )
    return engine or Engine(uri or "")


@contextmanager
def _alone(library: Library) -> Iterator[None]:
    """Hold the right to move a library; its writers are not held up."""
    directory = library.layout.milvus
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        raise LibraryError(f"{directory}: cannot be made ({error.strerror}).", hint="Check permissions.") from error
    with write_lock(directory):
        yield


def _in_no_milvus(library: Library) -> UsageError:
    return UsageError(
        f"{library.directory}: is in no Milvus.", hint="Run `avsearch library engine --milvus http://HOST:19530`."
    )


def _names(view: View, modality: Modality) -> tuple[str, ...]:
    """Of the segments, in the order of the view."""
    return tuple(it.name for it in view.snapshot.segments if it.modality is modality)


def _fingerprint(snapshot: Snapshot) -> str:
    return "" if snapshot.encoder is None else snapshot.encoder.fingerprint


def _id(library: Library) -> str:
    return library.layout.config.library_id
