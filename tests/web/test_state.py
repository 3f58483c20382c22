"""A library that changes, goes and comes back under a running server."""

import shutil
import sqlite3
import threading
import time

import pytest

from avsearch.errors import LibraryError
from avsearch.library import compact, create_library, open_library, remove
from avsearch.library.optimize import optimize
from avsearch.moments import Silent
from avsearch.vectors.ann import choosing, kinds
from avsearch.vectors.ann.approximate import Approximate
from avsearch.vectors.ann.choosing import Wanted
from indexer.build import index
from indexer.index_job import IndexJob
from tests.media.clips import tones, write_wav
from tests.tiny import make_film, tiny_weights
from tests.vectors.ann.large import grow
from tests.web.serving import TOKEN, await_ready, running, until

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def names(server, **options):
    """The names of all hits for the first picture there is."""
    term = {"moment_id": f"{first_picture(server)}:image:0"}
    return {hit["name"] for hit in server.search("image", term, k=100, duplicates=True, **options)["hits"]}


def first_picture(server):
    for media_id in range(1, 60):
        if server.get(f"/v1/media/{media_id}").json().get("kind") == "picture":
            return media_id
    raise LookupError


@pytest.mark.slow
def test_what_is_indexed_meanwhile_is_found_without_a_restart(own_library, own_footage, tmp_path):
    with running(own_library, tmp_path / "cache") as server:
        before = server.get("/v1/library").json()
        assert "new.mp4" not in names(server)
        make_film(own_footage / "new.mp4", seed=77, seconds=2)
        index(IndexJob([own_footage], own_library), lambda _event: None)
        until(lambda: server.get("/v1/library").json()["generation"] != before["generation"])
        assert "new.mp4" in names(server)
        assert server.get("/v1/library").json()["media"]["video"] == before["media"]["video"] + 1


@pytest.mark.slow
def test_an_index_is_taken_up_without_a_restart_and_left_out_when_asked(own_library, tmp_path, monkeypatch):
    monkeypatch.setattr(kinds, "SMALLEST_ROWS", 500)
    monkeypatch.setattr(choosing, "WORTH", 0.0)
    media_id = grow(own_library)
    asked = []
    real = Approximate.nearest
    monkeypatch.setattr(Approximate, "nearest", lambda *given, **wishes: asked.append(1) or real(*given, **wishes))
    with running(own_library, tmp_path / "cache") as server:
        before = server.get("/v1/library").json()["generation"]

        def hits(**wishes):
            term = {"moment_id": f"{media_id}:audio:7000000"}
            return server.search("audio", term, k=3, duplicates=True, **wishes)["hits"]

        truth = hits()
        optimize(open_library(own_library), Wanted(0.9), progress=Silent())
        asked.clear()  # it has measured the index
        until(lambda: hits()[0] == truth[0] and asked)
        assert server.get("/v1/library").json()["generation"] != before
        asked.clear()
        assert hits(exact=True) == truth
        assert asked == []


def test_labels_alone_change_no_generation_and_are_told(own_library, own_footage, tmp_path):
    with running(own_library, tmp_path / "cache") as server:
        generation = server.get("/v1/library").json()["generation"]
        assert server.get("/v1/labels").json() == {"labels": []}
        manifest = tmp_path / "labels.csv"
        manifest.write_text(f"path,labels,split\n{own_footage / 'one.mp4'},flute;brass,train\n")
        index(IndexJob([own_footage], own_library, manifest=manifest), lambda _event: None)
        wanted = [{"label": "brass", "media": 1}, {"label": "flute", "media": 1}]
        until(lambda: server.get("/v1/labels").json()["labels"] == wanted)
        assert server.get("/v1/library").json()["generation"] == generation


def test_what_is_removed_meanwhile_is_not_found_from_the_next_search_on(own_library, own_footage, tmp_path):
    with running(own_library, tmp_path / "cache") as server:
        assert "one.mp4" in names(server)
        remove(open_library(own_library), [str(own_footage / "one.mp4")])
        assert "one.mp4" not in names(server)
        compact(open_library(own_library), Silent())
        await_ready(server)
        assert "two.mp4" in names(server)


def test_a_library_that_is_removed_is_missed_and_found_again(own_library, tmp_path):
    with running(own_library, tmp_path / "cache") as server:
        own_library.rename(tmp_path / "elsewhere")
        answer = server.get("/v1/library")
        assert answer.status_code == 503
        assert "library" in answer.json()["error"]["message"]
        await_ready(server, ready=False)
        for path in ("/v1/labels", "/v1/media/1", "/v1/media/1/file"):
            assert server.get(path).status_code == 503
        asked = {"find": "audio", "terms": [{"moment_id": "1:image:0"}]}
        assert server.post("/v1/search", json=asked).status_code == 503
        assert server.get("/health/live").status_code == 200
        assert server.get("/").status_code in {200, 404}  # the page is there to say so
        assert not own_library.exists()  # nothing was made in its place
        (tmp_path / "elsewhere").rename(own_library)
        await_ready(server)
        assert "one.mp4" in names(server)


@pytest.mark.slow
def test_a_catalog_that_goes_leaves_no_empty_one_behind(own_library, tmp_path):
    catalog = own_library / "catalog.sqlite3"
    with running(own_library, tmp_path / "cache") as server:
        catalog.rename(tmp_path / "kept")
        assert server.get("/v1/library").status_code == 503
        await_ready(server, ready=False)
        until(lambda: "database is missing" in server.get("/v1/library").json()["error"]["message"])
        assert not catalog.exists()
        (tmp_path / "kept").rename(catalog)
        await_ready(server)


@pytest.mark.slow
def test_a_damaged_segment_is_noticed_and_its_repair_too(own_library, tmp_path):
    segment = max((own_library / "segments").iterdir(), key=lambda it: it.stat().st_size)
    content = segment.read_bytes()
    with running(own_library, tmp_path / "cache") as server:
        segment.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        await_ready(server, ready=False)
        answer = server.post("/v1/search", json={"find": "image", "terms": [{"moment_id": "1:image:0"}]})
        assert answer.status_code == 503
        assert "damaged" in answer.json()["error"]["message"]
        assert "verify" in answer.json()["error"]["hint"]
        segment.write_bytes(content)
        await_ready(server)


@pytest.mark.slow
def test_a_library_that_a_newer_avsearch_upgraded_is_named(own_library, tmp_path):
    with running(own_library, tmp_path / "cache") as server:
        with sqlite3.connect(own_library / "catalog.sqlite3") as connection:
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        await_ready(server, ready=False)
        answer = server.get("/v1/library").json()["error"]
        assert ("9999" in answer["message"], answer["hint"]) == (True, "Upgrade avsearch.")
        with sqlite3.connect(own_library / "catalog.sqlite3") as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.close()
        await_ready(server)


@pytest.mark.slow
def test_another_encoder_is_taken_up(own_library, own_footage, tmp_path):
    other = tiny_weights(tmp_path / "other.safetensors", seed=3)
    with running(own_library, tmp_path / "cache") as server:
        before = server.get("/v1/library").json()
        shutil.rmtree(own_library)
        index(IndexJob([own_footage], own_library, model=other), lambda _event: None)
        until(lambda: server.get("/v1/library").json().get("library_id") not in {None, before["library_id"]})
        until(lambda: server.get("/v1/library").json().get("generation") not in {None, before["generation"]})
        upload = {"upload_id": server.upload(own_footage / "one.mp4"), "by": "image"}
        until(lambda: server.post("/v1/search", json={"find": "image", "terms": [upload]}).status_code == 200)
        after = server.get("/v1/library").json()
        assert after["encoder"]["fingerprint"] != before["encoder"]["fingerprint"]
        assert server.search("image", upload)["hits"][0]["name"] == "one.mp4"


def test_a_root_that_is_not_there_is_told_and_one_that_never_answers_holds_nobody_up(
    own_library, own_footage, tmp_path, monkeypatch
):
    from avsearch.web import overview

    waiting = threading.Event()
    with running(own_library, tmp_path / "cache") as server:
        (root,) = server.get("/v1/library").json()["roots"]
        assert (root["path"], root["reachable"]) == (str(own_footage), True)
        own_footage.rename(tmp_path / "elsewhere")
        assert server.get("/v1/library").json()["roots"][0]["reachable"] is False
        (tmp_path / "elsewhere").rename(own_footage)
        monkeypatch.setattr(overview, "_look", lambda _folder, found: waiting.wait() and found.set_result(True))
        began = time.monotonic()
        assert server.get("/v1/library").json()["roots"][0]["reachable"] is False
        assert time.monotonic() - began < 30
        waiting.set()
        until(lambda: server.get("/v1/library").json()["roots"][0]["reachable"] is True)


def test_before_anything_is_indexed_the_page_works_and_a_query_says_what_to_do(tmp_path):
    create_library(tmp_path / "library")
    with running(tmp_path / "library", tmp_path / "cache") as server:
        told = server.get("/v1/library").json()
        assert (told["encoder"], told["roots"], told["moments"]) == (None, [], {"image": 0, "audio": 0})
        answer = server.post("/v1/search", json={"find": "audio", "terms": [{"moment_id": "1:image:0"}]})
        assert answer.status_code == 409
        assert "avsearch index" in answer.json()["error"]["hint"]


def test_there_must_be_a_library(tmp_path):
    with pytest.raises(LibraryError, match="no library here"), running(tmp_path / "nowhere", tmp_path / "cache"):
        pass


def test_removal_over_http_takes_all_files_of_a_media_out(own_library, own_footage, tmp_path):
    shutil.copy(own_footage / "one.mp4", own_footage / "again.mp4")
    index(IndexJob([own_footage], own_library), lambda _event: None)
    with running(own_library, tmp_path / "cache", token=TOKEN) as server:
        media_id = next(
            hit["media_id"]
            for hit in server.search("image", {"moment_id": f"{first_picture(server)}:image:0"}, duplicates=True)[
                "hits"
            ]
            if hit["name"] in {"one.mp4", "again.mp4"}
        )
        answer = server.client.delete(f"/v1/media/{media_id}", headers=BEARER)
        assert (answer.status_code, answer.json()) == (200, {"files": 2, "media": 1})
        assert (own_footage / "one.mp4").exists()
        assert server.client.delete(f"/v1/media/{media_id}", headers=BEARER).status_code == 404
        assert server.get(f"/v1/media/{media_id}/file").status_code == 404
        assert not {"one.mp4", "again.mp4"} & names(server)


def test_while_another_writes_removal_and_indexing_say_so(own_library, tmp_path):
    with running(own_library, tmp_path / "cache", token=TOKEN) as server:
        media_id = first_picture(server)
        with open_library(own_library).writer():
            removal = server.client.delete(f"/v1/media/{media_id}", headers=BEARER)
            indexing = server.post("/v1/index", json={}, headers=BEARER)
        assert (removal.status_code, indexing.status_code) == (409, 409)
        assert "another avsearch writes" in removal.json()["error"]["message"]
        assert "another avsearch writes" in indexing.json()["error"]["message"]


def test_indexing_over_http_reads_what_is_new_and_tells_how_far_it_is(own_library, own_footage, tmp_path):
    with running(own_library, tmp_path / "cache", token=TOKEN) as server:
        assert server.get("/v1/index").json() is None
        (root,) = server.get("/v1/library").json()["roots"]
        assert root["files"]["failed"] == 1
        assert [it["path"] for it in root["failures"]] == [str(own_footage / "broken.mp4")]
        write_wav(own_footage / "fresh.wav", tones(3))
        write_wav(own_footage / "broken.mp4", tones(2))  # a sound under a film's name, but it can be read
        answer = server.post("/v1/index", json={"root_id": root["id"], "retry_failed": True}, headers=BEARER)
        assert answer.status_code == 202
        assert answer.json()["running"] in {True, False}
        until(lambda: server.get("/v1/index").json()["running"] is False)
        told = server.get("/v1/index").json()
        assert (told["files"], told["done"], told["failed"]) == (2, 2, 0)
        assert "2 files indexed" in told["message"]
        until(
            lambda: server.get("/v1/library").json()["roots"][0]["files"]["indexed"] == root["files"]["indexed"] + 2
        )
        assert server.get("/v1/library").json()["indexing"] == told
