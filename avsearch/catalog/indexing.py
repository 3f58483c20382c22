"""One of several indexers that are at work on one server at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, select

from avsearch.catalog.claims import (
    Claim,
    FileOnDisk,
    delete_dead,
    extend_leases,
    give_back_leases,
    lost_leases,
    put_indexer,
    read_done,
    read_in_other_hands,
    read_indexers,
    take_leases,
)
from avsearch.catalog.database import Database, reading
from avsearch.catalog.locks import INDEXER, lock_key, own_name, read_holders
from avsearch.catalog.paths import Place
from avsearch.catalog.records import EncoderRecord, FileState, State
from avsearch.catalog.session import write_session
from avsearch.catalog.writing import CatalogWriter
from avsearch.errors import LibraryError
from avsearch.schema import indexer, segment

HEARTBEAT_S = 20.0  # a sixth of a lease: a few may be late


class IndexerCatalog(CatalogWriter):
    """A catalog that others may add to at the same time.

    A file is read only by who has it leased. What was read counts only if the lease is still there when it is
    published: one who was held up for so long that others took over changes nothing of what they found.
    """

    def __init__(self, engine: Engine, key: int) -> None:
        super().__init__(engine)
        self._key = key
        self._indexer_id = 0  # of nobody

    def sign_in(self) -> None:
        """Be known as an indexer; and say again that it is there, as one who is known already.

        One that others had given up by now begins anew, without any leases.
        """
        with self._changing() as connection:
            self._be_known(connection)

    def sign_out(self) -> None:
        """Be one no longer; others may have at once what is still in hand."""
        with self._changing() as connection:
            connection.execute(delete(indexer).where(indexer.c.id == self._indexer_id))

    def is_alone(self) -> bool:
        """Whether nobody else is at work on the library."""
        with reading(self._engine) as connection:
            return not read_holders(connection, self._key)

    def claim(self, files: Sequence[FileOnDisk], *, retry_failed: bool = False) -> Claim:
        """Lease those files that nobody else has in hand, and that were not dealt with since they were found."""
        with self._changing() as connection:
            self._be_known(connection)
            delete_dead(connection, self._key)
            done = read_done(connection, files)
            if retry_failed:
                done = {path: state for path, state in done.items() if state.state is not State.FAILED}
            wanted = [file.path for file in files if file.path not in done]
            return Claim(take_leases(connection, self._indexer_id, wanted), done)

    def in_other_hands(self, files: Sequence[FileOnDisk]) -> dict[Path, str]:
        """Those of the files that other indexers read at the moment, and who does."""
        with reading(self._engine) as connection:
            return read_in_other_hands(connection, self._key, self._indexer_id, [file.path for file in files])

    def _be_known(self, connection: Connection) -> None:
        if not extend_leases(connection, self._indexer_id):
            self._indexer_id = put_indexer(connection, own_name(INDEXER))

    def _lost(self, connection: Connection, files: Sequence[FileState]) -> frozenset[Place]:
        return lost_leases(connection, self._indexer_id, self._paths(files))

    def _give_back(self, connection: Connection, files: Sequence[FileState]) -> None:
        give_back_leases(connection, self._indexer_id, self._paths(files).values())

    def _may_replace(self, connection: Connection, encoder: EncoderRecord) -> bool:
        """Not once it has made vectors, nor while others may be making some with it."""
        made = select(segment.c.id).where(segment.c.encoder_id == encoder.id).limit(1)
        has_company = len(read_indexers(connection, self._key)) > 1
        return not has_company and connection.execute(made).first() is None

    def _paths(self, files: Sequence[FileState]) -> dict[Place, Path]:
        """Where files lay when they were found; the root may have become part of another since."""
        roots = self._paths_of_roots
        return {(it.root_id, it.path): roots[it.root_id] / os.fsdecode(it.path) for it in files}


@contextmanager
def indexer_session(database: Database, library_id: str) -> Iterator[IndexerCatalog]:
    """A catalog on a server for one of several indexers, which is known as such until the end of the block.

    Raises:
        LibraryError: somebody has the library for himself, or the database cannot be reached.
    """
    with write_session(database, library_id, doing=INDEXER, is_alone=False) as engine:
        catalog = IndexerCatalog(engine, lock_key(library_id))
        catalog.sign_in()
        ended = threading.Event()
        thread = threading.Thread(target=_stay, args=(catalog, ended), name="leases", daemon=True)
        thread.start()
        try:
            yield catalog
        finally:
            ended.set()
            thread.join()
            with suppress(LibraryError):  # the connection may be lost, and with it all leases
                catalog.sign_out()


def _stay(catalog: IndexerCatalog, ended: threading.Event) -> None:
    """Extend the leases now and then; where the database is out of reach, the next commit will say so."""
    with suppress(LibraryError):
        while not ended.wait(HEARTBEAT_S):
            catalog.sign_in()
