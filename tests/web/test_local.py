"""The socket in the library, and the command line's question over it."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from avsearch.cli.ask_server import ask_server
from avsearch.errors import MediaError, UsageError
from avsearch.library import open_library
from avsearch.moments import SECOND_US, Box, Modality, Moment
from avsearch.query import Query, Source, Term, ask
from avsearch.web.exchange import SOCKET_NAME, query_bytes, read_query
from tests.media.clips import tones, write_wav
from tests.web.serving import read_all, running


@pytest.fixture
def library(made_library, tmp_path):
    """A copy, in which the socket lies."""
    return shutil.copytree(made_library, tmp_path / "library", ignore=shutil.ignore_patterns("*.sock"))


@pytest.fixture
def query(footage, media_ids):
    """One with terms of all kinds."""
    terms = (
        Term(Source(footage / "one.mp4", SECOND_US, 2 * SECOND_US), by=Modality.AUDIO),
        Term(Source(footage / "still.png", crop=Box(0, 0, 0.5, 1.0)), -0.5),
        Term(Moment(media_ids["still.png"], Modality.IMAGE, 0), 2.0),
    )
    return Query(Modality.IMAGE, terms, k=5, where="kind=video or kind=picture", per_media=2, duplicates=True)


def test_a_server_finds_what_the_command_would_find_itself(library, tmp_path, query):
    with running(library, tmp_path / "cache"):
        found = ask_server(library, query)
    here = ask(open_library(library), query, device="cpu")
    assert found is not None
    assert [replace(hit, score=0.0) for hit in found.hits] == [replace(hit, score=0.0) for hit in here.hits]
    assert [hit.score for hit in found.hits] == pytest.approx([hit.score for hit in here.hits], abs=1e-5)
    assert found.num_duplicates == here.num_duplicates
    assert set(here.timings) == set(found.timings)


def test_without_a_server_there_is_no_answer_and_no_waiting(library, tmp_path, query):
    began = time.monotonic()
    assert ask_server(library, query) is None
    assert ask_server(tmp_path / "nowhere", query) is None
    assert time.monotonic() - began < 0.5


def test_a_server_of_another_library_at_that_place_is_not_believed(library, tmp_path, query):
    with running(library, tmp_path / "cache"):
        config = library / "library.json"
        config.write_text(config.read_text().replace('"library_id": "', '"library_id": "0'))
        assert ask_server(library, query) is None


def test_errors_of_the_query_are_raised_as_without_a_server(library, footage, tmp_path):
    absent = Query(Modality.AUDIO, (Term(Source(footage / "nowhere.mp4")),))
    unclear = Query(Modality.AUDIO, (Term(Source(footage / "still.png")),), where="label==")
    with running(library, tmp_path / "cache"):
        for query, kind in ((absent, MediaError), (unclear, UsageError)):
            with pytest.raises(kind) as with_server:
                ask_server(library, query)
            with pytest.raises(kind) as without:
                ask(open_library(library), query, device="cpu")
            assert (with_server.value.message, with_server.value.hint) == (
                without.value.message,
                without.value.hint,
            )


def test_a_busy_server_is_no_obstacle(library, tmp_path, query):
    with running(library, tmp_path / "cache", num_threads=1, num_waiting=-1):
        assert ask_server(library, query) is None


def test_the_socket_is_for_its_owner_alone_and_goes_with_the_server(library, tmp_path):
    path = library / SOCKET_NAME
    with running(library, tmp_path / "cache"):
        status = path.lstat()
        assert stat.S_ISSOCK(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600
    assert not path.exists()


def test_files_are_named_by_paths_over_the_socket_only(library, tmp_path, query):
    library_id = open_library(library).layout.config.library_id
    body = query_bytes(library_id, query)
    with running(library, tmp_path / "cache") as server:
        answer = server.post("/local/search", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 404


def test_the_socket_of_a_killed_server_is_replaced(library, tmp_path, query):
    code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()"
    subprocess.run([sys.executable, "-c", code, library / SOCKET_NAME], check=True)
    assert (library / SOCKET_NAME).exists()
    assert ask_server(library, query) is None
    with running(library, tmp_path / "cache"):
        assert ask_server(library, query) is not None


def test_of_two_servers_the_first_keeps_the_socket(library, tmp_path, capsys, query):
    with running(library, tmp_path / "cache"):
        with running(library, tmp_path / "cache2") as second:
            assert second.get("/v1/library").status_code == 200
        assert ask_server(library, query) is not None
    assert "another server has it" in capsys.readouterr().err


def test_what_is_no_socket_is_left_alone(library, tmp_path):
    (library / SOCKET_NAME).write_text("mine")
    with running(library, tmp_path / "cache") as server:
        assert server.get("/v1/library").status_code == 200
    assert (library / SOCKET_NAME).read_text() == "mine"


def test_a_path_that_is_too_long_for_a_socket_is_no_obstacle(library, tmp_path, query):
    deep = tmp_path / ("long" * 30) / ("longer" * 20) / "library"
    deep.parent.mkdir(parents=True)
    shutil.copytree(library, deep)
    with running(deep, tmp_path / "cache"):
        assert (deep / SOCKET_NAME).exists()
        assert ask_server(deep, query) is not None
    assert not (deep / SOCKET_NAME).exists()


def test_what_was_indexed_a_moment_ago_is_found_at_once(own_library, own_footage, tmp_path):
    from indexer.build import index
    from indexer.index_job import IndexJob

    with running(own_library, tmp_path / "cache"):
        write_wav(own_footage / "fresh.wav", tones(1.2)[::-1].copy())
        index(IndexJob([own_footage], own_library), lambda _event: None)
        query = Query(Modality.AUDIO, (Term(Source(own_footage / "fresh.wav")),), k=1, duplicates=True)
        assert ask_server(own_library, query).hits[0].path.name == "fresh.wav"


def test_names_that_are_no_utf8_arrive_as_they_are(own_library, own_footage, tmp_path):
    strange = os.fsdecode(os.fsencode(own_footage) + b"/\xff\xfe.wav")
    (own_footage / "tones.wav").rename(strange)
    query = Query(Modality.AUDIO, (Term(Source(own_footage / strange)),), k=3)
    assert read_query(__import__("json").loads(query_bytes("id", query))["query"]) == query
    with running(own_library, tmp_path / "cache"):
        assert ask_server(own_library, query) is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"\xff", b'{"protocol": 999, "library_id": "x", "query": {}}',
     b'{"protocol": 1, "library_id": "x", "query": {"find": "smell"}}'],
)  # fmt: skip
def test_nonsense_over_the_socket_is_refused(library, tmp_path, body):
    with running(library, tmp_path / "cache"), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(library / SOCKET_NAME))
        head = f"POST /local/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
        assert read_all(connection).split(b" ")[1] in {b"400", b"409"}


def test_asking_a_server_imports_nothing_heavy():
    """What `avsearch query` needs before it knows whether a server answers."""
    heavy = {"torch", "faiss", "numpy", "sqlalchemy", "fastapi", "asyncio"}
    code = f"import avsearch.cli.ask_server, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
