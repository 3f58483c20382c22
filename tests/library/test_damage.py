"""Whatever is flipped, cut off or exchanged in a segment is found, and is never searched."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.errors import LibraryError
from avsearch.library import Batch, damaged_segments, open_library, verify
from avsearch.moments import Modality
from avsearch.vectors import Rows


@pytest.fixture
def filled(library, fill):
    fill("a", "b")
    return library


def segment_paths(library):
    return sorted((library.directory / "segments").iterdir())


def region_of(data, name):
    """The bytes [start, end) of a part of a segment, read off its safetensors header by hand."""
    first = 8 + int.from_bytes(data[:8], "little")
    text = data[8:first].decode()
    padding = len(text) - len(text.rstrip(" "))
    if name in {"vector", "media_id", "start_us"}:
        start, end = json.loads(text)[name]["data_offsets"]
        return first + start, first + end
    return {"length": (0, 8), "header": (8, first - padding), "padding": (first - padding, first)}[name]


@pytest.fixture
def padded(library, weights, footage, maker):
    """Segments whose headers are padded: with 20 moments, their text is two bytes longer than a multiple of 8."""
    with library.writer() as writer:
        writer.use_encoder(weights)
        make = maker(writer, writer.catalog.add_root(footage).id)
        media = make.media("a")
        rows = Rows(np.tile(np.eye(4, dtype=np.float32), (5, 1)), np.full(20, media.id), np.arange(20))
        files = (make.file(b"a", media.id),)
        writer.publish(Batch(media=(media,), rows=dict.fromkeys(Modality, rows), files=files))
    return library


@pytest.mark.slow
@pytest.mark.sqlite
@pytest.mark.parametrize("region", ["length", "header", "padding", "media_id", "start_us", "vector"])
def test_any_flipped_bits_of_any_part_of_a_segment_are_found_and_never_searched(padded, region):
    record = padded.snapshot().segments[0]
    path = padded.layout.shelf.folder / record.name
    data = path.read_bytes()
    start, end = region_of(data, region)
    assert end > start

    @settings(max_examples=20, deadline=None)
    @given(st.integers(start, end - 1), st.integers(1, 255))
    def flip(position, bits):
        damaged = bytearray(data)
        damaged[position] ^= bits
        path.write_bytes(damaged)
        (problem,) = verify(padded)
        assert path.name in str(problem)
        assert str(problem).endswith("; run `avsearch library repair`.")
        assert damaged_segments(padded) == [record]
        with pytest.raises(LibraryError, match=path.name):
            open_library(padded.directory).view(record.modality)

    flip()
    path.write_bytes(data)
    assert verify(padded) == damaged_segments(padded) == []


@pytest.mark.slow
@pytest.mark.sqlite
def test_every_flipped_byte_of_a_segment_is_a_problem(filled):
    path = segment_paths(filled)[0]
    data = path.read_bytes()
    for position in range(0, len(data), 11):
        damaged = bytearray(data)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        assert path.name in str(verify(filled)[0])
    path.write_bytes(data)
    assert verify(filled) == []


def test_bytes_too_many_or_too_few_are_found(filled):
    path = segment_paths(filled)[0]
    data = path.read_bytes()
    for changed in (data + b"\0", data[:-1], b""):
        path.write_bytes(changed)
        assert [record.name for record in damaged_segments(filled)] == [path.name]


def test_two_segments_that_changed_places_are_found(filled):
    one, other = segment_paths(filled)
    one_bytes, other_bytes = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_bytes)
    other.write_bytes(one_bytes)
    assert sorted(record.name for record in damaged_segments(filled)) == [one.name, other.name]
