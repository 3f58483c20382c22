"""A library in Milvus: what is found stays right whatever becomes of the library. Truth: exact search."""

import json
import shutil
import sqlite3

import numpy as np
import pytest

from avsearch.library import compact, move_back, move_to_milvus, open_library, remove, verify
from avsearch.library.copies import engine_of, held_by_engine
from avsearch.moments import Modality, Silent
from tests.bare import bare_weights
from tests.milvus.asked import agree, counted_searches, ids_of, rows_there
from tests.milvus.conftest import DIM, rows_for

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO
pytestmark = pytest.mark.milvus


def again(library):
    return move_to_milvus(library, None, progress=Silent())


def collection_of(library, modality):
    return held_by_engine(library)[modality].collection


def copies(library):
    return [(it.num_held, it.num_rows, it.num_gone) for it in held_by_engine(library).values()]


def test_what_is_found_through_milvus_is_what_exact_search_finds(moved, milvus, monkeypatch):
    asked = counted_searches(monkeypatch)
    agree(moved)
    assert len(asked) > 20
    assert verify(moved) == []
    for modality in Modality:
        assert rows_there(milvus, collection_of(moved, modality)) == ids_of(moved, modality)


def test_moving_again_writes_nothing_twice(moved, milvus):
    for it in again(moved).values():
        assert (it.num_rows, it.num_written, it.num_deleted) == (1000, 0, 0)
    (moved.directory / "milvus" / "image.safetensors").unlink()
    done = again(moved)
    assert (done[IMAGE].num_written, done[AUDIO].num_written) == (1000, 0)
    assert len(rows_there(milvus, collection_of(moved, IMAGE))) == 1000
    agree(moved)


@pytest.mark.slow
def test_what_is_indexed_later_is_found_beside_it_until_it_is_taken_in(moved, add):
    new = set(add(*(f"c{at}" for at in range(20)), seed=3))
    assert copies(moved) == [(1000, 1200, 0)] * 2
    assert agree(moved) & new
    assert verify(moved) == []
    assert [it.num_written for it in again(moved).values()] == [200, 200]
    assert copies(moved) == [(1200, 1200, 0)] * 2
    assert agree(moved) & new


@pytest.mark.slow
def test_what_is_removed_is_found_no_more_and_leaves_milvus_with_the_next_run(moved, tmp_path, milvus):
    before = agree(moved)
    remove(moved, [str(tmp_path / "footage" / f"a{at}") for at in range(30)])
    after = agree(moved)
    gone = set(range(1, 31))
    assert before & gone
    assert not after & gone
    compact(moved, Silent())
    library = open_library(moved.directory)
    assert not agree(library) & gone
    assert verify(library) == []
    assert copies(library) == [(700, 700, 300)] * 2
    for it in again(library).values():
        assert (it.num_rows, it.num_written, it.num_deleted) == (700, 0, 300)
    assert rows_there(milvus, collection_of(library, AUDIO)) == ids_of(library, AUDIO)
    assert not agree(library) & gone


@pytest.mark.slow
def test_compacting_keeps_the_copy_of_every_moment_that_stays(moved):
    agree(moved)
    assert compact(moved, Silent()).num_segments_after == 2
    library = open_library(moved.directory)
    agree(library)
    assert copies(library) == [(1000, 1000, 0)] * 2
    assert [it.num_written for it in again(library).values()] == [0, 0]


@pytest.mark.slow
def test_vectors_that_were_made_anew_are_copied_anew(moved, add):
    """As after a repair: same media, same encoder, other vectors and fewer moments."""
    snapshot = moved.snapshot()
    (damaged,) = [it for it in snapshot.segments if it.modality is IMAGE][1:]
    media_ids = sorted(moved.catalog.rows_of_media(damaged.name))
    rows = rows_for(media_ids, seed=9)[IMAGE]
    rows = rows.take(rows.start_us < 9_000_000)
    with moved.writer() as writer:
        writer.drop_segments([damaged])
        writer.publish_rows(snapshot.encoder, {IMAGE: rows}, media_ids=media_ids)
    library = open_library(moved.directory)
    agree(library)
    done = again(library)
    assert (done[IMAGE].num_rows, done[IMAGE].num_written, done[IMAGE].num_deleted) == (960, 360, 400)
    assert (done[AUDIO].num_written, done[AUDIO].num_deleted) == (0, 0)
    agree(library)
    assert verify(library) == []


@pytest.mark.slow
def test_another_encoder_gets_collections_of_its_own(moved, tmp_path, milvus, caplog):
    old = engine_of(moved).collections
    with moved.writer() as writer:
        encoder = writer.begin_reembed(bare_weights(tmp_path / "new.safetensors", dim=DIM, seed=1))
        media_ids = moved.snapshot().live_media_ids.tolist()
        writer.publish_rows(encoder, rows_for(media_ids, seed=4), media_ids=media_ids)
        writer.switch_encoder(encoder)
    library = open_library(moved.directory)
    agree(library, sides=0)
    assert "vectors of another encoder. Search is exact." in caplog.text
    assert any("another encoder" in str(it) for it in verify(library))
    assert [it.num_written for it in again(library).values()] == [1000, 1000]
    agree(library)
    assert verify(library) == []
    there = set(milvus.client().list_collections())
    assert set(engine_of(library).collections) <= there
    assert not set(old) & there


@pytest.mark.slow
def test_a_library_that_comes_back_leaves_nothing_behind_and_answers_as_before(filled, milvus):
    before = {path.relative_to(filled.directory) for path in filled.directory.rglob("*")}
    others = set(milvus.client().list_collections())
    move_to_milvus(filled, milvus.uri, progress=Silent())
    agree(filled)
    was = move_back(filled)
    assert len(was.collections) == 2
    assert set(milvus.client().list_collections()) == others
    assert {path.relative_to(filled.directory) for path in filled.directory.rglob("*")} == before
    agree(filled, sides=0)
    assert verify(filled) == []


def test_verify_says_which_moments_milvus_lacks_and_which_it_should_not_have(moved, milvus):
    name = collection_of(moved, IMAGE)
    client = milvus.client()
    client.delete(name, ids=["7:3000000"])
    (problem,) = map(str, verify(moved))
    assert f"{milvus.uri}: the collection {name} lacks 1 of 1000 moments, as 7:3000000; run" in problem
    stranger = {"id": "999:5", "media_id": 999, "start_us": 5, "vector": np.ones(16, np.float32)}
    client.upsert(name, [stranger, stranger | {"id": "what", "media_id": -3}])
    lacking, surplus = map(str, verify(moved))
    assert "lacks 1 of 1000" in lacking
    assert "holds 2 moments that it should not, as 999:5, what; run `avsearch library engine`" in surplus
    done = again(moved)[IMAGE]
    assert (done.num_rows, done.num_written, done.num_deleted) == (1000, 10, 2)
    assert verify(moved) == []
    assert rows_there(milvus, name) == ids_of(moved, IMAGE)


@pytest.mark.slow
def test_a_collection_that_lacks_rows_is_not_searched(moved, milvus, caplog):
    client = milvus.client()
    client.delete(collection_of(moved, IMAGE), filter="media_id in [7]")
    agree(moved)
    assert "holds 990 moments instead of 1000. Search is exact. Run `avsearch library engine`" in caplog.text
    for name in engine_of(moved).collections:
        client.drop_collection(name)
    agree(moved)
    assert "a collection of the library is not there. Search is exact." in caplog.text
    assert all("is not there; run" in str(it) for it in verify(moved))
    again(moved)
    agree(moved)


@pytest.mark.slow
def test_a_collection_of_another_shape_is_made_anew(moved, milvus):
    name, client = collection_of(moved, AUDIO), milvus.client()
    client.drop_collection(name)
    client.create_collection(name, dimension=3)
    assert again(moved)[AUDIO].num_written == 1000
    agree(moved)


@pytest.mark.slow
def test_two_libraries_share_a_server_and_nothing_else(moved, milvus, add, tmp_path):
    """The second holds the same media under the same encoder; only its id is another."""
    second = shutil.copytree(moved.directory, tmp_path / "second", ignore=shutil.ignore_patterns("milvus"))
    told = json.loads((second / "library.json").read_text())
    (second / "library.json").write_text(json.dumps(told | {"library_id": "0" * 32}))
    with sqlite3.connect(second / "catalog.sqlite3") as database:
        database.execute("UPDATE library_state SET library_id = ?", ["0" * 32])
    move_to_milvus(open_library(second), milvus.uri, progress=Silent())
    assert not set(engine_of(open_library(second)).collections) & set(engine_of(moved).collections)
    agree(open_library(second))
    move_back(open_library(second))
    agree(moved)


@pytest.mark.slow
@pytest.mark.parametrize("record", ["image.safetensors", "engine.json"])
def test_a_damaged_record_is_said_and_mended(moved, milvus, record, caplog):
    path = moved.directory / "milvus" / record
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if record.startswith("image") else data[:-9])
    found = agree(moved, sides=0)
    assert found
    assert f"{path}: is damaged. Search is exact." in caplog.text
    assert any("is damaged" in str(it) for it in verify(moved))
    move_to_milvus(moved, milvus.uri, progress=Silent())
    agree(moved)
    assert verify(moved) == []
