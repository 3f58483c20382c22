"""Bring a catalog to the newest version; the only module that runs Alembic."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine, delete, insert, select
from sqlalchemy.engine import URL

from avsearch import schema
from avsearch.catalog.database import Database, check_revision, integrity_problems, migrating, writing
from avsearch.catalog.session import lock_transaction
from avsearch.errors import LibraryError

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"  # beside the package, in a wheel too


def create_catalog(database: Database, library_id: str) -> None:
    """Make an empty catalog, or take over one that was never used.

    Raises:
        LibraryError: another library uses the database, or it cannot be written.
    """
    with writing(database.engine(may_create=True)):
        pass  # there is a file now
    upgrade_catalog(database)
    fresh = {"id": schema.STATE_ID, "library_id": library_id, "next_media_id": 1}
    with writing(database.engine()) as connection:
        if any(connection.execute(select(table).limit(1)).first() for table in (schema.root, schema.encoder)):
            raise LibraryError("Another library uses this database.", hint="Give each library its own.")
        connection.execute(delete(schema.library_state))
        connection.execute(insert(schema.library_state).values(fresh))


def upgrade_catalog(database: Database) -> None:
    """Run the missing migrations in one transaction: all of them, or none.

    Raises:
        LibraryError: a migration fails, the catalog is newer than this avsearch, or another process writes to it.
    """
    try:
        with migrating(database.engine()) as connection:
            lock_transaction(connection)
            command.upgrade(alembic_config(connection), "head")
            check_revision(connection)
            if problems := integrity_problems(connection):
                raise LibraryError(f"The catalog was left as it was: {problems[0]}.", hint="Restore a backup.")
    except CommandError as error:
        raise LibraryError(f"The catalog cannot be upgraded ({error}).", hint="Upgrade avsearch.") from error


def draft_revision(message: str, *, scripts: Path | None = None) -> None:
    """Write the migration that leads from the newest one to `avsearch.schema`, for its author to read.

    Args:
        message: what changes, in a few words.
        scripts: the folder of migrations, by default avsearch's own.
    """
    engine = create_engine(URL.create("sqlite", database=":memory:"))
    with engine.connect() as connection:
        config = alembic_config(connection, scripts)
        command.upgrade(config, "head")
        number = f"{int(schema.REVISION) + 1:04d}"
        command.revision(config, message, autogenerate=True, rev_id=number)
    engine.dispose()


def alembic_config(connection: Connection, scripts: Path | None = None) -> Config:
    """What Alembic needs to know, instead of an alembic.ini."""
    config = Config(cmd_opts=Namespace(quiet=True), attributes={"connection": connection})
    config.set_main_option("script_location", str(scripts or MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    return config
