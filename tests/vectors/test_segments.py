"""Segments: what is written is what is read, to the bit, and nothing else is read."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avsearch.errors import LibraryError
from avsearch.moments import Modality
from avsearch.vectors import LocalShelf, Rows, SegmentFile, map_segment, rows_at, write_segment
from avsearch.vectors.segments import SMALL_BYTES, fault_in_order, fault_in_vectors

FINGERPRINT = "0123456789abcdef0123456789abcdef"


def unit_rows(num_rows, *, dim=4, dtype=np.float32, num_media=3, seed=0):
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal((num_rows, dim))
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    order = rng.permutation(num_rows)
    return Rows(
        vector=vector.astype(dtype),
        media_id=(order % num_media).astype(np.int64) + 1,
        start_us=(order // num_media).astype(np.int64) * 1_000_000,
    )


def write(directory, rows, modality=Modality.IMAGE):
    return write_segment(LocalShelf(directory), rows, modality=modality, fingerprint=FINGERPRINT)


def described(data, *, num_rows=1, dim=2):
    """What the catalog would say about these bytes if it had been made to trust them."""
    return SegmentFile(
        name="a.safetensors",
        modality=Modality.IMAGE,
        fingerprint=FINGERPRINT,
        num_rows=num_rows,
        dim=dim,
        num_bytes=len(data),
        checksum=xxhash.xxh3_128_hexdigest(data),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("num_rows", [1, 7, 2000])
def test_rows_come_back_sorted_by_media_and_time_and_otherwise_unchanged(tmp_path, dtype, num_rows):
    rows = unit_rows(num_rows, dtype=dtype)
    segment = write(tmp_path, rows)
    mapped = map_segment(tmp_path / segment.name, segment)
    expected = sorted(zip(rows.media_id.tolist(), rows.start_us.tolist(), rows.vector.tolist(), strict=True))
    found = list(zip(mapped.media_id.tolist(), mapped.start_us.tolist(), mapped.vector.tolist(), strict=True))
    assert found == expected
    assert mapped.vector.dtype == dtype


def test_three_lines_of_safetensors_read_a_segment_without_avsearch(tmp_path):
    segment = write(tmp_path, unit_rows(5))

    from safetensors.numpy import load_file

    arrays = load_file(tmp_path / segment.name)
    vector, media_id, start_us = arrays["vector"], arrays["media_id"], arrays["start_us"]

    assert vector.shape == (5, 4)
    assert media_id.tolist() == [1, 1, 2, 2, 3]
    assert start_us.tolist() == [0, 1_000_000, 0, 1_000_000, 0]


def test_the_header_names_version_modality_and_encoder(tmp_path):
    segment = write(tmp_path, unit_rows(2), Modality.AUDIO)
    with safetensors.safe_open(tmp_path / segment.name, framework="np") as file:
        assert file.metadata() == {"avsearch_segment": "1", "modality": "audio", "encoder": FINGERPRINT}


def test_what_is_said_about_a_segment_is_true_of_the_file(tmp_path):
    segment = write(tmp_path, unit_rows(9, dim=6))
    data = (tmp_path / segment.name).read_bytes()
    assert (segment.num_rows, segment.dim, segment.num_bytes) == (9, 6, len(data))
    assert segment.checksum == xxhash.xxh3_128(data).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == [segment.name]


def test_a_large_segment_is_mapped_and_not_copied(tmp_path):
    rows = unit_rows(SMALL_BYTES // 64, dim=16)
    segment = write(tmp_path, rows)
    mapped = map_segment(tmp_path / segment.name, segment)
    base = mapped.vector
    while base.base is not None and isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    assert np.array_equal(np.sort(mapped.vector, axis=0), np.sort(rows.vector, axis=0))


def test_mapped_rows_cannot_be_changed(tmp_path):
    segment = write(tmp_path, unit_rows(3))
    mapped = map_segment(tmp_path / segment.name, segment)
    with pytest.raises(ValueError, match="read-only"):
        mapped.vector[0, 0] = 0


def test_every_flipped_byte_is_found(tmp_path):
    segment = write(tmp_path, unit_rows(2))
    path = tmp_path / segment.name
    data = path.read_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(LibraryError, match=r"damaged.*library verify"):
            map_segment(path, segment)


@pytest.mark.parametrize("length", [0, 7, 8, 60, -1])
def test_a_truncated_segment_is_refused(tmp_path, length):
    segment = write(tmp_path, unit_rows(2))
    path = tmp_path / segment.name
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(LibraryError, match=f"{segment.name}.*damaged"):
        map_segment(path, segment)


def test_a_missing_segment_is_named(tmp_path):
    segment = write(tmp_path, unit_rows(2))
    (tmp_path / segment.name).unlink()
    with pytest.raises(LibraryError, match=f"{segment.name}.*No such file.*library verify"):
        map_segment(tmp_path / segment.name, segment)


@pytest.mark.parametrize(
    "change",
    [
        {"modality": Modality.AUDIO},
        {"fingerprint": "f" * 32},
        {"num_rows": 3},
        {"dim": 5},
    ],
)
def test_a_segment_that_contradicts_the_catalog_is_refused(tmp_path, change):
    from dataclasses import replace

    segment = write(tmp_path, unit_rows(2))
    with pytest.raises(LibraryError, match="contradicts the catalog"):
        map_segment(tmp_path / segment.name, replace(segment, **change))


GOOD_HEADER = {
    "__metadata__": {"avsearch_segment": "1", "modality": "image", "encoder": FINGERPRINT},
    "media_id": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
    "start_us": {"dtype": "I64", "shape": [1], "data_offsets": [8, 16]},
    "vector": {"dtype": "F32", "shape": [1, 2], "data_offsets": [16, 24]},
}


def packed(header, body=bytes(24)):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def changed(**entries):
    return {**GOOD_HEADER, **entries}


def vector(**fields):
    return changed(vector={**GOOD_HEADER["vector"], **fields})


HOSTILE = {
    "header longer than the file": struct.pack("<Q", 1 << 62) + bytes(64),
    "header of no bytes": bytes(64),
    "no JSON": struct.pack("<Q", 8) + b"notjson!" + bytes(24),
    "deep JSON": struct.pack("<Q", 40_000) + b"[" * 40_000,
    "huge number": struct.pack("<Q", 10_000) + b"1" * 10_000,
    "a list": packed([]),
    "no metadata": packed({key: value for key, value in GOOD_HEADER.items() if key != "__metadata__"}),
    "metadata of another kind": packed(changed(__metadata__=[1])),
    "a later version": packed(changed(__metadata__={**GOOD_HEADER["__metadata__"], "avsearch_segment": "2"})),
    "unhashable modality": packed(changed(__metadata__={**GOOD_HEADER["__metadata__"], "modality": [1]})),
    "an array too many": packed(changed(more={"dtype": "I64", "shape": [0], "data_offsets": [24, 24]})),
    "an array too few": packed({key: value for key, value in GOOD_HEADER.items() if key != "start_us"}),
    "no entry": packed(changed(vector=None)),
    "unhashable type": packed(vector(dtype=[])),
    "float64": packed(vector(dtype="F64", shape=[1, 1])),
    "one axis": packed(vector(shape=[2])),
    "negative shape": packed(vector(shape=[-1, -2])),
    "boolean shape": packed(vector(shape=[True, 2])),
    "fractional shape": packed(vector(shape=[1.0, 2])),
    "shape beyond the data": packed(vector(shape=[1 << 40, 2])),
    "offsets beyond the file": packed(vector(shape=[1 << 40, 2], data_offsets=[16, 16 + (8 << 40)])),
    "offsets backwards": packed(vector(data_offsets=[24, 16])),
    "three offsets": packed(vector(data_offsets=[16, 20, 24])),
    "overlap": packed(changed(start_us={"dtype": "I64", "shape": [1], "data_offsets": [0, 8]})),
    "gap": packed(vector(data_offsets=[24, 32]), bytes(32)),
    "bytes behind the end": packed(GOOD_HEADER, bytes(32)),
    "misaligned": struct.pack("<Q", len(json.dumps(GOOD_HEADER)) | 1)
    + json.dumps(GOOD_HEADER).encode().ljust(len(json.dumps(GOOD_HEADER)) | 1)
    + bytes(24),
    "columns of other lengths": packed(
        {
            **GOOD_HEADER,
            "media_id": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]},
            "start_us": {"dtype": "I64", "shape": [0], "data_offsets": [16, 16]},
        }
    ),
}


def test_the_header_that_the_hostile_ones_are_made_from_is_good(tmp_path):
    data = packed(GOOD_HEADER)
    (tmp_path / "a.safetensors").write_bytes(data)
    assert len(map_segment(tmp_path / "a.safetensors", described(data))) == 1


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_header_gives_an_error_and_never_a_crash(tmp_path, data):
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(LibraryError, match=r"a\.safetensors: the segment is damaged"):
        map_segment(tmp_path / "a.safetensors", described(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 40) | st.text(max_size=5) | st.sampled_from(["I64", "F32", "F16"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(sorted(GOOD_HEADER)), value=JSON, body=st.binary(max_size=40))
@example(key="vector", value={"dtype": "F16", "shape": [1, 2], "data_offsets": [16, 20]}, body=bytes(20))
def test_any_header_is_either_refused_or_lies_within_the_file(tmp_path_factory, key, value, body):
    data = packed(changed(**{key: value}), body)
    path = tmp_path_factory.mktemp("hostile") / "a.safetensors"
    path.write_bytes(data)
    try:
        rows = map_segment(path, described(data))
    except LibraryError:
        return
    assert rows.vector.nbytes + rows.media_id.nbytes + rows.start_us.nbytes == len(body)


@pytest.mark.parametrize(
    ("vector", "fault"),
    [
        ([[1.0, 0.0], [np.nan, 0.0]], "not finite"),
        ([[1.0, 0.0], [np.inf, 0.0]], "not finite"),
        ([[1.0, 0.0], [0.0, 0.0]], "not unit length"),
        ([[1.0, 0.0], [2.0, 0.0]], "not unit length"),
    ],
)
def test_vectors_that_are_no_unit_vectors_never_reach_the_disk(tmp_path, vector, fault):
    rows = Rows(np.array(vector, np.float32), np.array([1, 2]), np.array([0, 0]))
    with pytest.raises(LibraryError, match=f"{fault}"):
        write(tmp_path, rows)
    assert list(tmp_path.iterdir()) == []


def test_a_moment_that_stands_twice_is_a_mistake_of_the_programmer(tmp_path):
    rows = Rows(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.array([1, 1]), np.array([0, 0]))
    with pytest.raises(ValueError, match="ascend"):
        write(tmp_path, rows)


def test_rows_of_different_lengths_or_types_do_not_fit_together():
    vector = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        Rows(vector, np.array([1]), np.array([0, 1]))
    with pytest.raises(ValueError, match="do not fit"):
        Rows(vector, np.array([1, 2], np.int32), np.array([0, 1]))
    with pytest.raises(ValueError, match="float32 or float16"):
        Rows(vector.astype(np.float64), np.array([1, 2]), np.array([0, 1]))


def test_faults_are_told_apart():
    unit = np.array([[1.0, 0.0], [0.0, 1.0]], np.float16)
    assert fault_in_vectors(Rows(unit, np.array([1, 2]), np.array([0, 0]))) == ""
    assert fault_in_order(Rows(unit, np.array([1, 2]), np.array([5, 0]))) == ""
    assert "ascend" in fault_in_order(Rows(unit, np.array([2, 1]), np.array([0, 5])))
    assert "begin" in fault_in_order(Rows(unit, np.array([1, 1]), np.array([-1, 5])))
    assert "none" in fault_in_order(Rows(unit[:0], np.array([], np.int64), np.array([], np.int64)))


def test_rows_are_found_across_segments():
    parts = [unit_rows(3, seed=1), unit_rows(1, seed=2, dtype=np.float16), unit_rows(4, seed=3)]
    whole = np.concatenate([part.vector.astype(np.float32) for part in parts])
    wanted = np.array([7, 0, 3, 2, 3])
    found = rows_at(parts, wanted)
    assert np.array_equal(found.vector, whole[wanted])
    assert np.array_equal(found.media_id, np.concatenate([part.media_id for part in parts])[wanted])
    assert np.array_equal(found.start_us, np.concatenate([part.start_us for part in parts])[wanted])
    assert len(rows_at([], np.array([], np.int64))) == 0
