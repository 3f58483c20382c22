"""Database URLs, passwords, and tables that PostgreSQL understands too."""

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from avsearch import schema
from avsearch.catalog import CatalogWriter, find_database
from avsearch.errors import LibraryError


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("postgresql://me:secret@host:5433/films", "postgresql+psycopg://me@host:5433/films"),
        ("postgresql+psycopg://me:secret@host/films", "postgresql+psycopg://me@host/films"),
        (
            "postgresql://me@host/films?password=secret&sslmode=require&sslpassword=secret",
            "postgresql+psycopg://me@host/films?sslmode=require",
        ),
        ("sqlite:///catalog.sqlite3", "sqlite:///catalog.sqlite3"),
        ("sqlite:////mnt/a.db", "sqlite:////mnt/a.db"),
    ],
)
def test_a_url_is_written_without_its_password(tmp_path, url, written):
    assert find_database(url, tmp_path).public_url == written


def test_a_relative_database_lies_in_the_library_and_an_absolute_one_where_it_says(tmp_path):
    assert find_database("sqlite:///a/b.db", tmp_path).file == tmp_path / "a" / "b.db"
    assert (
        find_database("sqlite:////mnt/b.db", tmp_path).file == find_database("sqlite:////mnt/b.db", tmp_path).file
    )
    assert str(find_database("sqlite:////mnt/b.db", tmp_path).file) == "/mnt/b.db"
    assert find_database("postgresql://host/films", tmp_path).file is None


def test_a_missing_driver_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LibraryError, match=r"psycopg, which is not installed\. Run `python -m pip install"):
        find_database("postgresql://host/films", tmp_path).engine()


def test_a_database_that_cannot_be_opened_is_one_sentence(tmp_path):
    catalog = CatalogWriter(find_database("sqlite:///missing/folder.db", tmp_path).engine())
    with pytest.raises(LibraryError, match=r"The catalog cannot be read \(unable to open database file\)"):
        catalog.roots()


@pytest.mark.parametrize("dialect", [postgresql.dialect(), sqlite.dialect()], ids=lambda dialect: dialect.name)
def test_every_table_can_be_written_for_both_databases(dialect):
    created = [str(CreateTable(table).compile(dialect=dialect)) for table in schema.metadata.sorted_tables]
    created += [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in schema.metadata.sorted_tables
        for index in table.indexes
    ]
    assert len(created) == 12 + 7
    is_counted = "BIGSERIAL" if dialect.name == "postgresql" else "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
    assert sum(is_counted in statement for statement in created) == 6
