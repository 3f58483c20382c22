"""A new encoder's vectors are made beside the old ones, and one commit switches."""

import numpy as np
import pytest

from avsearch.catalog import Lost
from avsearch.errors import LibraryError, WeightsError
from avsearch.library import Batch, compact, damaged_segments, open_library, verify
from avsearch.moments import Modality, Silent
from avsearch.vectors import Rows
from avsearch.vectors.ann.record import record_path
from tests.library.stored import moments, named_segments


@pytest.fixture
def filled(library, fill):
    fill("a", "b", "c")
    return library


@pytest.fixture
def new_weights(make_weights, tmp_path):
    return make_weights(tmp_path / "new.safetensors", seed=1)


@pytest.fixture
def other_weights(make_weights, tmp_path):
    return make_weights(tmp_path / "other.safetensors", seed=2)


def new_rows(maker, writer, media_ids, *, seed=9):
    rng = np.random.default_rng(seed)
    return {modality: maker(writer, 1, rng).rows(media_ids) for modality in Modality}


def reembed(library, maker, weights, media_ids, *, seed=9):
    with library.writer() as writer:
        encoder = writer.begin_reembed(weights)
        writer.publish_rows(encoder, new_rows(maker, writer, media_ids, seed=seed), media_ids=media_ids)
    return encoder


def switch(library, encoder):
    with library.writer() as writer:
        writer.switch_encoder(encoder)


def test_the_library_answers_with_the_old_encoder_until_the_switch_and_with_the_new_one_after(
    filled, maker, new_weights
):
    old, before = filled.snapshot().encoder, moments(filled)
    encoder = reembed(filled, maker, new_weights, [1, 2])
    assert (filled.snapshot().encoder, moments(filled)) == (old, before)
    reembed(filled, maker, new_weights, [3], seed=10)
    assert (filled.snapshot().encoder, moments(filled)) == (old, before)
    switch(filled, encoder)
    assert filled.snapshot().encoder == encoder
    assert moments(filled).keys() == before.keys()
    assert not set(moments(filled).values()) & set(before.values())
    assert verify(filled) == []


def test_vectors_of_two_encoders_are_never_in_one_view(filled, maker, new_weights):
    encoder = reembed(filled, maker, new_weights, [1, 2, 3])
    for expected in (filled.snapshot().encoder, encoder):
        snapshot = filled.view(*Modality).snapshot
        assert {record.fingerprint for record in snapshot.segments} == {expected.fingerprint}
        if expected != encoder:
            switch(filled, encoder)


def test_a_view_taken_before_the_switch_stays_with_its_encoder_through_switch_and_compact(
    filled, maker, new_weights
):
    view = open_library(filled.directory).view(*Modality)
    before = [rows.vector.tobytes() for rows in view.segments[Modality.IMAGE]]
    switch(filled, reembed(filled, maker, new_weights, [1, 2, 3]))
    compact(filled, Silent())
    assert [rows.vector.tobytes() for rows in view.segments[Modality.IMAGE]] == before
    assert {record.fingerprint for record in view.snapshot.segments} == {view.snapshot.encoder.fingerprint}


def test_what_is_still_to_do_is_known_after_a_restart(filled, maker, new_weights):
    encoder = reembed(filled, maker, new_weights, [2])
    again = open_library(filled.directory)
    assert again.catalog.pending_encoder() == encoder
    assert again.catalog.uncovered_media(encoder.id) == [1, 3]
    with again.writer() as writer:
        assert writer.begin_reembed(new_weights) == encoder
        assert writer.begin_reembed(again.encoder_path(encoder)) == encoder
    assert again.catalog.uncovered_media(encoder.id) == [1, 3]


def test_media_without_moments_are_done_too(filled, maker, new_weights):
    with filled.writer() as writer:
        encoder = writer.begin_reembed(new_weights)
        writer.publish_rows(encoder, new_rows(maker, writer, [1]), media_ids=[1, 2, 3])
    assert filled.catalog.uncovered_media(encoder.id) == []
    switch(filled, encoder)
    assert {moment.split(":")[0] for moment in moments(filled)} == {"1"}
    assert verify(filled) == []


def test_what_is_indexed_meanwhile_belongs_to_the_old_encoder_and_is_still_to_do(filled, fill, maker, new_weights):
    encoder = reembed(filled, maker, new_weights, [1, 2, 3])
    fill("d", seed=4)
    assert "4:image:0" in moments(filled)
    assert filled.catalog.uncovered_media(encoder.id) == [4]


def test_a_second_new_encoder_is_refused_while_one_is_being_made(filled, new_weights, other_weights):
    with filled.writer() as writer:
        encoder = writer.begin_reembed(new_weights)
        with pytest.raises(LibraryError, match=rf"{encoder.fingerprint[:8]}.*`avsearch library reembed --abandon`"):
            writer.begin_reembed(other_weights)
    assert filled.catalog.pending_encoder() == encoder


def test_the_encoder_in_use_is_no_new_one(filled, weights):
    with filled.writer() as writer, pytest.raises(LibraryError) as told:
        writer.begin_reembed(weights)
    assert str(told.value) == f"{weights}: is the encoder that the library uses. Name the new one."


def test_an_empty_library_has_nothing_to_reembed(library, weights):
    with library.writer() as writer, pytest.raises(LibraryError) as told:
        writer.begin_reembed(weights)
    assert str(told.value) == f"{library.directory}: nothing has been indexed. Run `avsearch index FOLDER`."
    assert list((library.directory / "encoders").iterdir()) == []


def test_damaged_weights_begin_nothing(filled, new_weights):
    data = bytearray(new_weights.read_bytes())
    data[-1] ^= 1
    new_weights.write_bytes(data)
    with filled.writer() as writer, pytest.raises(WeightsError, match="damaged"):
        writer.begin_reembed(new_weights)
    assert filled.catalog.pending_encoder() is None


def test_giving_up_leaves_the_old_encoder_and_compact_takes_the_rest_away(
    filled, maker, new_weights, other_weights
):
    before = moments(filled)
    encoder = reembed(filled, maker, new_weights, [1, 2])
    with filled.writer() as writer:
        writer.abandon_reembed()
    assert filled.catalog.pending_encoder() is None
    assert filled.catalog.status().dead_moments == 2 * 4
    compact(filled, Silent())
    assert moments(filled) == before
    assert not filled.encoder_path(encoder).exists()
    assert [one.id for one in filled.catalog.encoders()] == [filled.snapshot().encoder.id]
    again = reembed(filled, maker, new_weights, [1, 2, 3])
    assert filled.catalog.uncovered_media(again.id) == []
    assert verify(filled) == []


def test_after_giving_up_the_same_encoder_goes_on_where_it_was(filled, maker, new_weights):
    encoder = reembed(filled, maker, new_weights, [1, 2])
    with filled.writer() as writer:
        writer.abandon_reembed()
        assert writer.begin_reembed(new_weights) == encoder
    assert filled.catalog.uncovered_media(encoder.id) == [3]


def test_compact_keeps_what_is_being_made_and_the_old_vectors_too(filled, maker, new_weights):
    before = moments(filled)
    for media_id in (1, 2, 3):
        encoder = reembed(filled, maker, new_weights, [media_id], seed=media_id)
    compact(filled, Silent())
    assert len(named_segments(filled)) == 4
    assert moments(filled) == before
    assert filled.catalog.uncovered_media(encoder.id) == []
    switch(filled, encoder)
    assert moments(filled).keys() == before.keys()
    assert verify(filled) == []


def test_after_the_switch_compact_removes_the_old_encoder_with_all_it_made(filled, maker, new_weights):
    old = filled.snapshot().encoder
    switch(filled, reembed(filled, maker, new_weights, [1, 2, 3]))
    after = moments(filled)
    compact(filled, Silent())
    assert moments(filled) == after
    assert [path.name for path in (filled.directory / "encoders").iterdir()] == [
        filled.encoder_path(filled.snapshot().encoder).name
    ]
    assert old not in filled.catalog.encoders()


def test_indexes_over_the_old_vectors_go_with_the_switch(filled, maker, new_weights):
    encoder = reembed(filled, maker, new_weights, [1, 2, 3])
    records = [record_path(filled.layout.ann, modality) for modality in Modality]
    for record in records:
        record.parent.mkdir(exist_ok=True)
        record.write_text("of the old vectors")
    switch(filled, encoder)
    assert [record.exists() for record in records] == [False, False]


def test_only_the_pending_encoder_can_be_switched_to_and_only_with_its_weights(filled, maker, new_weights):
    old = filled.snapshot().encoder
    encoder = reembed(filled, maker, new_weights, [1, 2, 3])
    with filled.writer() as writer:
        with pytest.raises(LibraryError, match=r"No vectors of .* being made\. Run `avsearch library reembed`\."):
            writer.switch_encoder(old)
        filled.encoder_path(encoder).write_bytes(b"short")
        with pytest.raises(LibraryError, match=r"or damaged\. Run the same `avsearch library reembed` again"):
            writer.switch_encoder(encoder)
        writer.begin_reembed(new_weights)
        writer.switch_encoder(encoder)
    assert filled.snapshot().encoder == encoder


def test_indexing_goes_on_with_the_new_encoder_after_the_switch(filled, fill, maker, weights, new_weights):
    encoder = reembed(filled, maker, new_weights, [1, 2, 3])
    switch(filled, encoder)
    with filled.writer() as writer:
        with pytest.raises(LibraryError, match="never compared"):
            writer.use_encoder(weights)
        writer.publish(maker(writer, 1, np.random.default_rng(3)).batch("d"))
    assert "4:audio:0" in moments(filled)
    assert filled.catalog.uncovered_media(encoder.id) == []
    assert verify(filled) == []


def test_a_moment_cannot_be_given_a_second_vector_of_the_same_encoder(filled, maker):
    with filled.writer() as writer:
        active = writer.catalog.active_encoder()
        with pytest.raises(ValueError, match=r"media \[2\] have image vectors"):
            writer.publish_rows(active, new_rows(maker, writer, [2]), media_ids=[2])
        with pytest.raises(ValueError, match=r"media \[4\] that were not dealt with"):
            writer.publish_rows(active, new_rows(maker, writer, [4]), media_ids=[5])
        rows = {Modality.IMAGE: Rows(np.eye(1, 7, dtype=np.float32), np.array([9]), np.array([0]))}
        with pytest.raises(ValueError, match="7-dimensional"):
            writer.publish_rows(active, rows, media_ids=[9])
    assert verify(filled) == []


def test_vectors_of_media_that_do_not_exist_are_refused_by_the_database(filled, maker):
    with filled.writer() as writer:
        active = writer.catalog.active_encoder()
        with pytest.raises(LibraryError, match="cannot be written"):
            writer.publish_rows(active, new_rows(maker, writer, [77]), media_ids=[77])
    assert verify(filled) == []


def test_lost_vectors_of_one_modality_are_made_again_and_those_of_the_other_stay(filled, maker):
    before = moments(filled)
    record = next(one for one in filled.snapshot().segments if one.modality is Modality.AUDIO)
    rows = filled.view(Modality.AUDIO).segments[Modality.AUDIO][0]
    (filled.layout.shelf.folder / record.name).write_bytes(b"damaged")
    assert damaged_segments(filled) == [record]
    with filled.writer() as writer:
        writer.drop_segments([record])
        assert not (filled.layout.shelf.folder / record.name).exists()
        active = writer.catalog.active_encoder()
        assert writer.catalog.lost(active.id) == [Lost(media_id, Modality.AUDIO) for media_id in (1, 2, 3)]
        problem = f"The audio vectors that {active} made of 3 media are lost; run `avsearch library repair`."
        assert [str(one) for one in verify(filled)] == [problem]
        writer.publish_rows(active, {Modality.AUDIO: rows}, media_ids=[1, 2, 3])
    assert moments(filled) == before
    assert verify(filled) == []


def test_a_batch_covers_its_media_in_both_modalities_also_where_nothing_was_found(filled, maker):
    with filled.writer() as writer:
        make = maker(writer, 1)
        silent, loud = make.media("silent"), make.media("loud")
        writer.publish(
            Batch(
                media=(silent, loud),
                rows={Modality.AUDIO: make.rows([loud.id])},
                files=(make.file(b"silent", silent.id), make.file(b"loud", loud.id)),
            )
        )
    active = filled.catalog.active_encoder()
    assert {silent.id, loud.id} <= filled.catalog.covered_media(active.id)
    assert filled.catalog.uncovered_media(active.id) == filled.catalog.lost(active.id) == []
    assert verify(filled) == []


def test_media_that_no_encoder_has_looked_at_are_not_covered(filled, maker):
    with filled.writer() as writer:
        make = maker(writer, 1)
        bare = make.media("bare")
        writer.publish(Batch(media=(bare,), files=(make.file(b"bare", bare.id),)))
    assert filled.catalog.uncovered_media(filled.catalog.active_encoder().id) == [bare.id]
