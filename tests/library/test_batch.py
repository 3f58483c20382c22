"""What of a batch is new, told by loops over single rows; and a batch that loses files."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.catalog import EncoderRecord, FileState, IndexedMedia, State
from avsearch.library.batch import Batch, settle
from avsearch.moments import MediaInfo, MediaKind, Modality
from avsearch.vectors import Rows

SOUND = MediaInfo(MediaKind.SOUND, 1_000_000, 0, "wav", None, None)
ROOT = 3


def media_of(media_id, content, *labels):
    return IndexedMedia(media_id, content, SOUND, labels)


def file_of(name, media_id):
    return FileState(ROOT, name.encode(), 1, 1, State.INDEXED, media_id=media_id)


def rows_of(*media_ids):
    """A row for each id, told apart by its time."""
    numbers = np.arange(len(media_ids), dtype=np.int64)
    return Rows(np.eye(len(media_ids), 4, dtype=np.float32), np.array(media_ids, np.int64), numbers)


def told(rows):
    return list(zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True))


@st.composite
def batches(draw):
    """A batch of a few contents, some twice, and what the library knows of them."""
    contents = draw(st.lists(st.sampled_from("abcd"), max_size=6))
    media = tuple(media_of(10 + at, content, f"label{at}") for at, content in enumerate(contents))
    ids = [one.id for one in media]
    rows = {it: rows_of(*draw(st.lists(st.sampled_from(ids), max_size=4))) for it in Modality} if ids else {}
    known = {content: number for number, content in enumerate("abcd", start=1) if draw(st.booleans())}
    covered = {number for number in known.values() if draw(st.booleans())}
    files = (*(file_of(f"file{one.id}", one.id) for one in media), file_of("copy", 99))
    return Batch(media=media, rows=rows, files=files, labels={1: ("old",)}), known, covered


@given(batches())
def test_each_content_stands_once_under_its_lasting_id_with_the_rows_of_its_first_media(case):
    batch, known, covered = case
    lasting, source, new, labels = {}, {}, [], {1: ("old",)}
    for one in batch.media:
        of_content = known.get(one.content_hash)
        before = [other.id for other in batch.media if other.content_hash == one.content_hash]
        lasting[one.id] = before[0] if of_content is None else of_content
        source.setdefault(lasting[one.id], one.id)
        labels[lasting[one.id]] = labels.get(lasting[one.id], ()) + one.labels
        if of_content is None and one.id == before[0]:
            new.append(one)
    settled = settle(batch, known=known, covered=covered)
    assert settled.media == tuple(new)
    assert settled.labels == labels
    assert settled.files == tuple(
        dataclasses.replace(state, media_id=lasting.get(state.media_id, state.media_id)) for state in batch.files
    )
    dealt_with = [number for number in source if number not in covered]
    assert list(settled.covered) == (dealt_with if batch.rows else [])
    for modality, rows in batch.rows.items():
        kept = [(number, row) for number in dealt_with for row in told(rows) if row[0] == source[number]]
        truth = sorted((row[1], number) for number, row in kept)
        found = settled.rows[modality]
        assert sorted((start, number) for number, start in told(found)) == truth
        assert np.array_equal(found.vector, rows.vector[[start for _, start in told(found)]])


def test_a_file_of_no_media_keeps_none():
    failed = FileState(ROOT, b"bad", 1, 1, State.FAILED, "It is empty.")
    assert settle(Batch(files=(failed,)), known={}, covered=set()).files == (failed,)


def test_a_batch_that_loses_files_loses_the_media_that_only_they_hold():
    media = (media_of(1, "a", "x"), media_of(2, "b"), media_of(3, "c"))
    encoder = EncoderRecord("f" * 32, "ave", "small", "ave-nce", dim=4, id=7)
    batch = Batch(
        media=media,
        rows={Modality.IMAGE: rows_of(1, 2, 2, 3), Modality.AUDIO: rows_of(2)},
        files=(file_of("a", 1), file_of("b", 2), file_of("copy of a", 1), file_of("c", 3), file_of("old", 9)),
        labels={2: ("gone",), 3: ("kept",), 9: ("old",)},
        encoder=encoder,
    )
    left = batch.without({(ROOT, b"a"), (ROOT, b"b"), (ROOT + 1, b"c")})
    assert left.media == (media[0], media[2])
    assert {modality: told(rows) for modality, rows in left.rows.items()} == {
        Modality.IMAGE: [(1, 0), (3, 3)],
        Modality.AUDIO: [],
    }
    assert [state.path for state in left.files] == [b"copy of a", b"c", b"old"]
    assert left.labels == {3: ("kept",), 9: ("old",)}
    assert left.encoder is encoder
    assert batch.without(set()) is batch


def test_a_batch_names_the_rows_and_media_that_do_not_belong():
    with pytest.raises(ValueError, match=r"audio rows of media \[2, 5\] that are not in the batch"):
        Batch(media=(media_of(1, "a"),), rows={Modality.AUDIO: rows_of(5, 1, 2)})
    with pytest.raises(ValueError, match="a media id stands in the batch twice"):
        Batch(media=(media_of(1, "a"), media_of(1, "b")))


def test_a_batch_without_an_encoder_has_dealt_with_nothing():
    batch = Batch(media=(media_of(10, "a"),), rows={}, files=(file_of("one", 10),), labels={})
    settled = settle(batch, known={}, covered=set())
    assert [one.id for one in settled.media] == [10]
    assert settled.covered == ()
