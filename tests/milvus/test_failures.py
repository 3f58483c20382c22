"""Servers that are not there, refuse, are too old, or die in the middle: one sentence, and nothing is lost."""

import socket
import subprocess
import sys
import threading

import pytest

from avsearch import patience
from avsearch.errors import EngineError, UsageError
from avsearch.library import move_back, move_to_milvus, open_library, verify
from avsearch.library.copies import engine_of, held_by_engine
from avsearch.library.lock import write_lock
from avsearch.moments import Silent
from avsearch.vectors.milvus import link, moving, server
from avsearch.vectors.milvus.address import check_uri
from tests.milvus.asked import agree, ids_of, rows_there

pytestmark = pytest.mark.milvus


@pytest.fixture(autouse=True)
def little_waiting(monkeypatch):
    monkeypatch.setattr(server, "WAITS_S", (0.1, 1.0))


def move(library, uri):
    return move_to_milvus(library, uri, progress=Silent())


@pytest.fixture
def nobody():
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def silent():
    """An address where somebody listens who never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def web_server():
    """An address where a server speaks of other things."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "uri", ["http://h:19530", "https://h", "http://10.0.0.7:19530/films", "http://[::1]:19530/"]
)
def test_addresses_of_servers_are_taken(uri):
    assert check_uri(uri) == uri.rstrip("/")


@pytest.mark.parametrize(
    "uri",
    ["", "h:19530", "milvus.db", "http://h/films.db", "http://", "tcp:", "http://h:port", "http://h:99999",
     "http://h:0", "unix:/x", "http://h/a/b", "http://h#a", "file:///a.db", "http://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_wrong_usage(uri):
    with pytest.raises(UsageError, match="is not the address of a Milvus server"):
        check_uri(uri)


@pytest.mark.parametrize("uri", ["http://root:Milvus@h:19530", "http://root@h", "http://h?token=x"])
def test_an_address_must_not_hold_credentials(uri):
    with pytest.raises(UsageError, match="must not hold credentials") as raised:
        check_uri(uri)
    assert "MILVUS_TOKEN" in raised.value.hint
    assert "Milvus@" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["nobody", "silent", "web_server"])
def test_where_no_milvus_answers_that_is_said_and_nothing_changes(filled, who, request, monkeypatch):
    monkeypatch.setattr(server, "_CONNECT_S", 1.0)
    uri = request.getfixturevalue(who)
    with pytest.raises(EngineError, match=rf"{uri}: Milvus does not answer \(") as raised:
        move(filled, uri)
    assert "\n" not in str(raised.value)
    assert engine_of(filled) is None
    assert verify(filled) == []
    agree(filled, sides=0)


@pytest.mark.slow
def test_the_token_comes_from_the_environment_and_is_written_nowhere(filled, own_milvus, monkeypatch):
    own_milvus.kill()
    own_milvus.start(token="root:secret7")
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    for wrong in ("", "root:Milvus"):
        monkeypatch.setenv("MILVUS_TOKEN", wrong)
        with pytest.raises(EngineError, match="Milvus refuses the credentials") as raised:
            move(filled, own_milvus.uri)
        assert "MILVUS_TOKEN" in raised.value.hint
    assert engine_of(filled) is None
    monkeypatch.setenv("MILVUS_TOKEN", "root:secret7")
    move(filled, own_milvus.uri)
    agree(filled)
    assert all(b"secret7" not in path.read_bytes() for path in filled.directory.rglob("*") if path.is_file())
    monkeypatch.setenv("MILVUS_TOKEN", "root:other")
    agree(filled)
    (problem,) = map(str, verify(filled))
    assert "refuses the credentials" in problem


def test_a_server_that_is_too_old_is_named(filled, own_milvus):
    own_milvus.kill()
    own_milvus.start(version="v2.2.14")
    with pytest.raises(EngineError, match=r"Milvus v2\.2\.14 answers there, which is too old") as raised:
        move(filled, own_milvus.uri)
    assert "2.4 or newer" in raised.value.hint
    assert engine_of(filled) is None


@pytest.mark.slow
def test_a_server_that_is_down_costs_a_line_and_no_hits(filled, own_milvus, caplog):
    move(filled, own_milvus.uri)
    agree(filled)
    own_milvus.kill()
    agree(filled)
    assert "Milvus does not answer" in caplog.text
    assert "Search is exact." in caplog.text
    (problem,) = map(str, verify(filled))
    assert f"{own_milvus.uri}: Milvus does not answer" in problem
    with pytest.raises(EngineError, match="does not answer") as raised:
        move_back(filled)
    assert str(filled.directory / "milvus") in raised.value.hint
    assert engine_of(filled) is not None
    own_milvus.start()
    caplog.clear()
    agree(filled)
    assert caplog.text == ""
    assert verify(filled) == []


@pytest.mark.slow
def test_a_server_that_dies_in_a_query_costs_a_line_and_no_hits(filled, own_milvus, caplog, monkeypatch):
    monkeypatch.setattr(link, "PAUSE_S", 1e6)
    move(filled, own_milvus.uri)
    own_milvus.kill()
    own_milvus.start(die_in="Search", die_at=3)
    agree(filled)
    assert own_milvus.has_died
    assert [it.message for it in caplog.records if "Milvus does not answer" in it.message] != []
    assert caplog.text.count("Search is exact.") == 1


SLOW = [pytest.param(call, marks=pytest.mark.slow) for call in ("Flush", "CreateCollection", "Query")]


@pytest.mark.slow
@pytest.mark.parametrize("call", ["Upsert", *SLOW])
def test_a_server_that_dies_while_it_is_filled_is_filled_to_the_end_by_the_same_command(
    filled, own_milvus, call, monkeypatch
):
    monkeypatch.setattr(moving, "_BATCH_ROWS", 100)
    monkeypatch.setattr(moving, "CHECKPOINT_S", 0.0)
    own_milvus.kill()
    own_milvus.start(die_in=call, die_at=4 if call != "CreateCollection" else 2)
    with pytest.raises(EngineError, match="does not answer"):
        move(filled, own_milvus.uri)
    assert own_milvus.has_died
    agree(filled, sides=len(held_by_engine(filled)))
    assert engine_of(filled).uri == own_milvus.uri
    own_milvus.kill()
    own_milvus.start()
    known = held_by_engine(filled)
    before = sum(it.num_held for it in known.values())
    done = move_to_milvus(filled, None, progress=Silent())
    assert sum(it.num_written for it in done.values()) == 2000 - before
    assert before > 0 or call in {"CreateCollection", "Query"}
    agree(filled)
    assert verify(filled) == []
    for modality, it in held_by_engine(filled).items():
        assert rows_there(own_milvus, it.collection) == ids_of(filled, modality)


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 2, 5, 6, 9, 10])
def test_a_run_that_is_killed_after_any_batch_leaves_nothing_that_lies(filled, milvus, at, monkeypatch):
    """The search in between counts each moment once, and the next run ends with each of them there once."""
    real, calls = server.Server.upsert, []

    def upsert(self, name, rows):
        real(self, name, rows)
        calls.append(name)
        if len(calls) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(moving, "_BATCH_ROWS", 200)
    monkeypatch.setattr(moving, "CHECKPOINT_S", 0.0 if at % 2 else 100.0)
    monkeypatch.setattr(server.Server, "upsert", upsert)
    try:
        move(filled, milvus.uri)
    except KeyboardInterrupt:
        assert len(calls) == at
    agree(filled, sides=len(held_by_engine(filled)))
    move(filled, milvus.uri)
    agree(filled)
    assert verify(filled) == []
    move_back(filled)


def test_a_call_that_fails_for_a_moment_is_made_again(filled, milvus, monkeypatch):
    waits = []
    monkeypatch.setattr(server, "WAITS_S", (0.25, 0.5))
    monkeypatch.setattr(patience.time, "sleep", waits.append)
    opened = server.connect(milvus.uri)
    real, failing = opened._client.has_collection, iter([True, True, False])

    def sometimes(*given, **wishes):
        if next(failing):
            raise LostError
        return real(*given, **wishes)

    monkeypatch.setattr(opened._client, "has_collection", sometimes)
    assert opened.has("nothing") is False
    assert waits == [0.25, 0.5]


class LostError(Exception):
    code = 2


def test_two_runs_at_once_are_refused(moved):
    with write_lock(moved.directory / "milvus"), pytest.raises(Exception, match="another avsearch writes"):
        move_to_milvus(moved, None, progress=Silent())


def test_another_address_is_refused_while_the_library_is_at_one(moved):
    with pytest.raises(UsageError, match="is in Milvus at http") as raised:
        move(moved, "http://127.0.0.1:1")
    assert "--local" in raised.value.hint
    agree(moved)


def test_a_library_that_is_in_no_milvus_cannot_come_back_or_go_on(filled):
    before = sorted(filled.directory.iterdir())
    with pytest.raises(UsageError, match="is in no Milvus"):
        move_back(filled)
    assert sorted(filled.directory.iterdir()) == before
    with pytest.raises(UsageError, match="is in no Milvus"):
        move(filled, None)


def test_without_pymilvus_a_query_says_so_and_is_exact(moved, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pymilvus", None)
        agree(moved)
    assert (
        "Milvus needs pymilvus, which is not installed. Search is exact. "
        "Run `python -m pip install 'avsearch[milvus]'`" in caplog.text
    )


def test_nothing_of_milvus_is_loaded_for_a_library_that_is_not_there(filled):
    code = """
import sys
from pathlib import Path
from avsearch.library import open_library, open_nearby
from avsearch.moments import Modality
library = open_library(Path(sys.argv[1]))
open_nearby(library, library.view(*Modality), *Modality)
assert not {"pymilvus", "grpc", "milvus_lite"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, str(filled.directory)], check=True)
    assert open_library(filled.directory).layout.milvus.exists() is False
