"""Migrations and schema say the same, up and down; older and newer catalogs are told apart."""

import shutil
from contextlib import contextmanager

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from avsearch import schema
from avsearch.catalog import IndexedMedia, Publication, find_database, migrate
from avsearch.catalog.database import migrating, reading, writing
from avsearch.errors import LibraryError
from avsearch.library import create_library, open_library, upgrade_library, verify
from avsearch.moments import MediaInfo, MediaKind

PUBLICATION = Publication(
    media=(IndexedMedia(1, "hash", MediaInfo(MediaKind.SOUND, 1, 0, "wav", video=None, audio=None)),),
    labels={1: ("flute",)},
)


@pytest.fixture
def database(tmp_path):
    return find_database("sqlite:///catalog.sqlite3", tmp_path)


def table_names(connection):
    return set(inspect(connection).get_table_names()) - {"sqlite_sequence"}


def test_an_empty_database_upgraded_is_the_schema(database):
    migrate.upgrade_catalog(database)
    with reading(database.engine()) as connection:
        assert table_names(connection) == {*schema.metadata.tables, "alembic_version"}
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_keys_and_checks_are_those_of_the_schema_too(tmp_path, database):
    """Alembic's comparison leaves out primary keys, checks and AUTOINCREMENT; SQLite's own text does not."""
    migrate.upgrade_catalog(database)
    direct = find_database("sqlite:///direct.sqlite3", tmp_path)
    with writing(direct.engine()) as connection:
        schema.metadata.create_all(connection)
    definitions = []
    for one in (database, direct):
        with reading(one.engine()) as connection:
            found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE name <> 'alembic_version'"))
            definitions.append({name: sorted(sql.replace(",", " , ").split()) for name, sql in found if sql})
    assert definitions[0] == definitions[1]


def test_a_catalog_downgraded_is_nothing(database):
    migrate.upgrade_catalog(database)
    with migrating(database.engine()) as connection:
        command.downgrade(migrate.alembic_config(connection), "base")
    with reading(database.engine()) as connection:
        assert table_names(connection) == {"alembic_version"}


def test_the_schema_names_the_newest_migration(database):
    with reading(database.engine()) as connection:
        scripts = ScriptDirectory.from_config(migrate.alembic_config(connection))
    assert scripts.get_current_head() == schema.REVISION


def test_the_migrations_lie_where_a_wheel_puts_them_too():
    import avsearch

    assert (migrate.MIGRATIONS / "env.py").is_file()
    assert migrate.MIGRATIONS.parent.samefile(avsearch.__path__[0] + "/..")


@pytest.fixture
def next_version(tmp_path, monkeypatch):
    """A coming avsearch: media have a title and perhaps no container, for which SQLite must copy their table."""
    from sqlalchemy import Column, MetaData, String

    scripts = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    coming = MetaData(naming_convention=schema.metadata.naming_convention)
    for table in schema.metadata.tables.values():
        table.to_metadata(coming)
    coming.tables["media"].append_column(Column("title", String, server_default="", nullable=False))
    monkeypatch.setattr(schema, "metadata", coming)
    coming.tables["media"].columns["container"].nullable = True
    migrate.draft_revision("media have a title", scripts=scripts)

    @contextmanager
    def become_current():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrate, "MIGRATIONS", scripts)
            patch.setattr("avsearch.catalog.database.REVISION", "0002")
            yield

    return become_current


def test_an_older_library_says_how_to_upgrade_and_upgrading_keeps_everything(tmp_path, next_version):
    directory = tmp_path / "library"
    with create_library(directory).writer() as writer:
        root = writer.catalog.add_root(tmp_path)
        writer.catalog.publish(PUBLICATION)
    with next_version():
        with pytest.raises(LibraryError, match=r"older than this avsearch needs\. Run `avsearch library upgrade`"):
            open_library(directory)
        library = upgrade_library(directory)
        assert library.catalog.roots() == (root,)
        assert library.catalog.media_records([1])[1].labels == ("flute",)
        assert verify(library) == []
        with reading(library.layout.database.engine()) as connection:
            assert connection.execute(text("SELECT title FROM media")).scalars().all() == [""]


def test_a_newer_library_asks_for_a_newer_avsearch_and_is_left_alone(tmp_path, next_version):
    directory = tmp_path / "library"
    with next_version():
        create_library(directory)
    for opening in (open_library, upgrade_library):
        with pytest.raises(LibraryError, match=r"Upgrade avsearch\."):
            opening(directory)
    with next_version():
        assert verify(open_library(directory)) == []


def test_a_failed_upgrade_leaves_the_catalog_as_it_was(tmp_path, next_version):
    directory = tmp_path / "library"
    create_library(directory)
    (script,) = (tmp_path / "migrations" / "versions").glob("0002_*")
    script.write_text(script.read_text().replace("def downgrade", "    op.execute('nonsense')\n\n\ndef downgrade"))
    with next_version(), pytest.raises(LibraryError, match=r"The catalog cannot be upgraded \(near \"nonsense\""):
        upgrade_library(directory)
    assert verify(open_library(directory)) == []
