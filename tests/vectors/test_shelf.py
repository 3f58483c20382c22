"""One test of all shelves: a folder, S3, and what else fsspec reaches; the truth is the bytes that lie there."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import fsspec
import numpy as np
import pytest

from avsearch.errors import LibraryError
from avsearch.moments import Modality
from avsearch.remote import Copies
from avsearch.vectors import LocalShelf, RemoteShelf, Rows, Shelf, write_segment
from avsearch.vectors.remote_shelf import OWNER_NAME
from avsearch.vectors.segments import SMALL_BYTES

FINGERPRINT = "0123456789abcdef" * 2
LIBRARY_ID = "a" * 32


@dataclass
class Place:
    """A shelf, and another way to look at what lies on it."""

    shelf: Shelf
    stored: Callable[[], dict[str, bytes]]
    change: Callable[[str, Callable[[bytes], bytes | None]], None]

    @property
    def segments(self):
        return {name: data for name, data in self.stored().items() if name != OWNER_NAME}


def in_folder(folder, shelf):
    def change(name, to):
        data = to((folder / name).read_bytes())
        (folder / name).unlink()
        if data is not None:
            (folder / name).write_bytes(data)

    return Place(shelf, lambda: {path.name: path.read_bytes() for path in folder.iterdir()}, change)


def in_memory(url, shelf):
    files, root = fsspec.core.url_to_fs(url)

    def change(name, to):
        data = to(files.cat_file(f"{root}/{name}"))
        files.rm_file(f"{root}/{name}")
        if data is not None:
            files.pipe_file(f"{root}/{name}", data)

    return Place(
        shelf, lambda: {path.rpartition("/")[2]: data for path, data in files.cat(root + "/*").items()}, change
    )


def taken(kind, request, tmp_path):
    """A new place of one kind, taken."""
    folder, copies = tmp_path / "segments", Copies(tmp_path / "copies", 1 << 30)
    folder.mkdir()
    if kind == "folder":
        found = in_folder(folder, LocalShelf(folder))
    elif kind == "file":
        found = in_folder(folder, RemoteShelf(f"file://{folder}", LIBRARY_ID, copies))
    elif kind == "memory":
        url = f"memory://{uuid4().hex}"
        found = in_memory(url, RemoteShelf(url, LIBRARY_ID, copies))
    else:
        store, prefix = request.getfixturevalue("object_store"), uuid4().hex
        found = Place(
            RemoteShelf(store.url(prefix), LIBRARY_ID, copies),
            lambda: {key.rpartition("/")[2]: data for key, data in store.objects(prefix).items()},
            lambda name, to: store.change(f"{prefix}/{name}", to),
        )
    found.shelf.take()
    return found


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def place(request, tmp_path):
    return taken(request.param, request, tmp_path)


@pytest.fixture(params=["file", "memory", "s3"])
def store(request, tmp_path):
    """A place that is no folder of the library's."""
    return taken(request.param, request, tmp_path)


def rows_of(num_rows, seed=0):
    vector = np.random.default_rng(seed).standard_normal((num_rows, 64)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    return Rows(vector, np.full(num_rows, 7), np.arange(num_rows) * 1_000_000)


def put(place, num_rows=3, seed=0):
    return write_segment(place.shelf, rows_of(num_rows, seed), modality=Modality.AUDIO, fingerprint=FINGERPRINT)


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("num_rows", [1, 3, SMALL_BYTES // 256 + 1], ids=["one row", "small", "mapped"])
def test_what_was_written_lies_there_whole_and_comes_back_to_the_last_bit(place, num_rows):
    segment = put(place, num_rows)
    assert {name: len(data) for name, data in place.segments.items()} == {segment.name: segment.num_bytes}
    for read in (place.shelf.map, place.shelf.reread, place.shelf.map):
        found = read(segment)
        assert np.array_equal(found.vector, rows_of(num_rows).vector)
        assert found.start_us.tolist() == [row * 1_000_000 for row in range(num_rows)]
        assert not found.vector.flags.writeable


def test_several_are_gathered_and_stay_apart(place):
    segments = [put(place, seed=seed) for seed in range(12)]
    place.shelf.gather(segments)
    for seed, segment in enumerate(segments):
        assert np.array_equal(place.shelf.map(segment).vector, rows_of(3, seed).vector)


def test_the_names_that_lie_there_are_told_and_those_deleted_are_gone(place):
    kept, gone = put(place, seed=1), put(place, seed=2)
    assert sorted(place.shelf.names()) == sorted([kept.name, gone.name])
    place.shelf.delete(gone.name)
    place.shelf.delete(gone.name)
    assert place.shelf.names() == [kept.name]
    assert list(place.segments) == [kept.name]
    assert place.shelf.address(kept.name) == f"{place.shelf.place}/{kept.name}"
    with pytest.raises(LibraryError, match=gone.name):
        place.shelf.map(gone)


def test_rows_that_are_mapped_outlive_their_segment(place):
    segment = put(place, SMALL_BYTES // 256 + 1)
    mapped = place.shelf.map(segment)
    place.shelf.delete(segment.name)
    assert np.array_equal(mapped.vector, rows_of(len(mapped)).vector)


@pytest.mark.parametrize(
    ("change", "why"),
    [(flipped, "its checksum is another"), (lambda data: data[:-8], "bytes instead of"), (lambda _: None, "read")],
    ids=["a flipped bit", "cut short", "gone"],
)
def test_what_is_damaged_where_it_lies_is_told_when_it_is_read_again(place, change, why):
    segment = put(place)
    place.shelf.map(segment)
    place.change(segment.name, change)
    with pytest.raises(LibraryError, match=why) as told:
        place.shelf.reread(segment)
    assert place.shelf.address(segment.name) in str(told.value)


def test_a_place_that_is_not_there_is_not_an_empty_one(place):
    segment = put(place)
    place.shelf.require()
    for name in place.stored():
        place.change(name, lambda _: None)
    if place.shelf.folder is not None:
        place.shelf.folder.rmdir()
    with pytest.raises(LibraryError, match="not there"):
        place.shelf.require()
    with pytest.raises(LibraryError, match=str(place.shelf.place)):
        place.shelf.reread(segment)


def test_the_owner_of_a_place_in_a_store_is_the_library(store):
    assert json.loads(store.stored()[OWNER_NAME]) == {"library_id": LIBRARY_ID}
    segment = put(store)
    store.change(OWNER_NAME, lambda data: data.replace(b"a" * 32, b"b" * 32))
    for refused in (store.shelf.require, store.shelf.names):
        with pytest.raises(LibraryError, match="belongs to another library"):
            refused()
    assert list(store.segments) == [segment.name]


def test_a_place_that_holds_something_is_not_taken_and_one_of_a_creation_that_was_cut_off_is(store):
    store.shelf.take()
    put(store)
    with pytest.raises(LibraryError, match="something lies there already"):
        store.shelf.take()
