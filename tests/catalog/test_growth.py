"""No question needs more work than the catalog has grown: counted in steps of SQLite, not in seconds."""

from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from avsearch.catalog import CatalogWriter, find_database, write_session
from avsearch.catalog.migrate import create_catalog
from benchmarks import catalog_100k
from benchmarks.catalog_100k import LIBRARY_ID, changes, fill, questions

COMMIT_SIZE, FOLDER_SIZE = catalog_100k.COMMIT_SIZE // 4, catalog_100k.FOLDER_SIZE // 4
SMALL, LARGE = 2 * COMMIT_SIZE, 8 * COMMIT_SIZE  # media
GRAIN = 100  # steps from one look to the next
OF_ONE_FOLDER = {"files at a path", "files at a folder", "select: under a folder", "remove a folder"}

pytestmark = pytest.mark.sqlite


@contextmanager
def counted_steps(engine):
    """The list gets an entry for every hundred steps that SQLite takes."""
    steps = []

    def count(connection):
        connection.connection.dbapi_connection.set_progress_handler(lambda: steps.append(1), GRAIN)

    event.listen(engine, "engine_connect", count)
    yield steps
    event.remove(engine, "engine_connect", count)


def steps_of_each(folder: Path, num_media: int):
    """Of each question, then of each change, in a catalog of so many media."""
    footage = folder / "footage"
    footage.mkdir(parents=True)
    database = find_database("sqlite:///catalog.sqlite3", folder)
    create_catalog(database, LIBRARY_ID)
    found = {}
    with write_session(database, LIBRARY_ID) as engine, counted_steps(engine) as steps:
        catalog = CatalogWriter(engine)
        fill(catalog, footage, num_media)
        for name, action in {**questions(catalog, footage), **changes(catalog, footage)}.items():
            before = len(steps)
            action()
            found[name] = GRAIN * (len(steps) - before)
        assert catalog.status().files["removed"] == num_media * 11 // 10
    return found


@pytest.mark.slow
def test_work_grows_no_faster_than_the_catalog_and_for_one_folder_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog_100k, "COMMIT_SIZE", COMMIT_SIZE)
    monkeypatch.setattr(catalog_100k, "FOLDER_SIZE", FOLDER_SIZE)
    small, large = steps_of_each(tmp_path / "small", SMALL), steps_of_each(tmp_path / "large", LARGE)
    assert max(small.values()) > 100 * SMALL / 10  # the counter counts
    allowed = {name: (1 if name in OF_ONE_FOLDER else LARGE / SMALL) for name in small}
    slack = 50 * GRAIN
    assert {
        name: (small[name], large[name])
        for name in small
        if large[name] > 1.3 * allowed[name] * small[name] + slack
    } == {}
