"""A disk that fills up while the library is being written, wherever that happens."""

import os
import shutil
import subprocess

import pytest

from avsearch.errors import LibraryError
from avsearch.library import create_library, open_library
from avsearch.library.lock import write_lock
from tests.crash.running import assert_same, assert_sound, contents, is_made

DISK_BYTES = 8 << 20
SOME_FAILED = 3


def mount(folder, num_bytes, *options):
    words = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={num_bytes}", *options]), "tmpfs", folder]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own; only root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, DISK_BYTES)
    yield folder
    subprocess.run(["umount", folder], check=True)


def leave_room(disk, num_bytes):
    """Fill the disk but for so many bytes, with a file that is returned."""
    ballast, status = disk / "ballast", os.statvfs(disk)
    ballast.write_bytes(b"\0" * (status.f_bavail * status.f_frsize - num_bytes))
    return ballast


def complaint(printed):
    """The error that a run printed, in one sentence that is followed by what to do, and nothing else."""
    [first, hint] = printed.splitlines()[-2:]
    assert first.startswith("error: ")
    assert printed.count("error:") == 1
    assert hint.startswith("Check ")
    return first


@pytest.mark.slow
def test_wherever_the_disk_is_full_a_sentence_says_so_and_with_more_room_the_run_completes(
    nursery, disk, few, weights, all_of_few
):
    words = ["index", few, "--model", weights, "--workers", 1]
    complaints = set()
    for room in range(0, DISK_BYTES, 40 << 10):
        library = disk / "library"
        ballast = leave_room(disk, room)
        code, printed = nursery.run(*words, "--library", library, commit_every_s=0)
        ballast.unlink()
        if is_made(library):
            assert_sound(library, all_of_few)
        nursery.complete(*words, "--library", library, code=SOME_FAILED)
        assert_same(contents(open_library(library)), all_of_few)
        if code == SOME_FAILED:
            break
        assert code == 1, printed
        complaints.add(complaint(printed))
        shutil.rmtree(library)
    assert any("(No space left on device)" in it for it in complaints)
    assert any("catalog cannot be written (database or disk is full)" in it for it in complaints)
    assert room > 10 * (40 << 10)


@pytest.mark.slow
def test_a_disk_that_is_full_of_segments_keeps_what_was_committed_and_answers(
    nursery, clips, weights, all_of_clips, tmp_path
):
    library = tmp_path / "library"
    segments = create_library(library).layout.shelf.folder
    mount(segments, 64 << 10)
    try:
        words = ["index", clips, "--library", library, "--model", weights]
        code, printed = nursery.run(*words, commit_every_s=0)
        assert code == 1, printed
        assert f"{segments}/" in complaint(printed)
        assert "No space left on device" in complaint(printed)
        assert 0 < len(assert_sound(library, all_of_clips)) < len(all_of_clips)
        mount(segments, DISK_BYTES, "remount")
        nursery.complete(*words)
        assert_same(assert_sound(library, all_of_clips), all_of_clips)
    finally:
        subprocess.run(["umount", segments], check=True)


def test_the_lock_of_a_writer_needs_no_room(disk):
    """What gives room, as `compact` does, takes it too."""
    (disk / "writer.lock").touch()
    leave_room(disk, 0)
    refused = pytest.raises(LibraryError, match=r"another avsearch writes to this library \(process unknown\)")
    with write_lock(disk), refused, write_lock(disk):
        pytest.fail("two have the lock")
