"""A library in figures."""

from dataclasses import asdict, replace

import pytest

from avsearch.catalog import (
    Coverage,
    FileState,
    IndexedMedia,
    NewEncoder,
    NewSegment,
    Publication,
    SegmentRecord,
    State,
)
from avsearch.moments import Modality


def test_status_counts_what_can_be_found(catalog, footage, add_media, film, sound, picture, encoder, segment):
    root = catalog.add_root(footage)
    active = catalog.activate_encoder(encoder)
    ids = add_media(root, film, sound, sound, picture)
    sizes = {Modality.IMAGE: {ids[0]: 10, ids[3]: 1}, Modality.AUDIO: {ids[0]: 9, ids[1]: 2, ids[2]: 3}}
    made = tuple(segment(f"{modality}", modality, rows) for modality, rows in sizes.items())
    catalog.publish(Publication(segments=made))
    catalog.set_files(
        [
            FileState(root.id, f"file{ids[2]}".encode(), 1, 1, State.MISSING, media_id=ids[2]),
            *(FileState(root.id, name, 1, 1, State.FAILED, "It is empty.") for name in (b"x", b"y")),
            FileState(root.id, b"z", 1, 1, State.FAILED, "It is text."),
        ]
    )
    status = catalog.status()
    assert asdict(status) == {
        "num_roots": 1,
        "files": {"indexed": 3, "failed": 3, "missing": 1, "removed": 0},
        "failures": {"It is empty.": 2, "It is text.": 1},
        "media": {"video": 1, "sound": 1, "picture": 1},
        "hours": pytest.approx(3 + 1 / 3600, abs=1e-6),
        "moments": {"image": 11, "audio": 11},
        "num_segments": 2,
        "segment_bytes": 2000,
        "encoder": asdict(active),
        "silent_seconds": 0,
        "still_frames": 0,
        "dead_moments": 0,
        "pending": None,
        "num_pending_done": 0,
        "num_live": 3,
        "localizer": None,
        "indexers": (),
    }
    assert list(status.failures) == ["It is empty.", "It is text."]


def test_status_counts_what_was_left_out_of_live_media(catalog, footage, sound):
    root = catalog.add_root(footage)
    media = tuple(IndexedMedia(i, f"hash{i}", sound, (), num_silent=i, num_still=10 * i) for i in (1, 2, 3))
    files = tuple(FileState(root.id, f"{i}".encode(), 1, 1, State.INDEXED, media_id=i) for i in (1, 2, 3))
    catalog.publish(Publication(media=media, files=files))
    catalog.set_files([replace(files[2], state=State.REMOVED)])
    assert (catalog.status().silent_seconds, catalog.status().still_frames) == (3, 30)


def test_status_tells_how_far_a_new_encoder_is(catalog, footage, add_media, sound, encoder):
    root = catalog.add_root(footage)
    catalog.activate_encoder(encoder)
    ids = add_media(root, sound, sound, sound)
    pending = catalog.register_encoder(NewEncoder("0" * 32, "l3", "paper", "l3", 512))
    catalog.set_pending_encoder(pending)
    done = tuple(Coverage("0" * 32, media_id, modality, 0) for media_id in ids[:2] for modality in Modality)
    catalog.publish(Publication(coverage=done))
    catalog.set_files([FileState(root.id, f"file{ids[1]}".encode(), 1, 1, State.REMOVED, media_id=ids[1])])
    status = catalog.status()
    assert (status.pending, status.num_pending_done, status.num_live) == (pending, 1, 2)


def test_moments_are_dead_when_no_file_may_come_back_or_no_encoder_uses_them(
    catalog, footage, add_media, sound, encoder, segment
):
    root = catalog.add_root(footage)
    catalog.activate_encoder(encoder)
    ids = add_media(root, sound, sound, sound)
    catalog.publish(Publication(segments=(segment("a", Modality.AUDIO, {ids[0]: 1, ids[1]: 10, ids[2]: 100}),)))
    states = {ids[1]: State.MISSING, ids[2]: State.REMOVED}
    catalog.set_files(
        [FileState(root.id, f"file{i}".encode(), 1, 1, state, media_id=i) for i, state in states.items()]
    )
    assert catalog.status().dead_moments == 100
    other = catalog.register_encoder(NewEncoder("0" * 32, "l3", "paper", "l3", 4))
    made = SegmentRecord("b", Modality.AUDIO, other.fingerprint, 1000, 4, 1, "c")
    catalog.publish(Publication(segments=(NewSegment(made, {ids[0]: 1000}),)))
    assert catalog.status().dead_moments == 1100
    catalog.set_pending_encoder(other)
    assert catalog.status().dead_moments == 100
    catalog.switch_encoder(other)
    assert catalog.status().dead_moments == 111


def test_status_of_an_empty_catalog_is_all_zero(catalog):
    status = catalog.status()
    assert (status.num_roots, status.hours, status.num_segments, status.segment_bytes) == (0, 0.0, 0, 0)
    assert status.encoder is None
    assert not any({**status.files, **status.media, **status.moments, **status.failures}.values())
