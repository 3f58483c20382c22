"""A disk that is really full: a small tmpfs, which only root may mount."""

import subprocess

import pytest

from avsearch.catalog import MediaFilter
from avsearch.errors import LibraryError
from avsearch.library import compact, create_library, export, orphans, remove, verify
from avsearch.moments import Silent
from tests.library.conftest import large_batch
from tests.library.stored import files, moments, segment_files

pytestmark = pytest.mark.slow

NUM_ROWS = 8192  # 256 KB as a segment
NUM_SEGMENTS = 6


@pytest.fixture
def disk(tmp_path):
    """An empty disk of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "avsearch-test", folder]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here ({done.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # segments may still be mapped


@pytest.fixture
def library(disk, weights, footage):
    """On that disk, with six segments, a part of them dead."""
    library = create_library(disk / "library")
    with library.writer() as writer:
        writer.use_encoder(weights)
        root = writer.catalog.add_root(footage)
        for number in range(NUM_SEGMENTS):
            writer.publish(large_batch(writer, root.id, number, NUM_ROWS))
    remove(library, [str(footage / "large0")])
    return library


def fill_up(disk, *, room):
    """Leave so many bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(file.tell() - room)
    return filler


def everything(library):
    return moments(library), files(library), library.catalog.status()


@pytest.mark.parametrize("room", [0, 64 << 10, 512 << 10])
def test_compact_on_a_full_disk_loses_nothing_and_works_once_there_is_room(library, disk, room):
    before = moments(library)
    filler = fill_up(disk, room=room)
    with pytest.raises(
        LibraryError, match=r"cannot be (written|read) \(.*Check"
    ):  # SQLite reads with a file of 32 KB
        compact(library, Silent())
    if room:
        assert moments(library) == before
    filler.unlink()
    assert moments(library) == before
    assert orphans(library) == []
    assert verify(library) == []
    assert compact(library, Silent()).num_segments_after == 1
    assert moments(library) == before
    assert verify(library) == []


def test_work_that_cannot_be_published_on_a_full_disk_changes_nothing(library, disk):
    before, segments = everything(library), segment_files(library)
    filler = fill_up(disk, room=64 << 10)
    with library.writer() as writer:
        batch = large_batch(writer, 1, 99, NUM_ROWS)
        with pytest.raises(LibraryError, match=r"No space left on device.*Check free space"):
            writer.publish(batch)
    assert everything(library) == before
    assert segment_files(library) == segments
    filler.unlink()
    with library.writer() as writer:
        writer.publish(large_batch(writer, 1, 99, NUM_ROWS))
    assert len(moments(library)) == len(before[0]) + NUM_ROWS
    assert verify(library) == []


def test_an_export_to_a_full_disk_leaves_no_piece_of_it(library, disk):
    before = everything(library)
    fill_up(disk, room=64 << 10)
    with pytest.raises(LibraryError, match=r"parquet: cannot be written \(No space left on device\)"):
        export(library, disk / "out", wanted=MediaFilter(), progress=Silent())
    assert list((disk / "out").iterdir()) == []
    assert everything(library) == before
