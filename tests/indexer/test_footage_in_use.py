"""A library of footage in a store: asked, served, watched; its files taken out, its bucket moved."""

import json
import threading
from pathlib import Path

import pytest

from avsearch.library import open_library, relink, remove
from indexer import watch as watch_module
from indexer.watch import watch
from tests.cli.command import here, objects
from tests.indexer.known import NOBODY
from tests.indexer.stores import Bucket, copies, run
from tests.indexer.test_footage_in_a_store import bucket, cache, disk, filled, indexed, library, states
from tests.object_store import Fault
from tests.web.serving import running

__all__ = ["bucket", "cache", "disk", "filled", "indexed", "library"]


def media_of(library, name):
    catalog = open_library(library).catalog
    (root,) = catalog.roots()
    return {key.decode(): state.media_id for key, state in catalog.files_of(root.id).items()}[name]


def test_hits_are_named_by_their_urls_and_a_url_asks_as_its_file_does(indexed, filled, disk, cache):
    known = {f"{filled.url}/{key}" for key in states(indexed)}
    words = ["--find", "image", "--by", "image", "--library", indexed, "--json", "-k", 50]
    code, printed, told = here("query", disk / "footage" / "one.mp4", *words)
    assert code == 0, told
    of_file = objects(printed)
    assert {hit["path"] for hit in of_file} <= known
    code, printed, told = here("query", f"{filled.url}/one.mp4", *words)
    assert code == 0, told
    assert objects(printed) == of_file
    assert len(copies(cache)) == 1
    code, printed, _ = here("query", f"{filled.url}/one.mp4@0.5", *words, "--exclude-self")
    assert code == 0
    assert f"{filled.url}/one.mp4" not in {hit["path"] for hit in objects(printed)}
    assert filled.fetched() == ["one.mp4"]
    code, _, told = here("query", f"{filled.url}/nothing.mp4", *words)
    assert code == 1
    assert f"{filled.url}/nothing.mp4: there is no such file." in " ".join(told.split())


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("path={url}/deep", {"two.mov", "sound.wav"}),
        ("path=**/one.mp4", {"one.mp4"}),
        ("path={url}/**/*.wav", {"sound.wav", "silence.wav"}),
        ("root={url}", {"one.mp4", "two.mov", "long.mp4", "sound.wav", "silence.wav", "still.png"}),
    ],
)
def test_a_filter_takes_urls(where, names, indexed, filled):
    library = open_library(indexed)
    found = library.catalog.select_where(where.format(url=filled.url)).tolist()
    assert {record.paths[0].name for record in library.catalog.media_records(found).values()} == names


def test_a_manifest_names_objects_by_their_urls(indexed, filled, tmp_path):
    rows = [f"{filled.url}/deep/sound.wav,flute,test", f"{filled.url}/one.mp4,drum;bell,test"]
    (tmp_path / "clips.csv").write_text("\n".join(["path,labels,split", *rows]) + "\n")
    run(filled, indexed, manifest=tmp_path / "clips.csv")
    catalog = open_library(indexed).catalog
    assert catalog.label_counts() == {"bell": 1, "drum": 1, "flute": 1}
    assert catalog.select_where("label=flute").tolist() == [media_of(indexed, "deep/sound.wav")]


def test_the_status_names_roots_that_lie_in_stores(indexed, filled):
    code, printed, _ = here("library", "status", "--library", indexed)
    assert code == 0
    assert f"1, in stores: {filled.url}" in printed.replace("\n", "")


def test_training_says_that_it_reads_files_of_this_machine_only(filled, tmp_path):
    code, _, told = here("train", filled.url, "--out", tmp_path / "run")
    assert code == 1
    assert f"{filled.url}: lies in a store, from where footage is only indexed." in " ".join(told.split())


def test_the_pictures_of_a_page_of_hits_are_fetched(indexed, filled, disk, tmp_path):
    page = tmp_path / "hits.html"
    words = ["--find", "image", "--library", indexed, "--html", page, "-k", 1, "--json"]
    code, printed, told = here("query", disk / "footage" / "still.png", *words)
    assert code == 0, told
    assert len(objects(printed)) == 1
    assert "data:image/jpeg" in page.read_text()
    assert len(filled.fetched()) == 1


@pytest.mark.slow
def test_a_server_gives_what_it_fetches_when_it_is_asked_for(indexed, filled, disk, tmp_path, cache):
    media_id, data = media_of(indexed, "deep/sound.wav"), (disk / "footage" / "deep" / "sound.wav").read_bytes()
    with running(indexed, tmp_path / "served") as server:
        assert filled.fetched() == []
        answer = server.get(f"/v1/media/{media_id}/file", headers={"Range": "bytes=100-199"})
        assert (answer.status_code, answer.content) == (206, data[100:200])
        assert "sound.wav" in server.get(f"/v1/media/{media_id}/file").headers["content-disposition"]
        assert server.get(f"/v1/media/{media_id}/waveform").status_code == 200
        assert filled.fetched() == ["deep/sound.wav"]
        assert server.get(f"/v1/media/{media_id}").json()["paths"] == [f"{filled.url}/deep/sound.wav"]
        moment = f"{media_of(indexed, 'one.mp4')}:image:0"
        assert server.get(f"/v1/moments/{moment}/thumbnail").content[:2] == b"\xff\xd8"
        (root,) = server.get("/v1/library").json()["roots"]
        assert (root["path"], root["reachable"]) == (filled.url, True)
        assert len(copies(cache)) == 2
        filled.store.fault = lambda _request: Fault(403, "AccessDenied")
        other = media_of(indexed, "silence.wav")
        refused = server.get(f"/v1/media/{other}/file")
        assert refused.status_code == 503
        assert "refuses" in refused.text
        filled.store.fault = lambda _request: None
        filled.put("silence.wav", data)
        assert server.get(f"/v1/media/{other}/file").status_code == 404


def test_files_are_taken_out_by_url_and_by_pattern(indexed, filled):
    removed = remove(open_library(indexed), [f"{filled.url}/**/*.wav", f"{filled.url}/one.mp4"])
    assert removed.num_files == 3
    gone = {key for key, state in states(indexed).items() if state == "removed"}
    assert gone == {"deep/sound.wav", "silence.wav", "one.mp4"}
    assert run(filled, indexed).num_removed == 3
    code, printed, _ = here("library", "remove", f"{filled.url}/still.png", "--library", indexed, "--json")
    assert (code, json.loads(printed)["files"]) == (0, 1)


def test_a_moved_bucket_is_followed_without_reading_anything(indexed, filled, disk, object_store):
    moved = Bucket(object_store)
    with pytest.raises(Exception, match=r"none of the 6 files of s3://.* is there with the same size"):
        relink(open_library(indexed), Path(filled.url), Path(moved.url))
    moved.fill(disk / "footage")
    object_store.requests.clear()
    code, printed, told = here("library", "relink", filled.url, moved.url, "--library", indexed, "--json")
    assert code == 0, told
    assert json.loads(printed)["root"] == moved.url
    assert json.loads(printed)["there"] == 6
    assert run(moved, indexed).num_unchanged == 6
    assert moved.fetched() == []


def test_footage_moves_from_a_disk_into_a_bucket_and_keeps_its_media(disk, filled, library):
    from indexer.build import index
    from indexer.index_job import IndexJob

    index(IndexJob([disk / "footage"], library, model=disk / "encoder.safetensors"), NOBODY)
    before = open_library(library).catalog.live_media_ids().tolist()
    assert relink(open_library(library), disk / "footage", Path(filled.url)).num_there == 6
    assert run(filled, library).failures == ()
    assert open_library(library).catalog.live_media_ids().tolist() == before


def test_a_watch_looks_at_a_store_now_and_then(indexed, filled, disk, monkeypatch):
    from indexer.index_job import IndexJob

    for name in ("TICK_S", "SETTLE_S"):
        monkeypatch.setattr(watch_module, name, 0.05)
    monkeypatch.setattr(watch_module, "LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(watch_module, "LOOKS_PART", 1)
    stop, rounds = threading.Event(), []

    def on_round(result):
        rounds.append(result)
        if len(rounds) == 1:
            filled.put("late.mp4", (disk / "footage" / "one.mp4").read_bytes())
        else:
            stop.set()

    timer = threading.Timer(120, stop.set)
    timer.start()
    watch(IndexJob([Path(filled.url)], indexed), NOBODY, stop, on_round=on_round)
    timer.cancel()
    assert [it.num_indexed for it in rounds] == [0, 1]
