"""A library in Milvus and back: a copy of its vectors on a server, beside the segments, which stay the truth."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from avsearch.errors import EngineError, LibraryError, UsageError
from avsearch.library.copies import copied_of, fingerprint_of, names_of
from avsearch.library.layout import made_folder
from avsearch.library.lock import write_lock
from avsearch.library.store import Library, View
from avsearch.moments import Modality, Progress
from avsearch.vectors.milvus.address import check_uri, collection_name
from avsearch.vectors.milvus.beside import Beside
from avsearch.vectors.milvus.holdings import holdings_of
from avsearch.vectors.milvus.link import Collection, Link
from avsearch.vectors.milvus.moving import Moved, make_equal
from avsearch.vectors.milvus.record import (
    Copied,
    Engine,
    copied_path,
    nothing_copied,
    read_engine,
    write_copied,
    write_engine,
)
from avsearch.vectors.milvus.server import Server, connect

_LOG = logging.getLogger("avsearch")


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
        names = _collection_names(library, view)
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
            copied = copied_of(library, view.snapshot, modality)
            if copied is not None:
                holdings = holdings_of(view.segments[modality])
                is_held = copied.held(holdings, names_of(view, modality))
                found[modality] = Beside(link, Collection(copied.collection, copied.total_rows), holdings, is_held)
    except LibraryError as error:
        _LOG.warning("%s Search is exact. %s", error.message, error.hint)
    return found


def _collection_names(library: Library, view: View) -> dict[Modality, str]:
    """The collections of the modalities that have any moments."""
    library_id, fingerprint = library.layout.config.library_id, fingerprint_of(view.snapshot)
    return {it: collection_name(library_id, it, fingerprint) for it in Modality if view.segments[it]}


def _fill(
    library: Library, view: View, modality: Modality, server: Server, name: str, *, progress: Progress
) -> Moved:
    directory = library.layout.milvus
    copied = _copied_or_nothing(library, view, modality, name)
    if not server.has(name):
        copied = nothing_copied(name, fingerprint_of(view.snapshot))
    server.create(name, view.segments[modality][0].dim)
    save = partial(write_copied, directory, modality)
    return make_equal(
        server,
        holdings_of(view.segments[modality]),
        copied,
        names_of(view, modality),
        save=save,
        progress=progress,
    )


def _copied_or_nothing(library: Library, view: View, modality: Modality, name: str) -> Copied:
    try:
        copied = copied_of(library, view.snapshot, modality)
    except LibraryError:  # what was copied is compared with the collection anyway
        copied = None
    return nothing_copied(name, fingerprint_of(view.snapshot)) if copied is None else copied


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
    with write_lock(made_folder(library.layout.milvus)):
        yield


def _in_no_milvus(library: Library) -> UsageError:
    return UsageError(
        f"{library.directory}: is in no Milvus.", hint="Run `avsearch library engine --milvus http://HOST:19530`."
    )
