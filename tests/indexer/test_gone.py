"""Files and folders that are gone, back, or behind a closed door."""

import os
import shutil

import pytest

from avsearch.catalog import NewEncoder
from avsearch.errors import MediaError
from tests.indexer.discovering import make, names, run, states


def test_a_vanished_file_is_missing_and_comes_back_without_being_read(writer, footage, tmp_path):
    run(writer, footage)
    (footage / "a.wav").rename(tmp_path / "a.wav")
    assert [state.path for state in run(writer, footage).vanished] == [b"a.wav"]
    assert states(writer)[footage / "a.wav"] == "missing"
    assert run(writer, footage).vanished == []
    (tmp_path / "a.wav").rename(footage / "a.wav")
    found = run(writer, footage)
    assert (found.to_read, [state.path for state in found.returned]) == ([], [b"a.wav"])
    assert states(writer)[footage / "a.wav"] == "indexed"


def test_known_files_without_vectors_of_the_encoder_are_to_be_read(writer, footage, tmp_path):
    run(writer, footage)
    (footage / "a.wav").rename(tmp_path / "a.wav")
    run(writer, footage)
    writer.catalog.activate_encoder(NewEncoder("0" * 32, "ave", "small", "ave-nce", 4))
    (tmp_path / "a.wav").rename(footage / "a.wav")
    found = run(writer, footage)
    assert (names(found.to_read), found.returned, found.unchanged) == (["a.wav", "b.wav"], [], [])


def test_a_file_that_is_back_and_changed_is_to_be_read(writer, footage):
    run(writer, footage)
    (footage / "a.wav").unlink()
    run(writer, footage)
    make(footage / "a.wav", b"something else")
    assert names(run(writer, footage).to_read) == ["a.wav"]


def test_a_moved_file_is_missing_where_it_was(writer, footage):
    run(writer, footage)
    (footage / "a.wav").rename(footage / "moved.wav")
    found = run(writer, footage)
    assert names(found.to_read) == ["moved.wav"]
    assert states(writer)[footage / "a.wav"] == "missing"
    assert states(writer)[footage / "moved.wav"] == "indexed"
    assert len(writer.catalog.live_media_ids()) == 2


def test_a_folder_that_was_deleted_below_a_root_is_missing(writer, footage):
    run(writer, footage)
    shutil.rmtree(footage / "deep")
    found = run(writer, footage)
    assert ([state.path for state in found.vanished], found.unmounted) == ([b"deep/er/b.wav"], [])


def test_a_known_file_that_is_named_and_gone_is_missing_and_no_error(writer, footage):
    make(footage / "c.wav")
    run(writer, footage)
    (footage / "a.wav").unlink()
    assert [state.path for state in run(writer, footage / "a.wav").vanished] == [b"a.wav"]


@pytest.mark.parametrize("remains", ["nothing", "an empty folder"])
def test_a_root_that_is_not_mounted_marks_nothing_and_the_others_go_on(writer, footage, tmp_path, remains):
    other = make(tmp_path / "other" / "c.wav").parent
    run(writer, footage, other)
    footage.rename(tmp_path / "unmounted")
    if remains == "an empty folder":
        footage.mkdir()
    make(other / "d.wav")
    found = run(writer, footage, other)
    assert (found.unmounted, found.vanished) == ([footage], [])
    assert names(found.to_read) == ["d.wav"]
    assert states(writer)[footage / "a.wav"] == "indexed"


@pytest.mark.parametrize("remains", ["nothing", "an empty folder"])
def test_a_folder_below_a_root_that_is_named_and_gone_marks_nothing(writer, footage, tmp_path, remains):
    run(writer, footage)
    (footage / "deep").rename(tmp_path / "unmounted")
    if remains == "an empty folder":
        (footage / "deep").mkdir()
    found = run(writer, footage / "deep")
    assert (found.unmounted, found.vanished) == ([footage / "deep"], [])


def test_an_empty_folder_below_a_root_waits_for_its_disk(writer, footage, tmp_path):
    run(writer, footage)
    shutil.rmtree(footage / "deep" / "er")
    (footage / "deep" / "er").mkdir()
    (footage / "a.wav").unlink()
    found = run(writer, footage)
    assert (found.unmounted, [state.path for state in found.vanished]) == ([footage / "deep" / "er"], [b"a.wav"])


def test_a_folder_whose_files_are_missing_already_waits_for_nothing(writer, footage):
    run(writer, footage)
    shutil.rmtree(footage / "deep")
    run(writer, footage)
    (footage / "deep" / "er").mkdir(parents=True)
    assert run(writer, footage).unmounted == []


def test_a_folder_that_holds_anything_else_is_no_missing_disk(writer, footage):
    run(writer, footage)
    (footage / "deep" / "er" / "b.wav").rename(footage / "deep" / "er" / "b.txt")
    found = run(writer, footage)
    assert (found.unmounted, [state.path for state in found.vanished]) == ([], [b"deep/er/b.wav"])


@pytest.mark.parametrize("remains", ["nothing", "an empty folder"])
def test_an_unmounted_root_inside_another_marks_nothing(writer, footage, tmp_path, remains):
    run(writer, footage / "deep")
    (footage / "deep").rename(tmp_path / "unmounted")
    if remains == "an empty folder":
        (footage / "deep").mkdir()
    found = run(writer, footage)
    assert (found.unmounted, found.vanished) == ([footage / "deep"], [])
    if remains == "an empty folder":
        (footage / "deep").rmdir()
    (tmp_path / "unmounted").rename(footage / "deep")
    found = run(writer, footage)
    assert names(file for file, _ in found.unchanged) == ["a.wav", "b.wav"]
    assert [root.path for root in writer.catalog.roots()] == [footage]


def test_a_link_to_a_root_that_is_not_mounted_marks_nothing_and_is_no_file(writer, footage, tmp_path):
    link = tmp_path / "links" / "link.mp4"
    link.parent.mkdir()
    link.symlink_to(footage)
    run(writer, link)
    footage.rename(tmp_path / "unmounted")
    found = run(writer, link)
    assert (found.unmounted, found.vanished, found.to_read) == ([footage], [], [])
    assert [root.path for root in writer.catalog.roots()] == [footage]


def test_a_known_file_that_is_named_and_whose_disk_is_gone_stays_as_it_is(writer, footage, tmp_path):
    run(writer, footage)
    footage.rename(tmp_path / "unmounted")
    found = run(writer, footage / "a.wav")
    assert (found.unmounted, found.vanished) == ([footage], [])


def test_a_path_that_nobody_knows_and_an_empty_folder_are_errors_that_change_nothing(writer, footage, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="nowhere: there is no such file or folder"):
        run(writer, footage, tmp_path / "nowhere")
    with pytest.raises(MediaError, match="empty: the folder holds no media"):
        run(writer, footage, tmp_path / "empty")
    assert writer.catalog.roots() == ()


def test_what_cannot_be_looked_into_is_listed_and_nothing_below_it_is_missing(writer, footage, monkeypatch):
    make(footage / "c.wav")
    run(writer, footage)
    (footage / "c.wav").unlink()
    genuine = os.scandir

    def refusing(folder):
        if str(folder) == str(footage / "deep"):
            raise PermissionError(13, "Permission denied", folder)
        return genuine(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found = run(writer, footage)
    assert [state.path for state in found.vanished] == [b"c.wav"]
    assert names(file for file, _ in found.unchanged) == ["a.wav"]
    assert [(failed.path, failed.reason) for failed in found.unreadable] == [
        (footage / "deep", "cannot be looked into (Permission denied).")
    ]


def test_a_folder_that_goes_while_it_is_walked_is_gone(writer, footage, monkeypatch):
    run(writer, footage)
    genuine = os.scandir

    def late(folder):
        if str(folder) == str(footage / "deep"):
            shutil.rmtree(folder)
        return genuine(folder)

    monkeypatch.setattr(os, "scandir", late)
    found = run(writer, footage)
    assert ([state.path for state in found.vanished], found.unreadable) == ([b"deep/er/b.wav"], [])
