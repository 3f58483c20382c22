"""What goes into the catalog comes out of it: files, media, labels, runs."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, select

from avsearch import schema
from avsearch.catalog import (
    FileState,
    IndexedMedia,
    NewEncoder,
    NewSegment,
    Publication,
    SegmentRecord,
    State,
)
from avsearch.catalog.database import reading, writing
from avsearch.errors import LibraryError
from avsearch.moments import MediaKind, Modality


def test_all_that_the_demuxer_says_comes_back(catalog, footage, add_media, film, sound, picture):
    root = catalog.add_root(footage)
    ids = add_media(root, film, sound, picture)
    records = catalog.media_records(ids)
    assert [record.info for record in records.values()] == [film, sound, picture]
    assert [record.content_hash for record in records.values()] == ["hash1", "hash2", "hash3"]
    assert (records[1].duration_us, records[1].kind) == (film.duration_us, MediaKind.VIDEO)


def test_records_come_in_the_order_asked_for_without_the_unknown(catalog, footage, add_media, sound):
    ids = add_media(catalog.add_root(footage), sound, sound, sound)
    assert list(catalog.media_records([ids[2], 99, ids[0], ids[2]])) == [ids[2], ids[0]]
    assert catalog.media_records([]) == {}


@pytest.mark.parametrize("name", [b"plain.mp4", "ä ö/ü.mp4".encode(), b"\xff\xfe/\x80.mp4", b"a\nb'\";%.mp4"])
def test_names_need_not_be_utf8(catalog, footage, name, add_media, sound):
    root = catalog.add_root(footage)
    (media_id,) = add_media(root, sound, names=[name])
    path = footage / os.fsdecode(name)
    assert list(catalog.files_of(root.id)) == [name]
    assert catalog.media_records([media_id])[media_id].paths == (path,)
    assert catalog.media_of_paths([path]) == {path: media_id}
    assert root.relative(path) == name
    assert root.absolute(name) == path


def test_a_file_is_what_was_last_said_about_it(catalog, footage, add_media, sound):
    root = catalog.add_root(footage)
    (media_id,) = add_media(root, sound, names=[b"a"])
    failed = FileState(root.id, b"a", 11, 21, State.FAILED, "It is truncated.")
    catalog.set_files([failed])
    assert catalog.files_of(root.id) == {b"a": failed}
    missing = FileState(root.id, b"a", 11, 21, State.MISSING, media_id=media_id)
    catalog.set_files([missing])
    assert catalog.files_of(root.id) == {b"a": missing}
    catalog.set_files([])


def test_what_was_read_of_a_file_holds_while_it_is_unchanged(catalog, footage, add_media, film, sound):
    root = catalog.add_root(footage)
    add_media(root, film, sound, names=[b"a", b"b"])
    states = catalog.files_of(root.id)
    for name, info in ((b"a", film), (b"b", sound)):
        size, mtime = states[name].size_bytes, states[name].mtime_ns
        path = root.absolute(name)
        assert catalog.info_at(path, size_bytes=size, mtime_ns=mtime) == info
        assert catalog.info_at(path, size_bytes=size + 1, mtime_ns=mtime) is None
        assert catalog.info_at(path, size_bytes=size, mtime_ns=mtime + 1) is None
        assert catalog.info_at(footage / "c", size_bytes=size, mtime_ns=mtime) is None
        assert catalog.info_at(footage.parent / "a", size_bytes=size, mtime_ns=mtime) is None
    catalog.set_files([replace(states[b"a"], state=State.MISSING)])
    gone = states[b"a"]
    assert catalog.info_at(footage / "a", size_bytes=gone.size_bytes, mtime_ns=gone.mtime_ns) is None


def test_files_are_counted_by_root_and_failures_told_in_order(catalog, footage, add_media, sound):
    roots = []
    for name in ("one", "two"):
        (footage / name).mkdir()
        roots.append(catalog.add_root(footage / name))
    add_media(roots[0], sound, sound, names=[b"a", b"b"])
    reasons = {b"z": "It is truncated.", b"c": "It is empty.", b"d": "It is empty."}
    catalog.set_files([FileState(roots[0].id, path, 1, 1, State.FAILED, it) for path, it in reasons.items()])
    assert catalog.file_counts() == {
        roots[0].id: {"indexed": 2, "failed": 3, "missing": 0, "removed": 0},
        roots[1].id: {"indexed": 0, "failed": 0, "missing": 0, "removed": 0},
    }
    assert catalog.failed_files(roots[0].id, 2) == [(b"c", reasons[b"c"]), (b"d", reasons[b"d"])]
    assert catalog.failed_files(roots[1].id, 2) == []


@pytest.mark.parametrize("path", [b"", b"/a", b"../a", b"a/../b", b"./a", b"a//b", b"a/"])
def test_a_path_that_is_not_relative_to_its_root_is_refused(path):
    with pytest.raises(ValueError, match="relative"):
        FileState(1, path, 0, 0, State.MISSING)


def test_states_that_contradict_themselves_are_refused():
    with pytest.raises(ValueError, match="no media"):
        FileState(1, b"a", 0, 0, State.INDEXED)
    with pytest.raises(ValueError, match="without a reason"):
        FileState(1, b"a", 0, 0, State.FAILED)
    with pytest.raises(ValueError, match="add up"):
        NewSegment(SegmentRecord("a", Modality.IMAGE, "f", 3, 4, 1, "c"), {1: 2})


def test_contents_are_known_by_their_hash(catalog, footage, add_media, sound):
    ids = add_media(catalog.add_root(footage), sound, sound)
    assert catalog.media_by_hash(["hash2", "unknown", "hash1"]) == {"hash1": ids[0], "hash2": ids[1]}


def test_one_content_cannot_be_two_media(catalog, sound):
    catalog.publish(Publication(media=(IndexedMedia(1, "same", sound),)))
    with pytest.raises(LibraryError, match="content_hash"):
        catalog.publish(Publication(media=(IndexedMedia(2, "same", sound),)))


def test_labels_are_added_on_publishing_and_replaced_on_request(catalog, footage, add_media, sound):
    ids = add_media(catalog.add_root(footage), sound, sound)
    catalog.publish(Publication(labels={ids[0]: ("b", "a", "b"), ids[1]: ("x",)}))
    catalog.publish(Publication(labels={ids[0]: ("c", "a")}))
    assert catalog.media_records(ids)[ids[0]].labels == ("a", "b", "c")
    catalog.set_labels({ids[0]: ("z", "z")})
    assert catalog.label_counts() == {"x": 1, "z": 1}
    assert [record.labels for record in catalog.media_records(ids).values()] == [("z",), ("x",)]
    catalog.set_labels({ids[0]: ()})
    assert catalog.media_records(ids)[ids[0]].labels == ()


def test_paths_are_found_in_any_spelling(catalog, footage, tmp_path, monkeypatch, add_media, sound):
    (footage / "sub").mkdir()
    (footage / "sub" / "a.wav").touch()
    (tmp_path / "link").symlink_to(footage)
    (media_id,) = add_media(catalog.add_root(tmp_path / "link"), sound, names=[b"sub/a.wav"])
    monkeypatch.chdir(footage / "sub")
    spellings = [
        footage / "sub" / "a.wav",
        tmp_path / "link" / "sub" / "a.wav",
        footage / "sub" / ".." / "sub" / "a.wav",
        Path("a.wav"),
    ]
    assert catalog.media_of_paths(spellings) == dict.fromkeys(spellings, media_id)


def test_a_file_that_is_itself_a_link_is_found_by_its_own_name(catalog, footage, tmp_path, add_media, sound):
    (tmp_path / "real.wav").touch()
    (footage / "link.wav").symlink_to(tmp_path / "real.wav")
    (media_id,) = add_media(catalog.add_root(footage), sound, names=[b"link.wav"])
    assert catalog.media_of_paths([footage / "link.wav"]) == {footage / "link.wav": media_id}


def test_paths_that_are_not_indexed_have_no_media(catalog, footage, tmp_path):
    root = catalog.add_root(footage)
    catalog.set_files([FileState(root.id, b"bad", 1, 1, State.FAILED, "It is empty.")])
    asked = [footage / "bad", footage / "unknown", footage, tmp_path / "elsewhere", Path("/")]
    assert catalog.media_of_paths(asked) == {}
    assert catalog.media_of_paths([]) == {}


@pytest.mark.slow
def test_ten_thousand_paths_take_a_few_statements(catalog, footage, monkeypatch, add_media, sound):
    root = catalog.add_root(footage)
    names = [f"dir{index % 7}/{index}.wav".encode() for index in range(10_000)]
    ids = add_media(root, *[sound] * 10_000, names=names)
    paths = [footage / os.fsdecode(name) for name in names]
    statements = []
    from sqlalchemy import event

    event.listen(catalog._engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    started = time.process_time()
    assert catalog.media_of_paths(paths) == dict(zip(paths, ids, strict=True))
    assert time.process_time() - started < 2
    assert len(statements) < 10


def test_the_snapshot_holds_the_active_encoders_segments_only(catalog, footage, add_media, sound, encoder, segment):
    catalog.activate_encoder(encoder)
    ids = add_media(catalog.add_root(footage), sound, sound)
    made = segment("one", Modality.AUDIO, {ids[0]: 3, ids[1]: 1})
    catalog.publish(Publication(segments=(made,)))
    snapshot = catalog.snapshot()
    assert snapshot.segments == (made.record,)
    assert snapshot.live_media_ids.dtype == np.int64
    assert snapshot.live_media_ids.tolist() == ids
    assert catalog.rows_of_media("one") == {ids[0]: 3, ids[1]: 1}
    catalog.activate_encoder(NewEncoder("0" * 32, "l3", "paper", "l3", 512))
    assert catalog.snapshot().segments == ()
    assert catalog.all_segments() == (made.record,)
    assert catalog.activate_encoder(encoder) == snapshot.encoder
    assert len(catalog.encoders()) == 2


def test_a_reader_sees_one_state_while_a_writer_commits(catalog, database, footage):
    from avsearch.catalog.rows import read_roots

    with reading(database.engine()) as connection:
        before = read_roots(connection)
        catalog.add_root(footage)
        assert read_roots(connection) == before == ()
    assert len(catalog.roots()) == 1


def test_runs_are_noted_with_what_they_did(catalog):
    first = catalog.start_run("avsearch index /footage")
    second = catalog.start_run("avsearch index /more")
    catalog.finish_run(first, {"indexed": 3, "failed": 1})
    with reading(catalog._engine) as connection:
        one, other = connection.execute(select(schema.run).order_by(schema.run.c.id)).all()
    assert (one.id, one.command, one.counts) == (first, "avsearch index /footage", {"indexed": 3, "failed": 1})
    assert one.finished_at_us > one.started_at_us
    assert (other.id, other.command, other.counts) == (second, "avsearch index /more", {})
    assert other.finished_at_us is None


def test_no_id_is_given_out_twice(catalog):
    """Not even that of a deleted row: SQLite would, without AUTOINCREMENT."""
    last = catalog.start_run("one")
    with writing(catalog._engine) as connection:
        connection.execute(delete(schema.run))
    assert catalog.start_run("two") == last + 1


def test_text_that_a_database_cannot_hold_is_kept_as_well_as_can_be(catalog, footage, add_media, film):
    """PostgreSQL knows no NUL, neither knows the halves of characters that bytes of a broken name become."""
    broken, readable = "a\0b\udcff", "a\ufffdb\ufffd"
    root = catalog.add_root(footage)
    video, audio = replace(film.video, codec=broken), replace(film.audio, codec=broken)
    (media_id,) = add_media(root, replace(film, container=broken, timecode=broken, video=video, audio=audio))
    catalog.set_labels({media_id: (broken, "\0", "\ud800")})
    catalog.set_files([FileState(root.id, b"x", 1, 1, State.FAILED, broken)])
    record = catalog.media_records([media_id])[media_id]
    assert (record.info.container, record.info.timecode) == (readable, readable)
    assert (record.info.video.codec, record.info.audio.codec) == (readable, readable)
    assert record.labels == (readable, "\ufffd")
    assert catalog.files_of(root.id)[b"x"].reason == readable


def test_a_clock_of_the_far_future_is_no_obstacle(catalog, footage):
    root = catalog.add_root(footage)
    catalog.set_files([FileState(root.id, b"x", 1, time_ns, State.MISSING) for time_ns in (2**64, -(2**64))])
    catalog.set_files([FileState(root.id, b"y", 1, 4_102_444_800 * 10**9, State.MISSING)])  # 2100
    assert catalog.files_of(root.id)[b"x"].mtime_ns == -(2**63 - 1)
    assert catalog.files_of(root.id)[b"y"].mtime_ns == 4_102_444_800 * 10**9


def test_labels_come_in_one_order_from_every_database(catalog, footage, add_media, sound):
    (media_id,) = add_media(catalog.add_root(footage), sound)
    catalog.set_labels({media_id: ("b", "a", "B", "_", "ä")})
    assert catalog.media_records([media_id])[media_id].labels == ("B", "_", "a", "b", "ä")


def test_what_was_left_out_of_a_media_comes_back(catalog, sound):
    plain, left_out = IndexedMedia(1, "plain", sound), IndexedMedia(2, "left out", sound, (), 7, 5, 300_000)
    catalog.publish(Publication(media=(plain, left_out)))
    records = catalog.media_records([1, 2]).values()
    assert [(one.num_silent, one.num_still, one.gap_us) for one in records] == [(0, 0, 2_000_000), (7, 5, 300_000)]


@pytest.mark.sqlite
def test_the_database_is_as_safe_as_sqlite_can_be(catalog):
    with reading(catalog._engine) as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert values == ["wal", 2, 1, 30_000]
