"""Publishing: all or nothing, one media a content, files and vectors that agree."""

from dataclasses import replace

import numpy as np
import pytest

from avsearch.catalog import FileState, State
from avsearch.errors import LibraryError
from avsearch.library import Batch, verify
from avsearch.moments import Modality
from avsearch.vectors import Rows


@pytest.fixture
def writing(library, weights, footage, maker):
    """A writer and a maker of batches, on a library with an encoder."""
    with library.writer() as writer:
        writer.use_encoder(weights)
        yield writer, maker(writer, writer.catalog.add_root(footage).id)


def num_rows(library):
    snapshot = library.snapshot()
    return {modality: sum(map(len, library.segments(snapshot, modality))) for modality in Modality}


def test_a_batch_becomes_visible_as_a_whole(library, writing, footage):
    writer, maker = writing
    writer.publish(maker.batch("a", "b", labels=("flute",)))
    assert num_rows(library) == {Modality.IMAGE: 4, Modality.AUDIO: 4}
    records = library.catalog.media_records(library.snapshot().live_media_ids.tolist())
    assert [record.paths for record in records.values()] == [(footage / "a",), (footage / "b",)]
    assert [record.labels for record in records.values()] == [("flute",), ("flute",)]
    assert verify(library) == []


def test_what_is_published_is_what_is_mapped(library, writing):
    writer, maker = writing
    batch = maker.batch("a", "b")
    writer.publish(batch)
    mapped = library.segments(library.snapshot(), Modality.AUDIO)[0]
    assert np.array_equal(mapped.vector, batch.rows[Modality.AUDIO].vector)
    assert np.array_equal(mapped.media_id, batch.rows[Modality.AUDIO].media_id)
    assert np.array_equal(mapped.start_us, batch.rows[Modality.AUDIO].start_us)


def test_a_batch_without_vectors_records_files_only(library, writing):
    writer, maker = writing
    writer.publish(Batch(files=(maker.file(b"x.mp4", None, State.FAILED, "It is empty."),)))
    assert library.catalog.status().failures == {"It is empty.": 1}
    assert list((library.directory / "segments").iterdir()) == []


def test_a_content_that_is_known_gains_a_file_and_labels_and_keeps_its_id_and_vectors(library, writing):
    writer, maker = writing
    writer.publish(maker.batch("a", labels=("flute",)))
    before = library.snapshot()
    again = maker.media("a", labels=("solo",))
    rows = {modality: maker.rows([again.id]) for modality in Modality}
    writer.publish(Batch(media=(again,), rows=rows, files=(maker.file(b"copy", again.id),)))
    assert library.snapshot().segments == before.segments
    (record,) = library.catalog.media_records([1, again.id]).values()
    assert (record.id, [path.name for path in record.paths]) == (1, ["a", "copy"])
    assert record.labels == ("flute", "solo")
    assert verify(library) == []


def test_a_second_file_of_a_known_media_needs_no_media_in_the_batch(library, writing):
    writer, maker = writing
    writer.publish(maker.batch("a"))
    writer.publish(Batch(files=(maker.file(b"copy", 1),)))
    assert [path.name for path in library.catalog.media_records([1])[1].paths] == ["a", "copy"]


def test_two_files_of_one_content_in_one_batch_are_one_media(library, writing):
    writer, maker = writing
    one, two = maker.media("same", labels=("x",)), maker.media("same", labels=("y",))
    other = maker.media("other")
    rows = {modality: maker.rows([two.id, other.id, one.id]) for modality in Modality}
    files = (maker.file(b"1", one.id), maker.file(b"2", two.id), maker.file(b"3", other.id))
    writer.publish(Batch(media=(one, two, other), rows=rows, files=files))
    records = library.catalog.media_records([one.id, two.id, other.id])
    assert {media_id: len(record.paths) for media_id, record in records.items()} == {one.id: 2, other.id: 1}
    assert records[one.id].labels == ("x", "y")
    mapped = library.segments(library.snapshot(), Modality.IMAGE)[0]
    assert mapped.media_id.tolist() == [one.id, one.id, other.id, other.id]
    assert np.array_equal(mapped.vector[:2], rows[Modality.IMAGE].vector[4:])
    assert verify(library) == []


def test_a_known_media_without_vectors_gets_them_under_its_own_id(library, writing):
    writer, maker = writing
    bare = maker.media("a")
    writer.publish(Batch(media=(bare,), files=(maker.file(b"a", bare.id),)))
    writer.publish(maker.batch("a"))
    assert [rows.media_id.tolist() for rows in library.segments(library.snapshot(), Modality.IMAGE)] == [[1, 1]]
    assert verify(library) == []


def test_a_changed_file_is_a_new_media_and_the_old_one_is_no_longer_live(library, writing):
    writer, maker = writing
    writer.publish(maker.batch("a", "b"))
    changed = maker.media("a, edited")
    rows = {Modality.AUDIO: maker.rows([changed.id])}
    writer.publish(Batch(media=(changed,), rows=rows, files=(maker.file(b"a", changed.id),)))
    assert library.snapshot().live_media_ids.tolist() == [2, changed.id]
    assert library.catalog.media_records([1])[1].paths == ()
    assert library.catalog.status().moments == {"image": 2, "audio": 4}
    assert verify(library) == []


@pytest.mark.parametrize("state", [State.MISSING, State.REMOVED])
def test_a_file_that_is_gone_masks_its_media_and_one_that_is_back_shows_it_again(library, writing, state):
    writer, maker = writing
    writer.publish(maker.batch("a", "b"))
    writer.catalog.set_files([maker.file(b"a", 1, state)])
    assert library.snapshot().live_media_ids.tolist() == [2]
    writer.catalog.set_files([maker.file(b"a", 1)])
    assert library.snapshot().live_media_ids.tolist() == [1, 2]


def test_media_ids_are_never_given_out_twice(library, writing, weights, footage):
    writer, maker = writing
    writer.publish(maker.batch("a"))
    lost = writer.reserve_media_ids(10)
    writer.publish(maker.batch("b"))
    assert list(lost) == list(range(2, 12))
    assert library.snapshot().live_media_ids.tolist() == [1, 12]


def test_unusable_vectors_change_nothing(library, writing):
    writer, maker = writing
    batch = maker.batch("a")
    batch.rows[Modality.AUDIO].vector[1, 1] = np.nan
    with pytest.raises(LibraryError, match="not finite"):
        writer.publish(batch)
    assert library.snapshot().live_media_ids.tolist() == []
    assert verify(library) == []


def test_vectors_of_another_length_than_the_encoders_are_refused(library, writing):
    writer, maker = writing
    media = maker.media("a")
    rows = Rows(np.eye(1, 7, dtype=np.float32), np.array([media.id]), np.array([0]))
    with pytest.raises(ValueError, match="7-dimensional image vectors"):
        writer.publish(Batch(media=(media,), rows={Modality.IMAGE: rows}))


def test_rows_without_media_and_media_that_stand_twice_are_refused(writing):
    _, maker = writing
    media = maker.media("a")
    with pytest.raises(ValueError, match="not in the batch"):
        Batch(media=(media,), rows={Modality.IMAGE: maker.rows([media.id + 1])})
    with pytest.raises(ValueError, match="twice"):
        Batch(media=(media, media))


def test_a_file_of_a_media_that_does_not_exist_is_refused_by_the_database(library, writing):
    writer, maker = writing
    with pytest.raises(LibraryError, match=r"(?i)foreign key"):
        writer.publish(Batch(files=(maker.file(b"a", 99),)))
    assert library.catalog.files_of(maker.root_id) == {}


def test_a_commit_that_the_database_refuses_leaves_the_state_before(library, writing):
    writer, maker = writing
    writer.publish(maker.batch("a"))
    batch = maker.batch("b")
    bad = FileState(99, b"b", 1, 1, State.INDEXED, media_id=batch.media[0].id)
    with pytest.raises(LibraryError, match="cannot be written"):
        writer.publish(Batch(media=batch.media, rows=batch.rows, files=(bad,)))
    assert library.snapshot().live_media_ids.tolist() == [1]
    assert num_rows(library) == {Modality.IMAGE: 2, Modality.AUDIO: 2}
    assert verify(library) == []


def test_a_batch_whose_contents_another_has_published_meanwhile_adds_its_files_only(library, writing, monkeypatch):
    """The other is quicker between what is known is read, and what is new is published."""
    writer, mine = writing
    theirs = mine.batch("a", "b")
    genuine = writer.catalog.basis

    def read_late(hashes, files):
        found = genuine(hashes, files)
        monkeypatch.setattr(writer.catalog, "basis", genuine)
        writer.publish(theirs)
        return found

    monkeypatch.setattr(writer.catalog, "basis", read_late)
    batch = mine.batch("b", "c")
    copy = mine.file(b"copy", batch.media[0].id)
    writer.publish(Batch(media=batch.media, rows=batch.rows, files=(copy, batch.files[1])))
    assert num_rows(library) == {Modality.IMAGE: 6, Modality.AUDIO: 6}
    assert library.catalog.status().files[State.INDEXED] == 4
    named = {one.name for one in library.snapshot().segments}
    assert {path.name for path in (library.directory / "segments").iterdir()} == named
    assert verify(library) == []


def test_files_that_others_have_taken_over_are_left_to_them_and_named(library, writing, monkeypatch):
    writer, maker = writing
    batch = maker.batch("a", "b")
    lost = frozenset({(batch.files[0].root_id, batch.files[0].path)})
    monkeypatch.setattr(writer.catalog, "_lost", lambda _connection, _files: lost)
    assert writer.publish(batch) == lost
    assert num_rows(library) == {Modality.IMAGE: 2, Modality.AUDIO: 2}
    assert list(library.catalog.files_of(batch.files[0].root_id)) == [b"b"]


def test_vectors_of_an_encoder_that_is_replaced_by_now_are_refused(library, writing):
    writer, maker = writing
    batch = maker.batch("a")
    now = writer.catalog.active_encoder()
    other = replace(now, fingerprint="0" * 32)
    with pytest.raises(LibraryError) as told:
        writer.publish(replace(batch, encoder=other))
    assert told.value.message == f"The library's encoder is {now} by now, and no longer {other}."
    assert told.value.hint == "Run the same command again."
    writer.publish(replace(batch, encoder=now))
    assert num_rows(library) == {Modality.IMAGE: 2, Modality.AUDIO: 2}
