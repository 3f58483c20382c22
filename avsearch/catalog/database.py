"""Reach a catalog's database: SQLite in the library's directory, or PostgreSQL by its URL."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from avsearch.errors import LibraryError
from avsearch.installing import extra_hint
from avsearch.schema import REVISION

BUSY_TIMEOUT_S = 30
_SQLITE, _POSTGRESQL = "sqlite", "postgresql"
_MODE = "avsearch_mode"
_SERVER_OPTIONS = {  # a server that is gone, or behind a dead cable, is noticed within two minutes
    "connect_timeout": 30,
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 120_000,
}
_TURN_S = 600  # that a thread waits for the one connection, which another one uses
_PASSWORD_HINT = "Give the password in PGPASSWORD or ~/.pgpass; a library never keeps it."
_DATABASE_HINT = "Check the disk or the database server; `avsearch library verify` checks the library itself."


class UnreachableError(LibraryError):
    """The database server does not answer."""


class ConnectionLostError(UnreachableError):
    """A connection that was there broke; what was not committed by then is not in the catalog."""


@dataclass(frozen=True)
class Database:
    """Where a catalog is: a file, by default in the library's directory, or a server."""

    url: URL
    directory: Path

    @property
    def file(self) -> Path | None:
        """SQLite's file, relative ones in the library's directory; None for a server."""
        is_file = self.url.get_backend_name() == _SQLITE
        return self.directory.absolute() / str(self.url.database) if is_file else None

    @property
    def public_url(self) -> str:
        """The URL as it may be written down: libpq takes the password from PGPASSWORD or ~/.pgpass."""
        url = self.url.difference_update_query([name for name in self.url.query if "password" in name])
        public = URL.create(
            url.drivername, url.username, host=url.host, port=url.port, database=url.database, query=url.query
        )
        return public.render_as_string()

    def engine(self, *, may_create: bool = False) -> Engine:
        """Prepare connections; none is made yet, and none stays open after its transaction.

        Args:
            may_create: whether a file that is missing is made; else that is an error, when something is asked.

        Raises:
            LibraryError: the driver is not installed.
        """
        return server_engine(self.url) if self.file is None else _file_engine(self.file, may_create=may_create)


def find_database(database_url: str, directory: Path) -> Database:
    """Read a database URL: `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`.

    Raises:
        LibraryError: it is no such URL.
    """
    hint = "Give sqlite:///FILE or postgresql://USER@HOST/DATABASE."
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError) as error:
        raise LibraryError("The database URL cannot be understood.", hint=hint) from error
    if url.get_backend_name() == _POSTGRESQL:
        return Database(url.set(drivername=f"{_POSTGRESQL}+psycopg"), directory)
    if url.get_backend_name() != _SQLITE or not url.database or url.database == ":memory:" or url.query:
        raise LibraryError("The database URL names nothing that can hold a catalog.", hint=hint)
    return Database(url.set(drivername=_SQLITE), directory)


def server_engine(url: URL, *, is_lasting: bool = False) -> Engine:
    """Prepare connections to a server: one for each transaction, or a lasting one for all of them.

    Raises:
        LibraryError: the driver is not installed.
    """
    options = {name: value for name, value in _SERVER_OPTIONS.items() if name not in url.query}
    lasting = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": _TURN_S}
    pool = lasting if is_lasting else {"poolclass": NullPool}
    try:
        return create_engine(url, connect_args=options, **pool)
    except ModuleNotFoundError as error:
        raise LibraryError(
            "PostgreSQL needs psycopg, which is not installed.", hint=extra_hint("postgres")
        ) from error


def lost_connection() -> ConnectionLostError:
    """The error of one who was cut off from the database."""
    return ConnectionLostError("The connection to the database was lost.", hint="Run the same command again.")


def is_sqlite(connection: Connection) -> bool:
    """Whether the catalog is a file."""
    return connection.dialect.name == _SQLITE


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction, and so one consistent snapshot.

    Raises:
        LibraryError: the database cannot be reached or is damaged.
    """
    isolated = engine
    if engine.dialect.name == _POSTGRESQL:
        isolated = engine.execution_options(isolation_level="REPEATABLE READ")
    with _explained("read"), isolated.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that is committed at the end of the block, all of it or nothing.

    Raises:
        LibraryError: the database cannot be reached, is damaged, or refuses.
    """
    options = {_MODE: "write"}
    if engine.dialect.name == _POSTGRESQL:
        options["isolation_level"] = "READ COMMITTED"  # one who has waited for a lock sees what came before
    with _explained("written"), engine.execution_options(**options).begin() as connection:
        yield connection


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """As `writing`, without foreign keys: SQLite alters a table by dropping and copying it.

    Raises:
        LibraryError: as `writing`.
    """
    with _explained("upgraded"), engine.execution_options(**{_MODE: "migrate"}).begin() as connection:
        yield connection


def check_revision(connection: Connection) -> None:
    """Refuse a catalog of another version.

    Raises:
        LibraryError: it is older or newer than this avsearch, or not a catalog.
    """
    if not inspect(connection).has_table("alembic_version"):
        raise LibraryError("The database holds no catalog.", hint="Check the URL in library.json.")
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "0"
    if not revision.isdecimal() or int(revision) > int(REVISION):
        raise LibraryError(
            f"The catalog is of version {revision}, newer than this avsearch knows.", hint="Upgrade avsearch."
        )
    if int(revision) < int(REVISION):
        raise LibraryError(
            f"The catalog is of version {revision}, older than this avsearch needs.",
            hint="Run `avsearch library upgrade`.",
        )


def integrity_problems(connection: Connection) -> list[str]:
    """What SQLite finds wrong with its own file; a server looks after itself."""
    if not is_sqlite(connection):
        return []
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    problems = [] if found == ["ok"] else found
    for table, row_id, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        problems.append(f"row {row_id} of {table} names a row of {parent} that does not exist")
    return problems


def _file_engine(file: Path, *, may_create: bool) -> Engine:
    connect = partial(_connect_sqlite, file, "rwc" if may_create else "rw")
    engine = create_engine(f"{_SQLITE}://", poolclass=NullPool, creator=connect)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _connect_sqlite(file: Path, mode: str) -> sqlite3.Connection:
    """Open the file; one who may not write beside it reads it as it is, when nobody is writing to it."""
    has_log = file.with_name(f"{file.name}-wal").exists()
    options = f"mode={mode}" if has_log or os.access(file.parent, os.W_OK) else "mode=ro&immutable=1"
    uri = f"file:{quote(os.fsencode(file))}?{options}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)


def _configure_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where the driver guesses
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Claim the right to write at once: a reader that starts to write later could be refused."""
    mode = connection.get_execution_options().get(_MODE, "read")
    if mode == "migrate":
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")  # has no effect inside a transaction
    connection.exec_driver_sql("BEGIN" if mode == "read" else "BEGIN IMMEDIATE")


@contextmanager
def _explained(done: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise lost_connection() from error
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__).rstrip(".")
        hint = _PASSWORD_HINT if "password" in reason else _DATABASE_HINT
        is_refused = isinstance(error, OperationalError) and error.statement is None
        kind = UnreachableError if is_refused else LibraryError
        raise kind(f"The catalog cannot be {done} ({reason}).", hint=hint) from error
