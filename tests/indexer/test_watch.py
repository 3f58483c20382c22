"""Watching real folders; what a round does is another matter, so most tests only look at what it would find."""

import os
import queue
import threading
from pathlib import Path

import pytest

from avsearch.errors import LibraryError, MediaError
from avsearch.library import open_library
from avsearch.media.listing import list_media
from indexer import watch as watch_module
from indexer.index_job import IndexJob
from indexer.watch import watch
from tests.indexer.discovering import make, states
from tests.indexer.watching import DEADLINE_S, Rounds, Watching, make_until_heard, result
from tests.media.clips import tones, write_wav
from tests.tiny import tiny_weights


@pytest.fixture
def rounds(monkeypatch):
    rounds = Rounds()
    monkeypatch.setattr(watch_module, "index", rounds)
    monkeypatch.setattr(watch_module, "list_media", rounds.look)
    monkeypatch.setattr(watch_module, "TICK_S", 0.05)
    monkeypatch.setattr(watch_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(watch_module, "RETRY_S", 0.05)
    return rounds


@pytest.fixture
def messages(monkeypatch):
    """(name, whether it was worth a look) of every message that came from the system."""
    told, genuine = queue.Queue(), watch_module._may_matter
    told.all = {}

    def noting(path, seen):
        matters = genuine(path, seen)
        told.all[Path(path).name] = matters
        told.put((Path(path).name, matters))
        return matters

    monkeypatch.setattr(watch_module, "_may_matter", noting)
    return told


def refuse(*_, **__):
    """As `watchfiles.watch` where more folders are to be watched than the system allows."""
    raise OSError("OS file watch limit reached.")
    yield


def only_messages(monkeypatch):
    """Nothing is looked at of its own accord but once, when listening begins."""
    monkeypatch.setattr(watch_module, "LOOK_EVERY_S", 10 * DEADLINE_S)


def test_files_that_come_change_and_go_are_each_followed_by_a_round(footage, rounds, monkeypatch):
    only_messages(monkeypatch)
    with Watching(footage):
        assert set(rounds.next_and_look()) == {"a.wav", "b.wav"}
        make(footage / "deep" / "c.wav", b"123")
        assert rounds.next_and_look()["c.wav"] == 3
        make(footage / "deep" / "c.wav", b"12345")
        assert rounds.next_and_look()["c.wav"] == 5
        (footage / "deep" / "c.wav").unlink()
        assert set(rounds.next_and_look()) == {"a.wav", "b.wav"}


def test_folders_that_are_made_later_are_watched_too(footage, rounds, monkeypatch):
    only_messages(monkeypatch)
    with Watching(footage):
        rounds.next_and_look()
        for change in (Path.mkdir, Path.rmdir, Path.mkdir):
            change(footage / "new")
            rounds.next_and_look()
        make(footage / "new" / "c.wav")
        assert "c.wav" in rounds.next_and_look()
        make(footage / "new" / "er" / "d.wav")
        while "d.wav" not in rounds.next_and_look():
            pass


def test_a_file_that_is_named_is_watched_and_its_neighbours_are_not(footage, rounds, messages, monkeypatch):
    only_messages(monkeypatch)
    clip = make(footage / "clip.bin", b"1")
    with Watching(clip):
        assert rounds.next_and_look() == {"clip.bin": 1}
        assert make_until_heard(footage / "other.bin", messages) is False
        clip.write_bytes(b"12")
        assert rounds.next_and_look() == {"clip.bin": 2}


def test_files_that_are_no_media_or_hidden_are_not_worth_a_look(footage, rounds, messages):
    elsewhere = footage.parent / "elsewhere"
    elsewhere.mkdir()
    (footage / "link").symlink_to(elsewhere)
    with Watching(footage):
        rounds.next()
        assert make_until_heard(footage / "notes.txt", messages) is False
        make(elsewhere / "behind_a_link.wav")
        (footage / ".folder").mkdir()
        assert make_until_heard(footage / ".hidden.wav", messages) is False
        assert make_until_heard(footage / "c.wav", messages) is True
        rounds.next()
    assert "behind_a_link.wav" not in messages.all
    assert messages.all[".folder"] is False


def test_a_file_that_grows_is_read_once_it_stands_still(footage, rounds, monkeypatch):
    growing = footage / "growing.wav"

    def look(paths):
        if growing.exists() and growing.stat().st_size < 8:
            growing.write_bytes(growing.read_bytes() + b"1")
        return list_media(paths)

    monkeypatch.setattr(watch_module, "list_media", look)
    with Watching(footage):
        rounds.next()
        growing.write_bytes(b"1")
        assert rounds.next()["growing.wav"] == 8


def test_a_file_that_grows_for_ever_is_not_waited_for(footage, rounds, monkeypatch):
    growing = footage / "growing.wav"

    def look(paths):
        if growing.exists():
            growing.write_bytes(growing.read_bytes() + b"1")
        return list_media(paths)

    monkeypatch.setattr(watch_module, "list_media", look)
    monkeypatch.setattr(watch_module, "SETTLE_LIMIT_S", 0.2)
    with Watching(footage):
        rounds.next()
        growing.write_bytes(b"1")
        first = rounds.next()["growing.wav"]
        assert 1 < first < rounds.next()["growing.wav"]


def test_a_folder_that_goes_and_comes_back_is_followed(footage, rounds):
    away = footage.with_name("unmounted")
    with Watching(footage):
        rounds.next()
        footage.rename(away)
        assert rounds.next() == {}
        away.rename(footage)
        assert set(rounds.next()) == {"a.wav", "b.wav"}
        make(footage / "c.wav")
        assert "c.wav" in rounds.next()


def test_another_folder_in_the_place_of_one_is_noticed_as_a_mounted_disk_is(footage, rounds, monkeypatch):
    only_messages(monkeypatch)
    monkeypatch.setattr(watch_module, "_messages", lambda _, stop: iter(lambda: stop.wait(0.05), True))
    other = make(footage.with_name("disk") / "c.wav").parent
    with Watching(footage):
        rounds.next_and_look()
        footage.rename(footage.with_name("away"))
        other.rename(footage)
        while rounds.next_and_look() != {"c.wav": (footage / "c.wav").stat().st_size}:
            pass


def test_a_name_that_is_no_utf8_does_not_end_the_watch(footage, rounds):
    with Watching(footage):
        rounds.next()
        make(footage / os.fsdecode(b"caf\xe9.wav"))
        assert len(rounds.next()) == 3
        make(footage / os.fsdecode(b"d\xe9p\xf4t") / "d.wav")
        while len(rounds.next()) < 4:
            pass
        make(footage / "e.wav")
        assert len(rounds.next()) == 5


def test_a_system_that_sends_no_messages_is_looked_at_now_and_then(footage, rounds, monkeypatch):
    monkeypatch.setattr(watch_module.watchfiles, "watch", refuse)
    monkeypatch.setattr(watch_module, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(watch_module, "LOOKS_PART", 1)
    with Watching(footage):
        rounds.next()
        make(footage / "c.wav")
        assert "c.wav" in rounds.next()


def test_polling_is_asked_for_by_the_environment(footage, rounds, monkeypatch):
    only_messages(monkeypatch)
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "1")
    monkeypatch.setenv("WATCHFILES_POLL_DELAY_MS", "50")
    with Watching(footage):
        rounds.next_and_look()
        assert "c.wav" in rounds.next_with(footage / "c.wav")


def test_an_error_of_a_later_round_is_told_and_the_round_tried_again(footage, rounds):
    with Watching(footage) as watching:
        rounds.next()
        for number in range(3):
            rounds.errors.put(LibraryError(f"another avsearch writes ({number})"))
        make(footage / "c.wav")
        assert "c.wav" in rounds.next()
        assert [str(watching.told.get_nowait()) for _ in range(3)] == [
            f"another avsearch writes ({number})" for number in range(3)
        ]


@pytest.mark.parametrize(("num_errors", "pause_s"), [(0, float("inf")), (1, 10), (2, 20), (7, 600), (9999, 600)])
def test_the_more_errors_the_longer_the_pause_up_to_ten_minutes(num_errors, pause_s):
    assert watch_module._pause_s(num_errors) == pause_s


def test_an_error_of_the_first_round_and_one_that_nobody_is_told_of_end_the_watch(footage, rounds):
    rounds.errors.put(LibraryError("no encoder"))
    with pytest.raises(LibraryError, match="no encoder"):
        watch(IndexJob([footage], Path("lib")), print, threading.Event(), on_round=print, on_error=print)
    rounds.errors.put(MediaError("there is no such file"))
    with pytest.raises(MediaError, match="no such file"):
        watch(IndexJob([footage / "x"], Path("lib")), print, threading.Event(), on_round=print, on_error=print)

    def fail_later(_):
        rounds.errors.put(LibraryError("the database is gone"))
        make(footage / "c.wav")

    with pytest.raises(LibraryError, match="the database is gone"):
        watch(IndexJob([footage], Path("lib")), print, threading.Event(), on_round=fail_later)


def test_a_folder_that_is_still_empty_is_waited_for(tmp_path, rounds):
    folder = tmp_path / "inbox"
    folder.mkdir()
    rounds.errors.put(MediaError("inbox: the folder holds no media."))
    with Watching(folder) as watching:
        assert "holds no media" in str(watching.told.get(timeout=DEADLINE_S))
        make(folder / "a.wav")
        assert set(rounds.next()) == {"a.wav"}


def test_only_the_first_round_takes_the_encoder_and_reads_failed_files_again(footage, rounds):
    with Watching(footage, model=Path("weights"), retry_failed=True) as watching:
        rounds.next()
        make(footage / "c.wav")
        rounds.next()
    assert [(job.model, job.retry_failed) for job in rounds.jobs] == [(Path("weights"), True), (None, False)]
    assert watching.last == result(3)


@pytest.mark.parametrize("moment", ["waiting", "settling", "without messages"])
def test_stop_ends_it_wherever_it_is(footage, rounds, monkeypatch, moment):
    if moment == "settling":
        monkeypatch.setattr(watch_module, "SETTLE_S", 10 * DEADLINE_S)
    if moment == "without messages":
        monkeypatch.setattr(watch_module.watchfiles, "watch", refuse)
    with Watching(footage) as watching:
        rounds.next()
        make(footage / "c.wav")
        if moment == "waiting":
            rounds.next()
    assert watching.told.empty()


@pytest.mark.slow
def test_a_library_follows_its_folder_and_is_free_between_rounds(tmp_path, monkeypatch):
    monkeypatch.setattr(watch_module, "SETTLE_S", 0.2)
    monkeypatch.setattr(watch_module, "RETRY_S", 0.5)
    footage = tmp_path / "footage"
    footage.mkdir()
    write_wav(footage / "a.wav", tones(1))
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    with Watching(footage, library=tmp_path / "lib", model=weights) as watching:
        assert watching.rounds.get(timeout=DEADLINE_S).num_indexed == 1
        with open_library(tmp_path / "lib").writer() as writer:
            assert set(states(writer).values()) == {"indexed"}
            write_wav(footage / "b.wav", tones(2))
            assert "another avsearch writes" in str(watching.told.get(timeout=DEADLINE_S))
        assert watching.rounds.get(timeout=DEADLINE_S).num_indexed == 1
        (footage / "a.wav").unlink()
        assert watching.rounds.get(timeout=DEADLINE_S).num_missing == 1
    with open_library(tmp_path / "lib").writer() as writer:
        assert states(writer) == {footage / "a.wav": "missing", footage / "b.wav": "indexed"}
