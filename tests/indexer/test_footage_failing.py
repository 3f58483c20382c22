"""What goes wrong between a store and this machine: one sentence each, nothing half done, the next run goes on."""

import fcntl
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from avsearch.errors import LibraryError, MediaError, StorageError
from avsearch.remote import Originals, Version, list_objects
from avsearch.remote import footage as footage_module
from avsearch.remote.copies import files_in
from indexer import fetching
from indexer.build import index
from indexer.index_job import IndexJob
from tests.indexer.known import NOBODY, by_file
from tests.indexer.stores import Memory, copies, run
from tests.indexer.test_footage_in_a_store import bucket, cache, disk, filled, library, states
from tests.object_store import Fault

__all__ = ["bucket", "cache", "disk", "filled", "library"]


def reasons(result):
    return {failure.path.name: failure.reason for failure in result.failures}


def gets_of(name):
    return lambda request: re.search(rf"GET .*/{name}$", request) is not None


@pytest.mark.slow
def test_an_object_that_does_not_come_is_told_and_the_next_run_reads_it(filled, library, disk):
    is_it = gets_of("one.mp4")
    filled.store.fault = lambda request: Fault(500, "InternalError") if is_it(request) else None
    done = run(filled, library, model=disk / "encoder.safetensors")
    assert done.num_indexed == 5
    assert "does not answer" in reasons(done)["one.mp4"]
    assert "one.mp4" not in states(library)
    filled.store.fault = lambda _request: None
    again = run(filled, library)
    assert (again.num_indexed, again.num_unchanged, again.failures) == (1, 5, ())


def test_a_store_that_gives_nothing_any_more_is_not_asked_for_every_file(filled, library, disk, monkeypatch):
    monkeypatch.setattr(fetching, "NUM_AHEAD", 0)
    for number in range(12):
        filled.put(f"more/{number}.wav", bytes([number]) * (100 + number))
    filled.store.fault = lambda request: Fault(403, "AccessDenied") if "GET" in request and "." in request else None
    done = run(filled, library, model=disk / "encoder.safetensors", num_workers=1)
    assert len(done.failures) == 18
    assert len(filled.fetched()) == fetching.MOST_REFUSALS
    assert sum("refuses" in reason for reason in reasons(done).values()) == fetching.MOST_REFUSALS
    assert states(library) == {}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://no-such-bucket/x", "s3://no-such-bucket/x: there is no such file or folder."),
        ("s3://key:secret@footage/x", "The address of a store must not hold credentials."),
        ("nonsense://a/b", "nonsense://a: is of no kind that fsspec knows."),
    ],
)
def test_a_wrong_address_is_one_sentence(url, why, library, disk, cache, object_store):
    with pytest.raises((MediaError, StorageError)) as told:
        index(IndexJob([Path(url)], library, model=disk / "encoder.safetensors"), NOBODY)
    assert told.value.message == why


@pytest.mark.slow
def test_an_object_that_changes_while_it_is_fetched_is_read_by_the_next_run(filled, library, disk):
    other = (disk / "footage" / "deep" / "two.mov").read_bytes()
    is_it, changed = gets_of("one.mp4"), []

    def change():
        if not changed:
            changed.append(True)
            filled.put("one.mp4", other)

    filled.store.fault = lambda request: Fault(after=change) if is_it(request) else None
    done = run(filled, library, model=disk / "encoder.safetensors")
    assert "it changed while it was read" in reasons(done)["one.mp4"]
    filled.store.fault = lambda _request: None
    assert run(filled, library).num_indexed == 1
    assert set(states(library).values()) == {"indexed"}


@pytest.mark.slow
def test_a_block_that_is_cut_off_is_asked_for_again_and_only_that(filled, cache, monkeypatch, disk):
    monkeypatch.setattr(footage_module, "BLOCK_BYTES", 1000)
    place, data = Path(filled.url), (disk / "footage" / "silence.wav").read_bytes()
    version = list_objects(place)["silence.wav"]
    seen = []

    def fault(request):
        if gets_of("silence.wav")(request):
            seen.append(request)
            return Fault(503, "SlowDown") if len(seen) == 3 else None
        return None

    filled.store.fault = fault
    with Originals(cache / "here", 10**9).at_hand(place / "silence.wav", version, lasts=False) as copy:
        assert copy.read_bytes() == data
    assert len(seen) == -(-len(data) // 1000) + 1
    assert [path.name for path in (cache / "here").iterdir()] == ["room.lock"]


@pytest.mark.slow
def test_what_is_larger_than_copies_may_be_fails_with_its_size_and_is_read_once_it_may(
    filled, library, disk, monkeypatch
):
    largest = max((disk / "footage").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    monkeypatch.setenv("AVSEARCH_CACHE_GB", str((largest.stat().st_size - 1) / 1e9))
    done = run(filled, library, model=disk / "encoder.safetensors")
    assert list(reasons(done)) == [largest.name]
    assert "and copies may take" in reasons(done)[largest.name]
    monkeypatch.delenv("AVSEARCH_CACHE_GB")
    assert run(filled, library, retry_failed=True).num_indexed == 1


def test_what_does_not_fit_onto_the_disk_says_so(cache):
    version = Version(1 << 62, 0, "mark")
    originals = Originals(cache / "here", 1 << 63)
    with (
        pytest.raises(MediaError, match=r"memory://a/b.mp4: takes .* GB, which do not fit onto the disk"),
        originals.at_hand(Path("memory:/a/b.mp4"), version, lasts=False),
    ):
        pass
    assert [path.name for path in (cache / "here").iterdir()] == ["room.lock"]


def test_a_folder_that_cannot_be_written_ends_the_run_with_a_sentence(filled, library, disk, cache):
    cache.mkdir(parents=True)
    (cache / "avsearch").write_text("no folder")
    with pytest.raises(LibraryError, match="copies cannot be kept there"):
        run(filled, library, model=disk / "encoder.safetensors")
    assert states(library) == {}


class Objects:
    """Ten of a thousand bytes each, in fsspec's memory."""

    def __init__(self):
        self.place = Memory()
        for number in range(10):
            self.place.put(f"{number}.wav", bytes([number]) * 1000)
        self.top = Path(self.place.url)
        self.versions = list_objects(self.top)

    def at_hand(self, originals, number, *, lasts):
        return originals.at_hand(self.top / f"{number}.wav", self.versions[f"{number}.wav"], lasts=lasts)


def sizes(folder):
    """Of all copies at one instant: meanwhile none is begun and none gets its name."""
    with (folder / "room.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return sum(status.st_size for _, status in files_in(folder))


def test_copies_that_last_stay_within_the_limit_and_the_least_used_go_first(cache):
    objects, originals = Objects(), Originals(cache, 3500)
    for number in (0, 1, 2, 0, 3):
        with objects.at_hand(originals, number, lasts=True) as copy:
            assert copy.read_bytes() == bytes([number]) * 1000
        assert sizes(cache) <= 3500
    kept = {path.read_bytes()[0] for path in cache.iterdir() if path.suffix == ".wav"}
    assert kept == {0, 2, 3}


def test_a_copy_in_use_makes_no_room_and_whoever_cannot_wait_is_told(cache):
    objects, originals = Objects(), Originals(cache, 1500)
    with objects.at_hand(originals, 0, lasts=True) as copy:
        with (
            pytest.raises(StorageError, match="room for copies is in use"),
            objects.at_hand(originals, 1, lasts=True),
        ):
            pass
        assert copy.is_file()
    with objects.at_hand(originals, 1, lasts=True):
        assert not copy.exists()


def test_many_readers_at_once_never_take_more_than_the_limit_and_leave_nothing(cache):
    objects, originals, most, failures = Objects(), Originals(cache, 2500), [0], []

    def read(number):
        try:
            with objects.at_hand(originals, number % 10, lasts=False) as copy:
                most[0] = max(most[0], sizes(cache))
                time.sleep(0.01)
                assert copy.read_bytes() == bytes([number % 10]) * 1000
        except (AssertionError, OSError, LibraryError, MediaError) as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert 0 < most[0] <= 2500
    assert [path.name for path in cache.iterdir()] == ["room.lock"]


KILLED = """
import os, sys
from pathlib import Path
from avsearch.remote import Originals, Version, footage, originals
def fetch(path, version, into, still):
    into.write(b"half"); into.flush(); print("here", flush=True); sys.stdin.read()
originals.fetch = fetch
with Originals(Path(sys.argv[1]), 10**6).at_hand(Path("memory:/a/b.wav"), Version(1000, 1), lasts=False):
    pass
"""


def test_what_a_killed_process_was_fetching_is_never_taken_for_whole_and_goes(cache):
    command = [sys.executable, "-c", KILLED, str(cache)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)
    (left,) = (path.name for path in cache.iterdir() if path.name != "room.lock")
    assert left.endswith(".partial")
    objects, originals = Objects(), Originals(cache, 10**6)
    with objects.at_hand(originals, 0, lasts=False):
        assert not (cache / left).exists()
    assert [path.name for path in cache.iterdir()] == ["room.lock"]


HOSTILE = ["../up.wav", "a/../../b.wav", "a//b.wav", "./c.wav", "/d.wav", ".../e.wav", "f/./g.wav"]


def test_names_that_lead_elsewhere_are_told_and_lead_nowhere(cache, tmp_path, library, disk):
    sound = (disk / "footage" / "deep" / "sound.wav").read_bytes()
    place = Memory()
    top = f"/{place.prefix}"
    long = "l" * 300 + ".wav"
    for key in [*HOSTILE, long, "bell\a.wav", "nul\0.wav"]:
        place.files.store[f"{top}/{key}"] = stored(place, sound)
    before = sorted(path.name for path in tmp_path.iterdir())
    done = run(place, library, model=disk / "encoder.safetensors")
    assert set(states(library)) == {long, "bell\a.wav", "nul\0.wav", ".../e.wav"}
    told = [failure.reason for failure in done.failures]
    assert told == ["cannot be looked into (no file can have such a name)."] * len(told)
    assert len(states(library)) + len(told) == len(HOSTILE) + 3
    assert {path.name for path in tmp_path.iterdir()} - set(before) == {"cache", "library"}
    assert copies(cache) == []
    assert len({name for name, *_ in by_file(library)}) == 1


def stored(place, data):
    from fsspec.implementations.memory import MemoryFile

    return MemoryFile(place.files, "", data)
