"""What an encoder has dealt with, what of that is lost, and how one encoder takes the place of another."""

import pytest

from avsearch.catalog import (
    Coverage,
    FileState,
    IndexedMedia,
    Lost,
    NewEncoder,
    Publication,
    Replacement,
    State,
)
from avsearch.errors import LibraryError
from avsearch.moments import Modality

IMAGE, AUDIO = Modality
OTHER = NewEncoder("0" * 32, "l3", "paper", "l3", 512)


@pytest.fixture
def active(catalog, encoder):
    return catalog.activate_encoder(encoder)


@pytest.fixture
def root(catalog, footage):
    return catalog.add_root(footage)


@pytest.fixture
def ids(add_media, root, sound):
    """Four live media."""
    return add_media(root, sound, sound, sound, sound)


def covered(fingerprint, counts):
    """`counts`: media id -> (image moments, audio moments)."""
    return tuple(
        Coverage(fingerprint, media_id, modality, count)
        for media_id, both in counts.items()
        for modality, count in zip(Modality, both, strict=True)
    )


def as_state(root, media_id, state):
    return FileState(root.id, f"file{media_id}".encode(), 10, 20, state, media_id=media_id)


def test_a_media_is_covered_also_where_an_encoder_made_nothing_of_it(catalog, active, ids):
    first, silent, *rest = ids
    catalog.publish(Publication(coverage=covered(active.fingerprint, {first: (2, 3), silent: (0, 0)})))
    assert catalog.covered_media(active.id) == {first, silent}
    assert catalog.media_hashes(active.id) == {f"hash{first}": first, f"hash{silent}": silent}
    assert catalog.uncovered_media(active.id) == rest
    other = catalog.register_encoder(OTHER)
    assert catalog.covered_media(other.id) == set()
    assert catalog.media_hashes(other.id) == {}
    assert catalog.uncovered_media(other.id) == ids


def test_only_live_media_wait_to_be_covered(catalog, active, root, ids):
    states = (State.INDEXED, State.MISSING, State.REMOVED)
    catalog.set_files([as_state(root, media_id, state) for media_id, state in zip(ids, states, strict=False)])
    assert catalog.uncovered_media(active.id) == [ids[0], ids[3]]


def test_vectors_are_lost_when_their_segment_is_dropped(catalog, active, ids, segment):
    a, b, c, _ = ids
    catalog.publish(
        Publication(
            segments=(
                segment("images", IMAGE, {a: 2, b: 1}),
                segment("sounds1", AUDIO, {a: 3}),
                segment("sounds2", AUDIO, {a: 1, c: 1}),
            ),
            coverage=covered(active.fingerprint, {a: (2, 4), b: (1, 0), c: (0, 1)}),
        )
    )
    assert catalog.lost(active.id) == []
    catalog.drop_segments(["sounds2"])
    assert catalog.lost(active.id) == [Lost(a, AUDIO), Lost(c, AUDIO)]
    assert catalog.rows_of_media("sounds2") == {}
    catalog.drop_segments(["images", "sounds1"])
    assert catalog.lost(active.id) == [Lost(a, AUDIO), Lost(a, IMAGE), Lost(b, IMAGE), Lost(c, AUDIO)]
    assert catalog.all_segments() == ()
    assert catalog.covered_media(active.id) == {a, b, c}


def test_what_is_made_again_is_no_longer_lost(catalog, active, ids, segment):
    media_id = ids[0]
    made = Publication((), (segment("one", AUDIO, {media_id: 3}),), coverage=covered("f" * 32, {media_id: (0, 3)}))
    catalog.publish(made)
    catalog.drop_segments(["one"])
    again = (Coverage("f" * 32, media_id, AUDIO, 2),)
    catalog.publish(Publication(segments=(segment("two", AUDIO, {media_id: 2}),), coverage=again))
    assert catalog.lost(active.id) == []


def test_a_media_is_lost_while_its_file_may_come_back_and_not_when_it_was_removed(
    catalog, active, root, ids, segment
):
    rows = dict.fromkeys(ids, 1)
    counts = dict.fromkeys(ids, (1, 0))
    catalog.publish(Publication(segments=(segment("one", IMAGE, rows),), coverage=covered("f" * 32, counts)))
    states = (State.INDEXED, State.MISSING, State.REMOVED)
    catalog.set_files([as_state(root, media_id, state) for media_id, state in zip(ids, states, strict=False)])
    catalog.drop_segments(["one"])
    assert [lost.media_id for lost in catalog.lost(active.id)] == [ids[0], ids[1], ids[3]]


def test_a_media_can_be_reclaimed_when_no_file_is_indexed_or_missing(catalog, root, ids, sound):
    a, b, c, d = ids
    catalog.publish(Publication(media=(IndexedMedia(90, "never had a file", sound),)))
    catalog.set_files(
        [
            as_state(root, a, State.REMOVED),
            as_state(root, b, State.MISSING),
            as_state(root, c, State.REMOVED),
            FileState(root.id, b"copy of c", 1, 1, State.INDEXED, media_id=c),
            FileState(root.id, f"file{d}".encode(), 1, 1, State.FAILED, "It is empty.", media_id=d),
            FileState(root.id, b"gone before it was read", 1, 1, State.MISSING),
        ]
    )
    assert catalog.reclaimable_media() == {a, d, 90}


def test_replaced_segments_and_forgotten_media_go_in_one_commit(catalog, active, root, ids, segment):
    a, b, c, d = ids
    kept = segment("kept", IMAGE, {a: 1})
    catalog.publish(
        Publication(
            segments=(kept, segment("old1", AUDIO, {a: 2, b: 1}), segment("old2", AUDIO, {c: 4, d: 1})),
            labels=dict.fromkeys(ids, ("flute",)),
            coverage=covered(active.fingerprint, {a: (1, 2), b: (0, 1), c: (0, 4), d: (0, 1)}),
        )
    )
    catalog.set_files([as_state(root, b, State.REMOVED), as_state(root, d, State.REMOVED)])
    new = segment("new", AUDIO, {a: 2, c: 4})
    catalog.replace_segments(Replacement(old=("old1", "old2"), new=(new,), forgotten=(b, d)))
    assert catalog.all_segments() == (kept.record, new.record)
    assert catalog.rows_of_media("new") == {a: 2, c: 4}
    assert list(catalog.media_records(ids)) == [a, c]
    assert catalog.media_by_hash([f"hash{b}"]) == {}
    assert catalog.covered_media(active.id) == {a, c}
    assert catalog.lost(active.id) == []
    assert catalog.reclaimable_media() == set()
    states = catalog.files_of(root.id)
    assert [states[f"file{i}".encode()].media_id for i in ids] == [a, None, c, None]
    assert states[f"file{b}".encode()].state is State.REMOVED
    assert catalog.problems() == []


@pytest.mark.parametrize("state", [State.INDEXED, State.MISSING])
def test_a_media_that_a_file_holds_is_not_forgotten_and_nothing_is_changed(
    catalog, active, root, ids, segment, state
):
    old = segment("old", AUDIO, {ids[0]: 2})
    catalog.publish(Publication(segments=(old,)))
    catalog.set_files([as_state(root, ids[0], state)])
    with pytest.raises(LibraryError, match="cannot be forgotten"):
        catalog.replace_segments(Replacement(old=("old",), new=(), forgotten=(ids[0],)))
    assert catalog.all_segments() == (old.record,)
    assert catalog.rows_of_media("old") == {ids[0]: 2}


def test_rows_of_a_forgotten_media_in_a_segment_that_stays_are_of_nobody(catalog, active, root, ids, segment):
    stays = segment("stays", IMAGE, {ids[0]: 5, ids[1]: 1})
    catalog.publish(Publication(segments=(stays,)))
    catalog.set_files([as_state(root, ids[0], State.REMOVED)])
    catalog.replace_segments(Replacement(old=(), new=(), forgotten=(ids[0],)))
    assert list(catalog.media_records(ids)) == ids[1:]
    assert catalog.rows_of_media("stays") == {ids[1]: 1}
    assert catalog.status().dead_moments == 5
    assert catalog.problems() == []


def test_an_encoder_is_registered_then_pending_then_active(catalog, active):
    other = catalog.register_encoder(OTHER)
    assert catalog.register_encoder(OTHER) == other
    assert catalog.encoders() == (active, other)
    assert (catalog.active_encoder(), catalog.pending_encoder()) == (active, None)
    catalog.set_pending_encoder(other)
    assert (catalog.active_encoder(), catalog.pending_encoder()) == (active, other)
    catalog.switch_encoder(other)
    assert (catalog.active_encoder(), catalog.pending_encoder()) == (other, None)


def test_a_pending_encoder_can_be_given_up(catalog, active):
    catalog.set_pending_encoder(catalog.register_encoder(OTHER))
    catalog.set_pending_encoder(None)
    assert (catalog.active_encoder(), catalog.pending_encoder()) == (active, None)


def test_a_localizer_is_an_encoder_beside_the_active_and_the_pending_one(catalog, active):
    assert catalog.localizer() is None
    localizer = catalog.set_localizer(OTHER)
    assert catalog.localizer() == localizer == catalog.status().localizer
    assert catalog.encoders() == (active, localizer)
    assert (catalog.active_encoder(), catalog.pending_encoder()) == (active, None)
    assert catalog.snapshot().encoder == active
    with pytest.raises(LibraryError, match="cannot be written"):
        catalog.forget_encoder(localizer)
    assert catalog.set_localizer(OTHER) == localizer
    assert catalog.set_localizer(None) is None
    assert catalog.localizer() is None
    catalog.forget_encoder(localizer)
    assert catalog.encoders() == (active,)


def test_one_encoder_can_be_active_and_the_localizer(catalog, active):
    new = NewEncoder(*(getattr(active, name) for name in NewEncoder.__dataclass_fields__))
    assert catalog.set_localizer(new) == catalog.active_encoder() == active
    assert catalog.encoders() == (active,)


def test_an_encoder_can_lose_all_that_it_made_and_stay(catalog, active, ids, segment):
    other = catalog.activate_encoder(OTHER)
    for made_by in (active, other):
        catalog.publish(Publication(coverage=covered(made_by.fingerprint, {ids[0]: (0, 2)})))
    catalog.publish(Publication(segments=(segment("one", AUDIO, {ids[0]: 2}),)))
    assert [record.fingerprint for record in catalog.all_segments()] == [active.fingerprint]
    catalog.forget_vectors(other)
    assert len(catalog.all_segments()) == 1
    catalog.forget_vectors(active)
    assert catalog.all_segments() == ()
    assert catalog.covered_media(active.id) == catalog.covered_media(other.id) == set()
    assert catalog.encoders() == (active, other)


def test_an_encoder_is_forgotten_with_all_that_it_made_and_not_while_it_is_used(catalog, active, ids, segment):
    other = catalog.activate_encoder(OTHER)
    for made_by in (active, other):
        catalog.publish(Publication(coverage=covered(made_by.fingerprint, {ids[0]: (0, 2)})))
    catalog.publish(Publication(segments=(segment("one", AUDIO, {ids[0]: 2}),)))
    with pytest.raises(LibraryError, match="cannot be written"):
        catalog.forget_encoder(other)
    catalog.set_pending_encoder(active)
    with pytest.raises(LibraryError, match="cannot be written"):
        catalog.forget_encoder(active)
    assert [lost.media_id for lost in catalog.lost(active.id)] == []
    catalog.set_pending_encoder(None)
    catalog.forget_encoder(active)
    assert catalog.encoders() == (other,)
    assert catalog.all_segments() == ()
    assert catalog.covered_media(active.id) == set()
    assert catalog.covered_media(other.id) == {ids[0]}


def test_what_is_lost_is_counted(catalog, active, ids, segment):
    counts = {ids[0]: (0, 5), ids[1]: (2, 0)}
    made = (
        segment("one", AUDIO, {ids[0]: 3}),
        segment("two", AUDIO, {ids[0]: 2}),
        segment("p", IMAGE, {ids[1]: 2}),
    )
    catalog.publish(Publication(segments=made, coverage=covered(active.fingerprint, counts)))
    catalog.drop_segments(["two", "p"])
    assert catalog.lost_counts(active.id) == {Lost(ids[0], AUDIO): (5, 3), Lost(ids[1], IMAGE): (2, 0)}


def test_how_uncovered_media_were_read_is_known_by_content(catalog, active, film, sound):
    media = (
        IndexedMedia(1, "film", film, gap_us=300_000),
        IndexedMedia(2, "sound", sound),
        IndexedMedia(3, "x", sound),
    )
    catalog.publish(Publication(media=media, coverage=covered(active.fingerprint, {3: (0, 0)})))
    assert catalog.plans_of_uncovered(active.id) == {"film": (300_000, 1), "sound": (2_000_000, 0)}


def test_files_of_media_are_the_indexed_and_the_missing_ones(catalog, root, ids):
    copies = [
        FileState(root.id, b"a missing", 7, 1, State.MISSING, media_id=ids[0]),
        FileState(root.id, b"removed", 8, 1, State.REMOVED, media_id=ids[0]),
        FileState(root.id, b"unread", 9, 1, State.MISSING),
    ]
    catalog.set_files(copies)
    indexed = as_state(root, ids[0], State.INDEXED)
    assert catalog.files_of_media([99, ids[0]]) == {ids[0]: [(root, indexed), (root, copies[0])]}
    assert catalog.known_sizes() == {10, 7, 8}
