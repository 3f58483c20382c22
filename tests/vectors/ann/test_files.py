"""Indexes on disk: what is opened is what was written, and anything else is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from avsearch.errors import LibraryError
from avsearch.moments import Modality
from avsearch.vectors import SegmentFile
from avsearch.vectors.ann import files, record
from avsearch.vectors.ann.choosing import over
from avsearch.vectors.ann.files import check, coverage, drop, open_approximate, publish
from avsearch.vectors.ann.record import AnnRecord, Covered, Measured, Tuning, read_record
from tests.vectors.ann.made import DIM, clustered, segments_of, structure_of

IMAGE = Modality.IMAGE
FINGERPRINT = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def segments():
    return segments_of(np.random.default_rng(0), 1200, 800)


@pytest.fixture(scope="module")
def structures(segments):
    return {name: structure_of(segments, name) for name in ("ivf", "ivf-sq8", "hnsw", "hnsw-sq8")}


def named(segments):
    return [
        (SegmentFile(f"{at}.safetensors", IMAGE, FINGERPRINT, len(rows), DIM, 1, f"{at:032x}"), rows)
        for at, rows in enumerate(segments)
    ]


def published(directory, structure, segments):
    told = AnnRecord(
        modality=IMAGE,
        fingerprint=FINGERPRINT,
        dim=DIM,
        kind_name=structure.kind.name,
        tuning=Tuning(12, 2),
        segments=tuple(Covered(it.name, it.num_rows, it.checksum) for it, _ in named(segments)),
        num_media=400,
        measured=Measured(0.95, {"image-image": 0.97, "audio-image": 0.96}, 0.02, 0.001, 3.0),
        file="",
        num_bytes=0,
        checksum="",
    )
    return publish(directory, structure, told)


def opened(directory, segments, **changes):
    return open_approximate(directory, IMAGE, named(segments), **{"fingerprint": FINGERPRINT} | changes)


@pytest.mark.parametrize("name", ["ivf", "ivf-sq8", "hnsw", "hnsw-sq8"])
def test_what_is_opened_answers_as_what_was_written(tmp_path, structures, segments, name):
    written = published(tmp_path, structures[name], segments)
    assert read_record(tmp_path, IMAGE) == written
    assert written.num_bytes == (tmp_path / written.file).stat().st_size
    queries = clustered(np.random.default_rng(3), 10)
    found = opened(tmp_path, segments).nearest(queries, 20)
    truth = over(structures[name], Tuning(12, 2), segments).nearest(queries, 20)
    assert np.array_equal(found.row, truth.row)
    assert np.array_equal(found.scores, truth.scores)


def test_where_there_is_none_nothing_is_opened(tmp_path, segments):
    assert opened(tmp_path, segments) is None
    assert opened(tmp_path / "nowhere", segments) is None


def test_a_flipped_bit_anywhere_in_the_index_is_refused(tmp_path, structures, segments):
    path = tmp_path / published(tmp_path, structures["ivf"], segments).file
    whole = path.read_bytes()
    for at in (0, 5, 40, len(whole) // 2, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(LibraryError, match=r"damaged"):
            opened(tmp_path, segments)
    path.write_bytes(whole)
    assert opened(tmp_path, segments) is not None


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_truncated_index_is_refused(tmp_path, structures, segments, length):
    path = tmp_path / published(tmp_path, structures["hnsw"], segments).file
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(LibraryError, match=f"{path.name}.*damaged"):
        opened(tmp_path, segments)


def test_a_missing_index_is_refused(tmp_path, structures, segments):
    told = published(tmp_path, structures["ivf"], segments)
    (tmp_path / told.file).unlink()
    with pytest.raises(LibraryError, match="No such file"):
        opened(tmp_path, segments)
    with pytest.raises(LibraryError, match="No such file"):
        check(tmp_path, told)


def test_an_index_of_another_encoder_is_refused(tmp_path, structures, segments):
    told = published(tmp_path, structures["ivf"], segments)
    with pytest.raises(LibraryError, match=r"another encoder"):
        opened(tmp_path, segments, fingerprint="f" * 32)
    assert coverage(told, [it for it, _ in named(segments)], fingerprint="f" * 32) == 0


def test_an_index_of_a_later_version_is_refused(tmp_path, structures, segments):
    published(tmp_path, structures["ivf"], segments)
    path = tmp_path / "image.json"
    fields = json.loads(path.read_bytes())
    fields["format_version"] = record.FORMAT_VERSION + 1
    path.write_text(json.dumps(fields))
    with pytest.raises(LibraryError, match="newer avsearch"):
        opened(tmp_path, segments)


def test_a_record_with_any_other_byte_is_refused_or_means_the_same(tmp_path, structures, segments):
    told = published(tmp_path, structures["ivf"], segments)
    path = tmp_path / "image.json"
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        try:
            assert read_record(tmp_path, IMAGE) == told
        except LibraryError:
            refused += 1
    assert refused > len(whole) / 7 / 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"format_version": 1}',
        '{"format_version": "x", "checksum": "", "record": {}}',
        "[" * 9999,
    ],
)
def test_a_record_that_is_none_is_refused(tmp_path, segments, text):
    (tmp_path / "image.json").write_text(text)
    with pytest.raises(LibraryError, match="is damaged"):
        opened(tmp_path, segments)


def test_a_record_that_names_a_file_elsewhere_is_refused(tmp_path, structures, segments):
    """It would be a way to have any file read."""
    told = published(tmp_path, structures["ivf"], segments)
    with pytest.raises(ValueError, match="file"):
        replace(told, file="../../secret.faiss")


def test_an_index_of_other_rows_than_its_record_says_is_refused(tmp_path, structures, segments):
    told = published(tmp_path, structures["ivf"], segments[:1])
    assert told.num_rows != len(structures["ivf"])
    with pytest.raises(LibraryError, match="not what its record says"):
        opened(tmp_path, segments)


def test_a_segment_of_the_same_name_with_other_content_counts_as_gone(tmp_path, structures, segments):
    told = published(tmp_path, structures["ivf"], segments)
    others = [
        (replace(it, checksum="0" * 32 if at else it.checksum), rows)
        for at, (it, rows) in enumerate(named(segments))
    ]
    assert coverage(told, [it for it, _ in others], fingerprint=FINGERPRINT) == len(segments[0])
    found = open_approximate(tmp_path, IMAGE, others, fingerprint=FINGERPRINT)
    assert [it.place for it in found.held] == [0, -1]


def test_an_index_of_nothing_that_is_searched_is_refused(tmp_path, structures, segments):
    published(tmp_path, structures["ivf"], segments)
    with pytest.raises(LibraryError, match="nothing that is searched"):
        open_approximate(tmp_path, IMAGE, [], fingerprint=FINGERPRINT)


def test_a_new_index_takes_the_place_of_the_old_and_what_was_left_is_swept(tmp_path, structures, segments):
    (tmp_path / f"{'a' * 32}.faiss.partial").write_bytes(b"left by a killed writer")
    old = published(tmp_path, structures["ivf"], segments)
    new = published(tmp_path, structures["hnsw"], segments)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["image.json", new.file])
    assert old.file != new.file
    drop(tmp_path, Modality.AUDIO)
    assert opened(tmp_path, segments).structure.kind.name == "hnsw"
    drop(tmp_path, IMAGE)
    assert list(tmp_path.iterdir()) == []
    assert opened(tmp_path, segments) is None


@pytest.mark.parametrize("step", ["write", "write_record"])
def test_a_writer_that_fails_at_any_step_leaves_what_was_there(tmp_path, structures, segments, monkeypatch, step):
    old = published(tmp_path, structures["ivf"], segments)

    def full(*_given):
        raise LibraryError("the disk is full")

    monkeypatch.setattr(*((type(structures["ivf"]), step) if step == "write" else (files, step)), full)
    with pytest.raises(LibraryError, match="full"):
        published(tmp_path, structures["hnsw"], segments)
    monkeypatch.undo()
    assert read_record(tmp_path, IMAGE) == old
    assert opened(tmp_path, segments) is not None
    files.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["image.json", old.file])
