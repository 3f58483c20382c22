"""A library whose segments lie on S3: all that one on the disk can do, and what only a store can do to it."""

import json
import socket
from itertools import chain, repeat

import numpy as np
import pytest
import s3fs

from avsearch.errors import LibraryError, StorageError
from avsearch.library import (
    compact,
    create_library,
    damaged_segments,
    open_library,
    orphans,
    remove,
    verify,
)
from avsearch.moments import Modality, Silent
from avsearch.remote import store as store_module
from tests.library.stored import compacted, moments, named_segments
from tests.object_store import Fault


def reopened(library):
    """As another process sees it."""
    return open_library(library.directory)


def test_library_json_says_where_they_are_and_holds_no_credentials(library, object_store, prefix, fill, segments):
    fill("a", "b")
    text = (library.directory / "library.json").read_text()
    assert json.loads(text)["segments"] == f"s3://footage/{prefix}"
    assert "tester" not in text
    assert "secret" not in text
    assert set(segments()) == named_segments(library)
    assert not (library.directory / "segments").exists()
    assert verify(reopened(library)) == []


def test_what_is_found_is_what_the_same_library_on_a_disk_finds(
    library, fill, tmp_path, weights, footage, maker, cache
):
    local = create_library(tmp_path / "local")
    for seed in range(3):
        fill(f"a{seed}", f"b{seed}", seed=seed)
        with local.writer() as writer:
            writer.use_encoder(weights)
            made = maker(writer, writer.catalog.add_root(footage).id, np.random.default_rng(seed))
            writer.publish(made.batch(f"a{seed}", f"b{seed}"))
    assert moments(reopened(library)) == moments(local)
    for path in cache.iterdir():
        path.unlink()
    assert moments(reopened(library)) == moments(local)


def test_a_second_process_fetches_nothing_that_the_first_has(library, fill, object_store, prefix):
    fill("a", "b")
    object_store.requests.clear()
    assert len(moments(reopened(library))) == 8
    assert object_store.requests == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"\0", lambda data: data[:50]], ids=["bit", "cut"])
def test_a_damaged_copy_is_fetched_again_and_is_refused_if_that_is_no_better(
    library, fill, cache, object_store, prefix, damage
):
    fill("a", "b")
    before = moments(reopened(library))
    for path in cache.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    assert moments(reopened(library)) == before
    name = next(iter(named_segments(library)))
    whole = object_store.objects(f"{prefix}/{name}")[f"{prefix}/{name}"]
    object_store.change(f"{prefix}/{name}", damage)
    assert moments(reopened(library)) == before, "the copy is whole"
    (cache / name).write_bytes(damage(whole))
    with pytest.raises(LibraryError, match=rf"s3://.*{name}: the segment is damaged"):
        moments(reopened(library))
    assert not (cache / name).exists()


def test_verify_reads_the_store_and_not_the_copies(library, fill, object_store, prefix):
    fill("a", "b")
    moments(library)
    name, other = sorted(named_segments(library))
    object_store.change(f"{prefix}/{name}", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    object_store.change(f"{prefix}/{other}", lambda _: None)
    found = [str(problem) for problem in verify(reopened(library))]
    assert len(found) == 2
    assert any(f"{prefix}/{name}: the segment is damaged: its checksum is another" in text for text in found)
    assert any(f"{prefix}/{other}: the segment cannot be read (it is not there)" in text for text in found)
    assert {record.name for record in damaged_segments(library)} == {name, other}


def test_compact_merges_in_the_store_and_every_moment_stays(library, fill, footage, segments):
    for seed in range(4):
        fill(f"a{seed}", f"b{seed}", seed=seed)
    remove(library, [str(footage / "a1")])
    before, reader = moments(library), library.view(*Modality)
    done = compacted(library)
    assert (done.num_segments_before, done.num_segments_after) == (8, 2)
    assert set(segments()) == named_segments(library)
    assert moments(reopened(library)) == before
    assert verify(reopened(library)) == []
    assert sum(map(len, reader.segments[Modality.IMAGE])) == 16


def test_a_reader_that_is_late_takes_what_compact_has_made(library, fill, cache):
    for seed in range(2):
        fill(f"a{seed}", seed=seed)
    late = reopened(library)
    before = moments(library)
    snapshot = late.snapshot()
    compacted(library)
    late.snapshot = iter([snapshot, late.snapshot(), late.snapshot()]).__next__
    assert moments(late) == before


def test_what_belongs_to_nothing_is_swept_and_what_is_not_ours_stays(library, fill, object_store, prefix, segments):
    fill("a", "b")
    left, foreign = f"{'0' * 32}.safetensors", "notes.safetensors"
    for name in (left, foreign):
        object_store.put(f"{prefix}/{name}", b"rest")
    assert verify(library) == []
    assert orphans(library) == [f"s3://footage/{prefix}/{left}"]
    with library.writer():
        pass
    assert set(segments()) == named_segments(library) | {foreign}


def test_two_libraries_do_not_share_a_place(library, fill, tmp_path, object_store, prefix, segments):
    fill("a", "b")
    with pytest.raises(StorageError, match="something lies there already"):
        create_library(tmp_path / "second", segments_url=object_store.url(prefix))
    assert set(segments()) == named_segments(library)
    assert verify(reopened(library)) == []


@pytest.mark.slow
def test_a_creation_that_failed_is_done_again_by_the_same_call(tmp_path, object_store, prefix, monkeypatch):
    monkeypatch.setattr(store_module, "WAITS_S", ())
    object_store.fault = lambda request: Fault(503, "SlowDown") if request.startswith("PUT") else None
    with pytest.raises(StorageError, match="does not answer"):
        create_library(tmp_path / "library", segments_url=object_store.url(prefix))
    object_store.fault = lambda _request: None
    assert verify(create_library(tmp_path / "library", segments_url=object_store.url(prefix))) == []


@pytest.mark.slow
def test_a_store_that_fails_in_the_middle_of_a_commit_leaves_the_state_before(
    library, fill, object_store, segments, prefix
):
    fill("a", "b")
    before = moments(library)
    puts = chain([None], repeat(Fault(503, "SlowDown")))
    object_store.fault = lambda request: next(puts) if request.startswith("PUT") else None
    with pytest.raises(StorageError, match="does not answer"):
        fill("c", "d", seed=1)
    assert moments(reopened(library)) == before
    assert len(segments()) == 3
    object_store.fault = lambda _request: None
    fill("c", "d", seed=1)
    assert set(segments()) == named_segments(library)
    assert len(moments(reopened(library))) == 16


def test_what_did_not_arrive_as_it_was_sent_is_not_committed(library, fill, object_store, prefix, segments):
    fill("a", "b")
    damaged = []

    def damage(request):
        if not request.startswith("PUT") or damaged:
            return None
        damaged.append(request)
        name = f"{prefix}/{request.rpartition('/')[2]}"
        return Fault(after=lambda: object_store.change(name, lambda data: data[:-1]))

    object_store.fault = damage
    with pytest.raises(StorageError, match="did not come back as it was uploaded"):
        fill("c", "d", seed=1)
    assert len(named_segments(library)) == 2
    fill("c", "d", seed=1)
    assert set(segments()) == named_segments(library)


def gone(object_store, prefix, monkeypatch, how):
    """Let the store be out of reach in one of several ways."""
    if how == "refused":
        object_store.fault = lambda _request: Fault(403, "AccessDenied")
    elif how == "failing":
        object_store.fault = lambda _request: Fault(500, "InternalError")
    elif how == "owner away":
        object_store.change(f"{prefix}/avsearch-library.json", lambda _: None)
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["refused", "failing", "down", "owner away"])
def test_a_store_out_of_reach_has_lost_nothing(library, fill, object_store, prefix, monkeypatch, segments, how):
    """Neither is anything called damaged then, which `repair` would drop, nor left over, which would be deleted."""
    fill("a", "b")
    named, there = named_segments(library), segments()
    if how == "owner away":
        for name in named:
            object_store.change(f"{prefix}/{name}", lambda _: None)
        there = {}
    gone(object_store, prefix, monkeypatch, how)
    other = reopened(library)
    (problem,) = map(str, verify(other))
    assert f"s3://footage/{prefix}" in problem
    assert "repair" not in problem
    for refused in (lambda: damaged_segments(other), lambda: compact(other, Silent()), lambda: orphans(other)):
        with pytest.raises(StorageError):
            refused()
    assert (named_segments(library), segments()) == (named, there)
