"""The right to write on a server: one connection that holds the lock and makes the changes, or nothing."""

import os

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from avsearch import patience
from avsearch.catalog import (
    Catalog,
    CatalogWriter,
    FileState,
    IndexedMedia,
    Publication,
    State,
    find_database,
    session,
    write_session,
)
from avsearch.catalog.database import reading, writing
from avsearch.catalog.migrate import create_catalog, upgrade_catalog
from avsearch.errors import LibraryError
from avsearch.moments import Modality

LOST = r"The connection to the database was lost\. Run the same command again\."
ID, OTHER_ID = "0" * 32, "not a number"


@pytest.fixture
def database(tmp_path, postgres_database):
    database = find_database(postgres_database, tmp_path)
    create_catalog(database, ID)
    return database


@pytest.fixture
def kill(postgres_database):
    """End a connection from outside, as a server that restarts or a firewall would."""

    def end(engine):
        with engine.connect() as connection:
            process_id = connection.scalar(text("SELECT pg_backend_pid()"))
        end_process(process_id)

    def end_process(process_id):
        with psycopg.connect(postgres_database, autocommit=True) as other:
            assert other.execute("SELECT pg_terminate_backend(%s, 5000)", [process_id]).fetchone() == (True,)

    end.process = end_process
    return end


@pytest.fixture
def kill_at(kill):
    """Kill a connection after the n-th statement from now on; the one after the last is the commit."""

    def arm(engine, number):
        left = [number]

        def count(connection, *_arguments):
            left[0] -= 1
            if left[0] == 0:
                kill.process(connection.connection.driver_connection.info.backend_pid)

        event.listen(engine, "after_cursor_execute", count)
        return left

    return arm


def publication(root, segment, sound):
    media = (IndexedMedia(1, "new", sound, ("label",)),)
    files = (FileState(root.id, b"new", 1, 1, State.INDEXED, media_id=1),)
    segments = tuple(segment(f"{modality}", modality, {1: 2}) for modality in Modality)
    return Publication(media, segments, files, {1: ("label",)})


def test_a_second_writer_is_refused_until_the_first_is_done(database):
    holder = rf"a writer, process {os.getpid()} on .+"
    busy = rf": another avsearch writes to this library \({holder}\)\. Wait until it is done\."
    with write_session(database, ID) as engine:
        CatalogWriter(engine).start_run("first")
        with pytest.raises(LibraryError, match=busy), write_session(database, ID):
            pass
        with write_session(database, OTHER_ID) as other:
            CatalogWriter(other).start_run("of another library")
        with pytest.raises(LibraryError, match=busy):
            upgrade_catalog(database)
    with write_session(database, ID) as engine:
        CatalogWriter(engine).start_run("second")
    upgrade_catalog(database)


def test_all_changes_of_a_writer_are_made_over_the_connection_that_holds_the_lock(database, footage):
    with write_session(database, ID) as engine:
        used = set()
        event.listen(
            engine,
            "before_cursor_execute",
            lambda connection, *_: used.add(connection.connection.driver_connection.info.backend_pid),
        )
        catalog = CatalogWriter(engine)
        catalog.set_files([FileState(catalog.add_root(footage).id, b"a", 1, 1, State.MISSING)])
        catalog.status()
        with reading(database.engine()) as connection:
            held = text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
            assert set(connection.scalars(held)) == used
        assert len(used) == 1


def test_a_writer_that_was_cut_off_writes_no_more_and_lets_another_in(database, kill, caplog):
    with write_session(database, ID) as engine:
        catalog = CatalogWriter(engine)
        catalog.start_run("one")
        kill(engine)
        for change in (lambda: catalog.start_run("two"), lambda: catalog.reserve_media_ids(1), catalog.status):
            with pytest.raises(LibraryError, match=LOST):
                change()
        with write_session(database, ID) as second:
            assert CatalogWriter(second).reserve_media_ids(1) == range(1, 2)
            with pytest.raises(LibraryError, match=LOST):
                catalog.start_run("three")
    with reading(database.engine()) as connection:
        assert connection.scalars(text("SELECT command FROM run")).all() == ["one"]
    assert caplog.records == []


@pytest.mark.slow
def test_a_writer_that_is_cut_off_in_the_middle_of_a_change_has_changed_nothing(
    database, kill_at, footage, segment, sound, encoder
):
    with write_session(database, ID) as engine:
        catalog = CatalogWriter(engine)
        root = catalog.add_root(footage)
        catalog.activate_encoder(encoder)
    number = 0
    while True:
        number += 1
        with write_session(database, ID) as engine:
            left = kill_at(engine, number)
            change = publication(root, segment, sound)
            if number > 9:  # its turn, media, two segments and their rows, label, roots, file: all but the commit
                CatalogWriter(engine).publish(change)
                break
            with pytest.raises(LibraryError, match=LOST):
                CatalogWriter(engine).publish(change)
            assert left == [0]
        catalog = Catalog(database.engine())
        assert catalog.media_by_hash(["new"]) == {}
        assert catalog.all_segments() == ()
        assert catalog.files_of(root.id) == {}
    assert Catalog(database.engine()).snapshot().live_media_ids.tolist() == [1]
    assert len(Catalog(database.engine()).all_segments()) == 2


def test_a_reader_that_is_cut_off_is_told_so_and_can_read_again(database, kill_at):
    engine = database.engine()
    kill_at(engine, 1)
    catalog = Catalog(engine)
    with pytest.raises(LibraryError, match=LOST):
        catalog.status()
    assert catalog.status().num_live == 0


def test_a_server_that_is_not_there_is_one_sentence(tmp_path, postgres_database, monkeypatch):
    pauses = []
    monkeypatch.setattr(patience.time, "sleep", pauses.append)
    gone = find_database(postgres_database.replace("port=5432", "port=5433"), tmp_path)
    for attempt in (Catalog(gone.engine()).roots, write_session(gone, ID).__enter__):
        with pytest.raises(LibraryError, match=r"^The catalog cannot be (read|written) \(connection .*\)\. Check"):
            attempt()
    assert pauses == list(session.CONNECT_AGAIN_S)  # who writes tries again, who reads does not


def test_a_server_that_comes_up_meanwhile_is_waited_for(database, monkeypatch):
    genuine, pauses = session._connect_patiently, []
    monkeypatch.setattr(patience.time, "sleep", pauses.append)

    def starting_up(connect, dialect):
        def attempt():
            if len(pauses) < 2:
                raise psycopg.OperationalError("the database system is starting up")
            return connect()

        return genuine(attempt, dialect)

    monkeypatch.setattr(session, "_connect_patiently", starting_up)
    with write_session(database, ID) as engine:
        assert CatalogWriter(engine).reserve_media_ids(1) == range(1, 2)
    assert pauses == list(session.CONNECT_AGAIN_S[:2])


def test_a_server_that_wants_a_password_says_where_to_give_it(database, monkeypatch):
    def refused(*_arguments):
        raise OperationalError("", {}, Exception("connection failed: fe_sendauth: no password supplied"))

    engine = database.engine()
    event.listen(engine, "do_connect", refused)
    with pytest.raises(
        LibraryError, match=r"no password supplied\)\. Give the password in PGPASSWORD or ~/\.pgpass"
    ):
        Catalog(engine).roots()


def test_a_change_that_fails_leaves_the_writer_at_work(database, sound):
    with write_session(database, ID) as engine:
        catalog = CatalogWriter(engine)
        catalog.publish(Publication(media=(IndexedMedia(1, "same", sound),)))
        with pytest.raises(LibraryError, match="content_hash"):
            catalog.publish(Publication(media=(IndexedMedia(2, "same", sound),)))
        with pytest.raises(LibraryError, match="nonsense"), writing(engine) as connection:
            connection.execute(text("SELECT nonsense"))
        catalog.publish(Publication(media=(IndexedMedia(2, "other", sound),)))
    assert Catalog(database.engine()).reclaimable_media() == {1, 2}
