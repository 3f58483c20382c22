"""What there is to do, found on real folders; nothing is read, so files hold what they like."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.library import create_library
from indexer.events import Walking
from tests.indexer.discovering import ENCODER, make, names, remove, run, states, touch_later

NOT_UTF8 = os.fsdecode(b"caf\xe9.wav")


def test_new_files_are_to_be_read_once(writer, footage):
    assert names(run(writer, footage).to_read) == ["a.wav", "b.wav"]
    again = run(writer, footage)
    assert again.to_read == []
    assert names(file for file, _ in again.unchanged) == ["a.wav", "b.wav"]


def test_files_of_another_size_or_time_are_to_be_read_again(writer, footage):
    make(footage / "c.wav")
    run(writer, footage)
    make(footage / "a.wav", b"other content, other length")
    touch_later(footage / "c.wav")
    assert names(run(writer, footage).to_read) == ["a.wav", "c.wav"]


def test_failed_files_are_read_again_on_request_or_when_they_have_changed(writer, footage):
    bad = make(footage / "bad.wav")
    run(writer, footage)
    assert names(file for file, _ in run(writer, footage).still_failed) == ["bad.wav"]
    assert names(run(writer, footage, retry_failed=True).to_read) == ["bad.wav"]
    touch_later(bad)
    assert names(run(writer, footage).to_read) == ["bad.wav"]


def test_the_walk_tells_how_many_files_it_has_seen(writer, footage):
    told = []
    run(writer, footage, tell=told.append)
    assert told[-1] == Walking(2)


def test_a_removed_file_stays_out_when_its_folder_is_indexed_even_if_it_changes(writer, footage):
    run(writer, footage)
    remove(writer, footage / "a.wav")
    found = run(writer, footage, retry_failed=True)
    assert (names(found.removed), found.to_read, found.returned) == (["a.wav"], [], [])
    touch_later(footage / "a.wav")
    found = run(writer, footage)
    assert (names(found.removed), found.to_read) == (["a.wav"], [])
    (footage / "a.wav").unlink()
    assert run(writer, footage).vanished == []


def test_a_removed_file_comes_back_when_it_is_named_itself(writer, footage):
    run(writer, footage)
    remove(writer, footage / "a.wav")
    remove(writer, footage / "deep" / "er" / "b.wav")
    touch_later(footage / "deep" / "er" / "b.wav")
    found = run(writer, footage / "a.wav", footage / "deep" / "er" / "b.wav")
    assert ([state.path for state in found.returned], names(found.to_read)) == ([b"a.wav"], ["b.wav"])
    assert set(states(writer).values()) == {"indexed"}


def test_both_databases_know_what_was_gone_and_is_back(tmp_path, database_url):
    folder = make(tmp_path / "footage" / NOT_UTF8).parent
    make(folder / "a.wav")
    with create_library(tmp_path / "lib", database_url=database_url).writer() as writer:
        writer.catalog.activate_encoder(ENCODER)
        run(writer, folder)
        (folder / NOT_UTF8).rename(tmp_path / "away.wav")
        found = run(writer, folder)
        assert names(file for file, _ in found.unchanged) == ["a.wav"]
        assert [state.path for state in found.vanished] == [os.fsencode(NOT_UTF8)]
        (tmp_path / "away.wav").rename(folder / NOT_UTF8)
        found = run(writer, folder)
        assert (found.to_read, [state.path for state in found.returned]) == ([], [os.fsencode(NOT_UTF8)])


def test_two_ways_to_a_folder_are_one(writer, footage, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(footage)
    monkeypatch.chdir(footage / "deep")
    given = [footage, tmp_path / "link", footage / "deep" / "..", Path("..")]
    assert names(run(writer, *given).to_read) == ["a.wav", "b.wav"]
    assert [root.path for root in writer.catalog.roots()] == [footage]
    for path in given:
        assert run(writer, path).to_read == []


def test_a_folder_inside_one_that_is_named_too_is_walked_with_it(writer, footage):
    assert names(run(writer, footage / "deep", footage, footage / "deep" / "er").to_read) == ["a.wav", "b.wav"]
    assert [root.path for root in writer.catalog.roots()] == [footage]


def test_a_root_that_becomes_part_of_another_keeps_its_files(writer, footage):
    run(writer, footage / "deep")
    found = run(writer, footage)
    assert names(found.to_read) == ["a.wav"]
    assert names(file for file, _ in found.unchanged) == ["b.wav"]


def test_naming_a_file_says_nothing_about_its_neighbours(writer, footage):
    make(footage / "deep" / "er" / "c.wav")
    run(writer, footage)
    shutil.rmtree(footage / "deep")
    found = run(writer, footage / "a.wav")
    assert names(file for file, _ in found.unchanged) == ["a.wav"]
    assert found.vanished == []


def test_what_was_named_once_stays_known_although_a_walk_leaves_it_out(writer, footage):
    clip, hidden = make(footage / "clip.bin"), make(footage / ".hidden" / "c.wav")
    run(writer, clip, hidden)
    found = run(writer, footage)
    assert names(file for file, _ in found.unchanged) == ["c.wav", "clip.bin"]
    touch_later(clip)
    hidden.unlink()
    found = run(writer, footage)
    assert names(found.to_read) == ["clip.bin"]
    assert [state.path for state in found.vanished] == [b".hidden/c.wav"]


@pytest.mark.parametrize("name", [NOT_UTF8, "new\nline.wav", "-rf.wav", "file:x.wav", "concat:a|b.wav", " .wav"])
def test_no_name_is_too_strange(writer, footage, name):
    make(footage / name)
    assert name in names(run(writer, footage).to_read)
    assert name in names(file for file, _ in run(writer, footage).unchanged)
    (footage / name).unlink()
    assert [state.path for state in run(writer, footage).vanished] == [os.fsencode(name)]


def test_what_is_no_regular_file_fails_once_and_is_never_opened(writer, footage, monkeypatch):
    os.mkfifo(footage / "pipe.mp4")
    (footage / "device.mp4").symlink_to("/dev/zero")
    (footage / "dangling.mp4").symlink_to(footage / "nowhere.mp4")
    (footage / "loop.mp4").symlink_to(footage / "loop.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(footage)  # the address of a socket has to be short
        server.bind("socket.mp4")
    special = ["dangling.mp4", "device.mp4", "loop.mp4", "pipe.mp4", "socket.mp4"]
    found = run(writer, footage)
    assert [name for name in names(found.to_read) if name.endswith(".mp4")] == special
    for file in found.to_read:
        if file.path.suffix == ".mp4":
            with pytest.raises(MediaError, match=r"is not a regular file|there is no such file"):
                media.probe(file.path)
    assert names(file for file, _ in run(writer, footage).still_failed) == special


def test_a_link_whose_target_is_away_is_missing_and_comes_back(writer, footage, tmp_path):
    target = make(tmp_path / "disk" / "c.wav")
    (footage / "c.wav").symlink_to(target)
    assert "c.wav" in names(run(writer, footage).to_read)
    target.parent.rename(tmp_path / "unmounted")
    assert [state.path for state in run(writer, footage).vanished] == [b"c.wav"]
    assert run(writer, footage).vanished == []
    (tmp_path / "unmounted").rename(target.parent)
    assert [state.path for state in run(writer, footage).returned] == [b"c.wav"]


def test_a_folder_that_took_the_place_of_a_file_is_walked_and_the_file_is_missing(writer, footage):
    run(writer, footage)
    (footage / "a.wav").unlink()
    make(footage / "a.wav" / "c.wav")
    found = run(writer, footage)
    assert names(found.to_read) == ["c.wav"]
    assert [state.path for state in found.vanished] == [b"a.wav"]
