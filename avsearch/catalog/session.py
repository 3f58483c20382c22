"""The right to change a catalog, held for as long as one works on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, event, func, inspect, select
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect

from avsearch.catalog.database import Database, is_sqlite, lost_connection, server_engine, writing
from avsearch.catalog.locks import busy, lock_key, own_name, read_holders, take_lock, take_lock_for_transaction
from avsearch.errors import LibraryError
from avsearch.patience import patiently
from avsearch.schema import library_state

CONNECT_AGAIN_S = (0.5, 1.0, 2.0, 4.0)  # pauses before a server that starts, or restarts, is tried again
_MAY_PASS = re.compile("refused|starting up|shutting down|too many clients|connection slots|No such file")
_SETTINGS = {  # so that the lock also dies with the machine of its holder, and nobody waits for one who hangs
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
    "idle_in_transaction_session_timeout": "60s",
}


@contextmanager
def write_session(
    database: Database, library_id: str, *, doing: str = "a writer", is_alone: bool = True
) -> Iterator[Engine]:
    """Connections for one who writes.

    A server is reached over one connection, which holds a lock and makes every change: when it breaks, the lock is
    free for others and nothing more can be changed. It is never opened again. With SQLite the lock is
    the library's own (`writer.lock`).

    Args:
        database: of the catalog.
        library_id: of the library that is locked.
        doing: what others are told about it, in a word.
        is_alone: whether nobody else may write meanwhile; indexers share the lock among themselves.

    Raises:
        LibraryError: another process holds the lock, or the database cannot be reached.
    """
    if database.file is not None:
        yield database.engine()
        return
    engine, key = server_engine(database.url, is_lasting=True), lock_key(library_id)
    _connect_once(engine)
    try:
        with writing(engine) as connection:
            for name, value in {**_SETTINGS, "application_name": own_name(doing)}.items():
                connection.execute(select(func.set_config(name, value, False)))  # noqa: FBT003
        with writing(engine) as connection:
            if not take_lock(connection, key, is_alone=is_alone):
                raise busy(str(database.directory), read_holders(connection, key))
        try:
            yield engine
        finally:
            _unlock(engine)
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
    if library_id and not take_lock_for_transaction(connection, lock_key(library_id)):
        raise busy("The database", read_holders(connection, lock_key(library_id)))


def _unlock(engine: Engine) -> None:
    """Let the next one in at once: a server notices a moment later that a connection has ended."""
    with suppress(LibraryError), writing(engine) as connection:  # a connection that is lost holds nothing
        connection.execute(select(func.pg_advisory_unlock_all()))


def _connect_once(engine: Engine) -> None:
    """Wait a little for a server that does not answer yet; once the connection breaks, make no second one."""
    is_open = False

    def connect(dialect: Dialect, _record: object, words: list[Any], options: dict[str, Any]) -> DBAPIConnection:
        nonlocal is_open
        if is_open:
            raise lost_connection()
        connection = _connect_patiently(lambda: dialect.connect(*words, **options), dialect)
        is_open = True
        return connection

    event.listen(engine, "do_connect", connect)


def _connect_patiently(connect: Callable[[], DBAPIConnection], dialect: Dialect) -> DBAPIConnection:
    """Try again, after longer and longer pauses, what may be another in a moment."""

    def may_pass(error: Exception) -> bool:
        return isinstance(error, dialect.loaded_dbapi.OperationalError) and bool(_MAY_PASS.search(str(error)))

    return patiently(connect, CONNECT_AGAIN_S, may_pass)
