"""The jobs on a library whose segments lie on S3; what they come to is what they come to on a disk."""

import re
from uuid import uuid4

import pytest

from avsearch.errors import LibraryError, StorageError
from avsearch.library import open_library, verify
from avsearch.remote import store as store_module
from indexer.build import index
from indexer.index_job import IndexJob
from indexer.repair import RepairJob, repair
from tests.cli.command import here
from tests.indexer.known import NOBODY, by_file, lowest_cosine, make_footage
from tests.object_store import Fault
from tests.tiny import tiny_weights
from tests.web.serving import running, until


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Footage, weights, and a library of both on the disk."""
    folder = tmp_path_factory.mktemp("footage")
    make_footage(folder / "footage")
    tiny_weights(folder / "encoder.safetensors")
    index(IndexJob([folder / "footage"], folder / "local", model=folder / "encoder.safetensors"), NOBODY)
    return folder


@pytest.fixture
def job(place, tmp_path, object_store, monkeypatch):
    """Index the same footage with vectors on S3."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store_module, "WAITS_S", (0.01,))
    return IndexJob(
        [place / "footage"],
        tmp_path / "library",
        model=place / "encoder.safetensors",
        segments_url=object_store.url(uuid4().hex),
    )


def flip(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def keys(store, job):
    """Names of the segments in the store."""
    prefix = job.segments_url.partition("footage/")[2]
    return sorted(key for key in store.objects(prefix) if key.endswith(".safetensors"))


def assert_same(library, place):
    """Both libraries have the same moments, and vectors of the same."""
    assert verify(open_library(library)) == []
    assert lowest_cosine(by_file(library), by_file(place / "local")) > 0.9999


@pytest.mark.slow
def test_a_run_finds_what_it_finds_on_a_disk_and_the_same_command_finds_nothing_new(job, place, object_store):
    assert index(job, NOBODY).num_indexed > 0
    assert len(keys(object_store, job)) == 2
    assert_same(job.library, place)
    again = index(job, NOBODY)
    assert (again.num_indexed, again.num_unchanged > 0) == (0, True)


@pytest.mark.slow
def test_repair_makes_again_what_was_damaged_or_lost_in_the_store(job, place, object_store):
    index(job, NOBODY)
    damaged, lost = keys(object_store, job)
    object_store.change(damaged, flip)
    object_store.change(lost, lambda _: None)
    assert len(verify(open_library(job.library))) == 2
    done = repair(RepairJob(job.library), NOBODY)
    assert (done.num_segments, done.problems, done.still_lost) == (2, (), ())
    assert not {damaged, lost} & set(keys(object_store, job))
    assert_same(job.library, place)


@pytest.mark.slow
def test_repair_drops_nothing_while_the_store_does_not_answer(job, place, object_store):
    index(job, NOBODY)
    there = keys(object_store, job)
    seen = []
    object_store.fault = lambda request: Fault(500, "InternalError") if len(seen) > 6 else seen.append(request)
    with pytest.raises(StorageError, match="does not answer"):
        repair(RepairJob(job.library), NOBODY)
    object_store.fault = lambda _request: None
    assert keys(object_store, job) == there
    assert_same(job.library, place)


@pytest.mark.slow
def test_a_store_that_goes_down_in_mid_run_ends_it_and_the_same_command_goes_on(job, place, object_store):
    object_store.fault = lambda request: (
        Fault(500, "InternalError") if re.match(r"PUT .*\.safetensors", request) else None
    )
    with pytest.raises(StorageError, match="does not answer"):
        index(job, NOBODY)
    assert verify(open_library(job.library)) == []
    object_store.fault = lambda _request: None
    index(job, NOBODY)
    assert_same(job.library, place)


def test_the_segments_of_a_library_that_is_there_stay_where_they_are(job, place, object_store):
    index(job, NOBODY)
    elsewhere = IndexJob(job.paths, job.library, segments_url=object_store.url("elsewhere"))
    with pytest.raises(LibraryError, match="has its segments elsewhere"):
        index(elsewhere, NOBODY)
    assert object_store.objects("elsewhere") == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://no-such-bucket/x", "s3://no-such-bucket/x: there is no such bucket or folder."),
        ("s3://key:secret@footage/x", "The address of a store must not hold credentials."),
        ("segments", "segments: is not the address of a store."),
    ],
)
def test_a_wrong_address_is_one_sentence_at_once_and_the_right_one_goes_on(job, url, why, monkeypatch):
    monkeypatch.setattr("indexer.opening._LOOK_EVERY_S", -1)  # waiting for a library that nobody makes would fail
    words = ["index", *job.paths, "--library", job.library, "--model", job.model, "--segments"]
    code, printed, told = here(*words, url)
    assert (code, printed) == (1, "")
    assert why in " ".join(told.split())
    assert "Traceback" not in told
    assert not (job.library / "library.json").exists()
    assert here(*words, job.segments_url)[0] == 0


@pytest.mark.slow
def test_a_server_takes_up_what_is_indexed_meanwhile(job, place, tmp_path, object_store):
    index(
        IndexJob([place / "footage" / "deep"], job.library, model=job.model, segments_url=job.segments_url), NOBODY
    )
    with running(job.library, tmp_path / "served") as server:
        before = server.get("/v1/library").json()
        index(IndexJob(job.paths, job.library), NOBODY)
        until(lambda: server.get("/v1/library").json()["generation"] != before["generation"])
        assert sum(server.get("/v1/library").json()["media"].values()) > sum(before["media"].values())
