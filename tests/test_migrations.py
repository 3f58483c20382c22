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
from avsearch.catalog import Catalog, IndexedMedia, Publication, find_database, migrate
from avsearch.catalog.database import migrating, reading, writing
from avsearch.errors import LibraryError
from avsearch.library import create_library, open_library, upgrade_library, verify
from avsearch.moments import MediaInfo, MediaKind

COMING = f"{int(schema.REVISION) + 1:04d}"
PUBLICATION = Publication(
    media=(IndexedMedia(1, "hash", MediaInfo(MediaKind.SOUND, 1, 0, "wav", video=None, audio=None)),),
    labels={1: ("flute",)},
)


@pytest.fixture
def database(tmp_path, database_url):
    """Without anything in it; a file that is missing is made for a new library only."""
    database = find_database(database_url, tmp_path)
    if database.file is not None:
        database.file.touch()
    return database


@contextmanager
def at_revision(database, revision):
    """The database brought to a revision, up or down."""
    with migrating(database.engine()) as connection:
        current = MigrationContext.configure(connection).get_current_revision() or "0"
        move = command.upgrade if revision != "base" and revision >= current else command.downgrade
        move(migrate.alembic_config(connection), revision)
    with reading(database.engine()) as connection:
        yield connection


def table_names(connection):
    return set(inspect(connection).get_table_names()) - {"sqlite_sequence"}


def run_sql(database, *statements):
    with writing(database.engine()) as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_an_empty_database_upgraded_is_the_schema(database):
    migrate.upgrade_catalog(database)
    with reading(database.engine()) as connection:
        assert table_names(connection) == {*schema.metadata.tables, "alembic_version"}
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


@pytest.mark.sqlite
def test_keys_and_checks_are_those_of_the_schema_too(tmp_path, database):
    """Alembic's comparison leaves out primary keys, checks, defaults and AUTOINCREMENT; SQLite's text does not."""
    migrate.upgrade_catalog(database)
    direct = find_database("sqlite:///direct.sqlite3", tmp_path)
    with writing(direct.engine(may_create=True)) as connection:
        schema.metadata.create_all(connection)
    definitions = []
    for one in (database, direct):
        with reading(one.engine()) as connection:
            found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE name <> 'alembic_version'"))
            words = {name: sql.replace(",", " , ").replace('"', "").split() for name, sql in found if sql}
            definitions.append({name: sorted(some) for name, some in words.items()})
    assert definitions[0] == definitions[1]


def test_a_catalog_downgraded_is_nothing(database):
    migrate.upgrade_catalog(database)
    with migrating(database.engine()) as connection:
        command.downgrade(migrate.alembic_config(connection), "base")
    with reading(database.engine()) as connection:
        assert table_names(connection) == {"alembic_version"}


@pytest.fixture
def old_catalog(database):
    """A catalog of the first version: media 1 has vectors of two encoders, 2 of the old one, 3 of none."""
    with at_revision(database, "0001"):
        names = "id, content_hash, kind, container, duration_us, start_time_us, added_at_us"
        run_sql(
            database,
            "INSERT INTO root (id, path, added_at_us) VALUES (1, '/footage', 5)",
            *(f"INSERT INTO media ({names}) VALUES ({i}, 'hash{i}', 'sound', 'wav', 1, 0, 5)" for i in (1, 2, 3)),
            "INSERT INTO file (root_id, path, size_bytes, mtime_ns, state, reason, media_id)"
            " VALUES (1, 'a', 1, 2, 'indexed', '', 1), (1, 'b', 1, 2, 'missing', '', 2)",
            "INSERT INTO label VALUES (1, 'flute')",
            "INSERT INTO encoder (id, fingerprint, architecture, size, recipe, dim, added_at_us)"
            " VALUES (1, 'old', 'ave', 'small', 'ave', 4, 6), (2, 'new', 'ave', 'small', 'ave', 4, 7)",
            "INSERT INTO segment (id, name, modality, encoder_id, num_rows, dim, num_bytes, checksum)"
            " VALUES (1, 'one', 'image', 1, 7, 4, 9, 'c'), (2, 'two', 'image', 1, 1, 4, 9, 'c'),"
            " (3, 'three', 'audio', 1, 5, 4, 9, 'c'), (4, 'four', 'audio', 2, 3, 4, 9, 'c')",
            "INSERT INTO embedding VALUES (1, 1, 3), (1, 2, 4), (2, 1, 1), (3, 1, 5), (4, 1, 3)",
            "INSERT INTO run (command, started_at_us, counts) VALUES ('index', 8, '{}')",
            "INSERT INTO library_state VALUES (1, 'id', 4, 2)",
        )
    return database


def everything(connection):
    """Table -> all of its rows, each with the columns of the first version only."""
    tables = table_names(connection) - {"alembic_version", "coverage", "indexer", "lease"}
    later = {"timecode", "num_silent", "num_still", "gap_us", "pending_encoder_id", "localizer_encoder_id", "etag"}
    rows = {}
    for table in sorted(tables):
        found = connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).mappings()
        rows[table] = [{name: value for name, value in row.items() if name not in later} for row in found]
    return rows


def test_an_upgrade_from_the_first_version_loses_nothing_and_knows_what_encoders_dealt_with(old_catalog):
    with at_revision(old_catalog, "0001") as connection:
        before = everything(connection)
        assert all(before.values())
    with at_revision(old_catalog, "0002") as connection:
        assert everything(connection) == before
        coverage = connection.execute(text("SELECT * FROM coverage ORDER BY 1, 2, 3")).all()
        assert [tuple(row) for row in coverage] == [
            (1, 1, "audio", 5), (1, 1, "image", 4), (1, 2, "audio", 0), (1, 2, "image", 4),
            (2, 1, "audio", 3), (2, 1, "image", 0),
            *((2, media_id, modality, 0) for media_id in (2, 3) for modality in ("audio", "image")),
        ]  # fmt: skip
        added = connection.execute(text("SELECT DISTINCT timecode, num_silent, num_still, gap_us FROM media")).all()
        assert [tuple(row) for row in added] == [("", 0, 0, 2_000_000)]
        assert connection.execute(text("SELECT pending_encoder_id FROM library_state")).all() == [(None,)]
        catalog = Catalog(old_catalog.engine())
        assert catalog.lost(1) == catalog.lost(2) == []
        assert catalog.problems() == []


def test_a_downgrade_to_the_first_version_loses_nothing_that_it_knows(old_catalog):
    with at_revision(old_catalog, "0002") as connection:
        before = everything(connection)
    with at_revision(old_catalog, "0001") as connection:
        assert everything(connection) == before
    with at_revision(old_catalog, schema.REVISION) as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_a_catalog_without_a_localizer_gains_the_place_for_one_and_a_downgrade_takes_it_away(old_catalog):
    with at_revision(old_catalog, "0002") as connection:
        before = everything(connection)
        run_sql(old_catalog, "UPDATE library_state SET pending_encoder_id = 1")
    with at_revision(old_catalog, "0003") as connection:
        assert everything(connection) == before
        catalog = Catalog(old_catalog.engine())
        assert (catalog.active_encoder().fingerprint, catalog.pending_encoder().fingerprint) == ("new", "old")
        assert catalog.localizer() is None
        assert catalog.problems() == []
    run_sql(old_catalog, "UPDATE library_state SET localizer_encoder_id = 2")
    assert Catalog(old_catalog.engine()).localizer().fingerprint == "new"
    with at_revision(old_catalog, "0002") as connection:
        assert everything(connection) == before
        state = connection.execute(text("SELECT * FROM library_state")).mappings().one()
        assert "localizer_encoder_id" not in state
        assert state["pending_encoder_id"] == 1


def test_a_library_of_the_version_before_the_localizer_is_upgraded_and_takes_one(tmp_path, database_url):
    directory = tmp_path / "library"
    with create_library(directory, database_url=database_url).writer() as writer:
        root = writer.catalog.add_root(tmp_path)
        writer.catalog.publish(PUBLICATION)
    with at_revision(open_library(directory).layout.database, "0002"):
        pass
    with pytest.raises(LibraryError, match=r"of version 0002, older.*Run `avsearch library upgrade`"):
        open_library(directory)
    library = upgrade_library(directory)
    assert library.catalog.roots() == (root,)
    assert library.localizer_path() is None
    assert verify(library) == []


@pytest.mark.parametrize("table", ["library_state", "file"])
def test_checks_still_refuse_after_an_upgrade(old_catalog, table):
    wrong = {"library_state": "UPDATE library_state SET id = 2", "file": "UPDATE file SET media_id = NULL"}
    keys = {
        "library_state": ["pending_encoder_id = 9", "active_encoder_id = 9", "localizer_encoder_id = 9"],
        "file": ["root_id = 9"],
    }
    with at_revision(old_catalog, schema.REVISION):
        for statement in (wrong[table], *(f"UPDATE {table} SET {key}" for key in keys[table])):
            with pytest.raises(LibraryError, match="cannot be written"):
                run_sql(old_catalog, statement)


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
            patch.setattr("avsearch.catalog.database.REVISION", COMING)
            yield

    return become_current


def test_an_older_library_says_how_to_upgrade_and_upgrading_keeps_everything(tmp_path, next_version, database_url):
    directory = tmp_path / "library"
    with create_library(directory, database_url=database_url).writer() as writer:
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


def test_a_newer_library_asks_for_a_newer_avsearch_and_is_left_alone(tmp_path, next_version, database_url):
    directory = tmp_path / "library"
    with next_version():
        create_library(directory, database_url=database_url)
    for opening in (open_library, upgrade_library):
        with pytest.raises(LibraryError, match=r"Upgrade avsearch\."):
            opening(directory)
    with next_version():
        assert verify(open_library(directory)) == []


def test_a_failed_upgrade_leaves_the_catalog_as_it_was(tmp_path, next_version, database_url):
    directory = tmp_path / "library"
    create_library(directory, database_url=database_url)
    (script,) = (tmp_path / "migrations" / "versions").glob(f"{COMING}_*")
    script.write_text(script.read_text().replace("def downgrade", "    op.execute('nonsense')\n\n\ndef downgrade"))
    with next_version(), pytest.raises(LibraryError, match=r"The catalog cannot be upgraded \(.*near \"nonsense\""):
        upgrade_library(directory)
    assert verify(open_library(directory)) == []
