"""A library in figures."""

import time
from dataclasses import asdict

import pytest

from avsearch.catalog import FileState, Publication, State
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
    }
    assert list(status.failures) == ["It is empty.", "It is text."]


def test_status_of_an_empty_catalog_is_all_zero(catalog):
    status = catalog.status()
    assert (status.num_roots, status.hours, status.num_segments, status.segment_bytes) == (0, 0.0, 0, 0)
    assert status.encoder is None
    assert not any({**status.files, **status.media, **status.moments, **status.failures}.values())


@pytest.mark.slow
def test_status_and_snapshot_of_a_hundred_thousand_media_take_less_than_a_second(
    catalog, footage, add_media, film, encoder, segment
):
    root = catalog.add_root(footage)
    catalog.activate_encoder(encoder)
    for part in range(20):
        ids = add_media(root, *[film] * 5000)
        rows = dict.fromkeys(ids, 100)
        made = tuple(segment(f"{modality}{part}", modality, rows) for modality in Modality)
        catalog.publish(Publication(segments=made))
    started = time.process_time()
    assert catalog.status().moments == {"image": 10_000_000, "audio": 10_000_000}
    assert time.process_time() - started < 1
    started = time.process_time()
    assert len(catalog.snapshot().live_media_ids) == 100_000
    assert time.process_time() - started < 1
