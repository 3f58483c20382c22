"""The right to change a catalog, held for as long as one works on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from sqlalchemy import Connection, Engine, event, func, inspect, select

from avsearch.catalog.database import Database, is_sqlite, lost_connection, server_engine, writing
from avsearch.errors import LibraryError
from avsearch.schema import library_state

_KEEPALIVE_S = {"tcp_keepalives_idle": 60, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 6}


@contextmanager
def write_session(database: Database, library_id: str) -> Iterator[Engine]:
    """Connections for the one who writes.

    A server is reached over one connection, which holds a lock and makes every change: when it breaks, the lock is
    free for others and nothing more can be changed. It is never opened again. With SQLite the lock is
    the library's own (`writer.lock`).

    Raises:
        LibraryError: another process holds the lock, or the database cannot be reached.
    """
    if database.file is not None:
        yield database.engine()
        return
    engine = server_engine(database.url, is_lasting=True)
    _refuse_second_connection(engine)
    try:
        with writing(engine) as connection:
            if not connection.scalar(select(func.pg_try_advisory_lock(_lock_key(library_id)))):
                raise _busy(str(database.directory))
            for name, value in _KEEPALIVE_S.items():  # so that the lock also dies with the machine of its holder
                connection.execute(select(func.set_config(name, str(value), False)))  # noqa: FBT003
        yield engine
    finally:
        engine.dispose()


def lock_transaction(connection: Connection) -> None:
    """Keep writers away until the end of a transaction, on a server that holds a catalog by now.

    Raises:
        LibraryError: another process writes.
    """
    if is_sqlite(connection) or not inspect(connection).has_table(library_state.name):
        return
    library_id = connection.scalar(select(library_state.c.library_id))
    if library_id and not connection.scalar(select(func.pg_try_advisory_xact_lock(_lock_key(library_id)))):
        raise _busy("The database")


def _lock_key(library_id: str) -> int:
    """The number that stands for a library among a server's locks: 64 bits with a sign."""
    return int.from_bytes(blake2b(library_id.encode(), digest_size=8).digest(), "big", signed=True)


def _busy(where: str) -> LibraryError:
    return LibraryError(f"{where}: another avsearch writes to this library.", hint="Wait until it is done.")


def _refuse_second_connection(engine: Engine) -> None:
    is_open = False

    def connect(*_arguments: object) -> None:
        nonlocal is_open
        if is_open:
            raise lost_connection()
        is_open = True

    event.listen(engine, "do_connect", connect)
