"""A library whose database server cuts its writer off, or lets another machine write."""

from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import Engine, event

from avsearch.catalog import write_session
from avsearch.errors import LibraryError
from avsearch.library import create_library, open_library, orphans, verify
from tests.library.stored import moments

LOST = "The connection to the database was lost. Run the same command again."

pytestmark = pytest.mark.postgres


@pytest.fixture
def library(tmp_path, postgres_database):
    return create_library(tmp_path / "library", database_url=postgres_database)


@contextmanager
def cut_off_after(number, database):
    """End the connection of whoever runs the n-th statement from now on, once it is done."""
    left = [number]

    def count(connection, *_arguments):
        left[0] -= 1
        if left[0] == 0:
            process_id = connection.connection.driver_connection.info.backend_pid
            with psycopg.connect(database, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [process_id])

    event.listen(Engine, "after_cursor_execute", count)
    try:
        yield left
    finally:
        event.remove(Engine, "after_cursor_execute", count)


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_writer_cut_off_at_any_statement_leaves_the_state_before_and_can_begin_again(
    library, fill, postgres_database, stride
):
    fill("kept")
    before = moments(library)
    told = []
    for number in range(1, 1000, stride):
        num_told = len(told)
        with cut_off_after(number, postgres_database):
            try:
                fill("new", labels=("label",), seed=number)
            except LibraryError as error:
                told.append(str(error))
        again = open_library(library.directory)
        assert verify(again) == []
        if len(told) == num_told:  # all was committed: it came to its end first, or was giving its lock back
            break
        assert moments(again) == before
    assert len(told) > 20 / stride
    assert set(told) == {LOST}
    assert len(moments(library)) == 2 * len(before)
    (media_id,) = set(library.catalog.live_media_ids().tolist()) - {1}
    assert library.catalog.media_records([media_id])[media_id].labels == ("label",)
    assert orphans(library) == []


def test_another_machine_that_writes_keeps_this_one_from_writing_and_from_sweeping(library, fill):
    fill("a")
    unfinished = library.directory / "segments" / f"{'0' * 32}.safetensors"
    unfinished.touch()
    busy = r"another avsearch writes to this library \(a writer, process \d+ on .+\)\. Wait until it is done\."
    with (
        write_session(library.layout.database, library.layout.config.library_id),
        pytest.raises(LibraryError, match=busy),
        library.writer(),
    ):
        pass
    assert unfinished.exists()
    with library.writer():
        assert not unfinished.exists()
