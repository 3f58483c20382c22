"""Compacting within bounds: of segments, of memory, of a disk that is full."""

import errno
import tracemalloc
from pathlib import Path

import pytest

from avsearch.errors import LibraryError
from avsearch.library import compaction, remove, verify
from tests.library.conftest import large_batch
from tests.library.stored import answers, compacted, files, moments, named_segments, segment_files


@pytest.fixture
def large(library, weights, footage):
    """40 segments of a quarter of a megabyte."""
    with library.writer() as writer:
        writer.use_encoder(weights)
        root = writer.catalog.add_root(footage)
        for number in range(40):
            writer.publish(large_batch(writer, root.id, number, 8192))
    return library


@pytest.mark.sqlite
def test_segments_grow_to_the_wanted_size_and_no_further(large, monkeypatch):
    monkeypatch.setattr(compaction, "MIN_BYTES", 1 << 20)
    monkeypatch.setattr(compaction, "MAX_BYTES", 4 << 20)
    compacted(large)
    sizes = [record.num_bytes for record in large.catalog.all_segments()]
    assert len(sizes) == 3
    assert all(1 << 20 <= size <= 4 << 20 for size in sizes)


@pytest.mark.sqlite
def test_memory_is_that_of_a_few_segments_however_large_the_library_is(large, monkeypatch):
    monkeypatch.setattr(compaction, "MIN_BYTES", 1 << 18)
    monkeypatch.setattr(compaction, "MAX_BYTES", 1 << 20)
    remove(large, [f"{large.catalog.roots()[0].path}/large?0"])
    total = large.catalog.status().segment_bytes
    tracemalloc.start()
    compacted(large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 10 << 20
    assert peak < 7 << 20


class FullDisk:
    """A file that refuses after some bytes, as the last one on a full disk does."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def write(self, data):
        if len(data) > self._room:
            self._file.write(data[: self._room])
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


def fill_disk(monkeypatch, *, room):
    """From now on, files that are written aside have room for so many bytes."""
    opened = Path.open

    def limited(path, mode="r", *rest, **options):
        file = opened(path, mode, *rest, **options)
        return FullDisk(file, room) if path.name.endswith(".partial") else file

    monkeypatch.setattr(Path, "open", limited)


@pytest.mark.parametrize("room", [0, 100, 700])
def test_a_full_disk_changes_nothing(commits, footage, monkeypatch, room):
    remove(commits, [str(footage / name) for name in ("a1", "b3")])
    before = segment_files(commits), files(commits), commits.catalog.status()
    found = answers(commits, k=30)
    fill_disk(monkeypatch, room=room)
    with pytest.raises(LibraryError, match=r"cannot be written \(No space left on device\)\. Check free space"):
        compacted(commits)
    assert (segment_files(commits), files(commits), commits.catalog.status()) == before
    assert named_segments(commits) == set(before[0])
    assert answers(commits, k=30) == found
    assert verify(commits) == []
    monkeypatch.undo()
    assert compacted(commits).num_segments_after == 2


def test_on_a_full_disk_segments_of_which_nothing_stays_give_room_first(thinned, monkeypatch):
    before = moments(thinned)
    gone = {record.name for record in thinned.catalog.all_segments()[2:4]}  # of the second commit
    fill_disk(monkeypatch, room=0)
    with pytest.raises(LibraryError, match="No space left"):
        compacted(thinned)
    assert not gone & set(segment_files(thinned))
    assert moments(thinned) == before
    assert verify(thinned) == []


def test_a_full_disk_in_the_middle_leaves_a_whole_library(thinned, monkeypatch):
    before = moments(thinned)
    commits = []
    write = compaction.write_new_segment

    def second_fails(*arguments, **options):
        commits.append(1)
        if len(commits) == 2:
            raise LibraryError("No room.")
        return write(*arguments, **options)

    monkeypatch.setattr(compaction, "write_new_segment", second_fails)
    with pytest.raises(LibraryError, match="No room"):
        compacted(thinned)
    assert moments(thinned) == before
    assert verify(thinned) == []
    monkeypatch.undo()
    compacted(thinned)
    assert moments(thinned) == before
    assert verify(thinned) == []
