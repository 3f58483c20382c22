"""Footage on S3, or in fsspec's memory: what is made of it is what is made of the same files in a folder."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from avsearch.catalog import State
from avsearch.library import open_library, verify
from avsearch.moments import Modality
from avsearch.remote import store as store_module
from indexer.build import index
from indexer.deep import verify_deep
from indexer.index_job import IndexJob
from indexer.reembed import ReembedJob, reembed
from indexer.repair import RepairJob, repair
from tests.indexer.known import NOBODY, by_file, lowest_cosine, make_footage, segments_of
from tests.indexer.stores import Bucket, Memory, copies, run
from tests.media.clips import tones, write_wav
from tests.tiny import tiny_weights


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """Footage, weights, and a library of both."""
    folder = tmp_path_factory.mktemp("footage")
    make_footage(folder / "footage")
    tiny_weights(folder / "encoder.safetensors")
    tiny_weights(folder / "other.safetensors", seed=1)
    index(IndexJob([folder / "footage"], folder / "local", model=folder / "encoder.safetensors"), NOBODY)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store_module, "WAITS_S", (0.01,))
    return tmp_path / "cache"


@pytest.fixture
def bucket(object_store, cache):
    """An empty place in S3."""
    return Bucket(object_store)


@pytest.fixture
def filled(bucket, disk):
    bucket.fill(disk / "footage")
    return bucket


@pytest.fixture
def library(tmp_path):
    return tmp_path / "library"


@pytest.fixture
def indexed(filled, library, disk):
    """A library of the place; its requests are forgotten."""
    result = run(filled, library, model=disk / "encoder.safetensors")
    assert (result.failures, result.num_missing, result.unmounted) == ((), 0, ())
    filled.store.requests.clear()
    return library


def states(library):
    """{key: state} of all files."""
    (root,) = open_library(library).catalog.roots()
    files = open_library(library).catalog.files_of(root.id)
    return {key.decode(): str(state.state) for key, state in files.items()}


def times(library):
    """{(name, modality): times}, of all moments."""
    found = {}
    for name, modality, start_us in by_file(library):
        found.setdefault((name, modality), []).append(start_us)
    return {key: sorted(some) for key, some in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["s3", "memory", "file"])
def test_a_library_of_a_store_holds_the_moments_and_vectors_of_a_folder_of_the_same_files(
    kind, disk, library, cache, request
):
    if kind == "file":
        url = (disk / "footage").as_uri()
    else:
        place = request.getfixturevalue("bucket") if kind == "s3" else Memory()
        place.fill(disk / "footage")
        url = place.url
    done = index(IndexJob([Path(url)], library, model=disk / "encoder.safetensors"), NOBODY)
    assert (done.num_indexed, done.failures) == (6, ())
    assert times(library) == times(disk / "local")
    assert lowest_cosine(by_file(library), by_file(disk / "local")) > 0.9999
    (root,) = open_library(library).catalog.roots()
    assert b"://" in stored_root(library)
    assert root.path == Path(url)
    assert verify(open_library(library)) == []
    assert copies(cache) == []


def stored_root(library):
    import sqlite3

    ((path,),) = sqlite3.connect(library / "catalog.sqlite3").execute("SELECT path FROM root").fetchall()
    return path


def test_nothing_is_fetched_a_second_time(indexed, filled):
    again = run(filled, indexed)
    assert (again.num_indexed, again.num_unchanged, again.failures) == (0, 6, ())
    assert filled.fetched() == []


def test_only_what_changed_came_or_went_is_dealt_with(indexed, filled, disk, tmp_path):
    write_wav(tmp_path / "new.wav", tones(1.5))
    data = (tmp_path / "new.wav").read_bytes()
    filled.put("deep/er/new.wav", data)
    filled.put("one.mp4", (disk / "footage" / "deep" / "two.mov").read_bytes())
    filled.remove("still.png")
    done = run(filled, indexed)
    assert (done.num_indexed, done.num_unchanged, done.num_missing, done.failures) == (2, 4, 1, ())
    assert set(filled.fetched()) == {"deep/er/new.wav", "one.mp4"}
    assert states(indexed)["still.png"] == State.MISSING
    filled.put("still.png", (disk / "footage" / "still.png").read_bytes())
    assert run(filled, indexed).num_indexed == 1
    assert set(states(indexed).values()) == {"indexed"}


def test_an_object_replaced_within_a_second_by_one_of_the_same_size_is_noticed(indexed, filled, disk):
    before = (disk / "footage" / "silence.wav").read_bytes()
    other = before[:44] + b"\x10\x01\x20\x30" * (len(before[44:]) // 4)
    assert len(other) == len(before)
    filled.put("silence.wav", other)
    assert run(filled, indexed).num_indexed == 1
    assert filled.fetched() == ["silence.wav"]
    assert any(name == "silence.wav" for name, *_ in by_file(indexed))


def test_what_moves_within_a_bucket_keeps_its_media(indexed, filled, disk):
    before = open_library(indexed).catalog.live_media_ids().tolist()
    filled.remove("one.mp4")
    filled.put("moved/one.mp4", (disk / "footage" / "one.mp4").read_bytes())
    assert run(filled, indexed).num_missing == 1
    assert open_library(indexed).catalog.live_media_ids().tolist() == before


def test_an_empty_place_and_a_store_that_refuses_mark_nothing_as_missing(indexed, filled):
    from tests.object_store import Fault

    filled.store.fault = lambda _request: Fault(403, "AccessDenied")
    refused = run(filled, indexed)
    (failure,) = refused.failures
    assert "refuses" in failure.reason
    filled.store.fault = lambda _request: None
    for key in states(indexed):
        filled.remove(key)
    empty = run(filled, indexed)
    assert (empty.num_missing, empty.unmounted) == (0, (Path(filled.url),))
    assert set(states(indexed).values()) == {"indexed"}


@pytest.mark.slow
def test_reembedding_and_a_deep_look_read_through_the_same_door(indexed, filled, disk, cache):
    checked = verify_deep(open_library(indexed), tell=NOBODY)
    assert (checked.problems, checked.away) == ((), ())
    assert checked.num_checked == len(by_file(indexed))
    done = reembed(ReembedJob(indexed, disk / "other.safetensors"), NOBODY)
    assert (done.is_switched, done.unreadable) == (True, ())
    assert times(indexed) == times(disk / "local")
    assert copies(cache) == []
    filled.remove("one.mp4")
    (away,) = verify_deep(open_library(indexed), tell=NOBODY, num_moments=10_000).away
    assert away.reason == "is not there; index its folder."


def test_a_repair_fetches_only_what_it_makes_again(indexed, filled, disk, cache):
    before = by_file(indexed)
    for path, record in segments_of(indexed):
        if record.modality is Modality.AUDIO:
            path.unlink()
    done = repair(RepairJob(indexed), NOBODY)
    heard = {name for name, modality, _ in before if modality is Modality.AUDIO}
    assert (done.num_media, done.still_lost, done.problems) == (len(heard), (), ())
    assert sorted(Path(key).name for key in filled.fetched()) == sorted(heard)
    assert lowest_cosine(by_file(indexed), before) > 0.9999
    assert verify(open_library(indexed)) == []
    assert copies(cache) == []


@pytest.mark.slow
@pytest.mark.postgres
def test_two_runs_at_once_over_one_place_share_its_files(filled, library, disk, cache, postgres_database):
    job = IndexJob([Path(filled.url)], library, model=disk / "encoder.safetensors", database_url=postgres_database)
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: index(job, NOBODY), range(2)))
    assert sum(run.num_indexed for run in runs) == 6
    assert [run.num_indexed + run.num_elsewhere + run.num_unchanged for run in runs] == [6, 6]
    assert [run.failures for run in runs] == [(), ()]
    assert times(library) == times(disk / "local")
    assert verify(open_library(library)) == []
    assert copies(cache) == []


@pytest.mark.slow
def test_a_place_around_a_known_one_takes_it_in(filled, library, disk, cache):
    inner = IndexJob([Path(f"{filled.url}/deep")], library, model=disk / "encoder.safetensors")
    assert index(inner, NOBODY).num_indexed == 2
    done = run(filled, library)
    assert (done.num_indexed, done.num_unchanged) == (4, 2)
    assert set(states(library)) == {
        key.removeprefix(f"{filled.prefix}/") for key in filled.store.objects(filled.prefix)
    }


def test_a_single_object_can_be_named(filled, library, disk):
    job = IndexJob([Path(f"{filled.url}/deep/sound.wav")], library, model=disk / "encoder.safetensors")
    assert index(job, NOBODY).num_indexed == 1
    assert {modality for _, modality, _ in by_file(library)} == {Modality.AUDIO}


def test_a_place_of_a_longer_name_is_another(filled, library, disk):
    filled.store.put(f"{filled.prefix}2/other.wav", b"no sound")
    run(filled, library, model=disk / "encoder.safetensors")
    assert len(states(library)) == 6
