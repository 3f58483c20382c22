"""Roots: each file is known once, whichever folder was named first."""

import os

import pytest

from avsearch.catalog import FileState, State
from avsearch.errors import LibraryError


def test_roots_need_not_be_utf8(catalog, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    catalog.add_root(folder)
    assert [root.path for root in catalog.roots()] == [folder]


def test_a_root_is_added_once(catalog, footage):
    assert catalog.add_root(footage) == catalog.add_root(footage / "." / ".." / footage.name)
    assert len(catalog.roots()) == 1


def test_a_folder_inside_a_root_belongs_to_it(catalog, footage):
    (footage / "2024").mkdir()
    assert catalog.add_root(footage) == catalog.add_root(footage / "2024")


def test_a_folder_that_only_begins_like_a_root_is_another_root(catalog, footage):
    first = catalog.add_root(footage)
    second = footage.with_name("footage2")
    second.mkdir()
    assert catalog.add_root(second).id != first.id


def test_a_root_around_others_takes_over_their_files(catalog, footage, add_media, sound):
    (footage / "2024" / "may").mkdir(parents=True)
    inner = catalog.add_root(footage / "2024")
    (media_id,) = add_media(inner, sound, names=[b"may/a.wav"])
    outer = catalog.add_root(footage)
    assert catalog.roots() == (outer,)
    assert list(catalog.files_of(outer.id)) == [b"2024/may/a.wav"]
    assert catalog.media_records([media_id])[media_id].paths == (footage / "2024" / "may" / "a.wav",)


def test_a_root_that_is_not_mounted_stays_by_itself_until_it_is(catalog, footage, add_media, sound):
    disk = footage / "disk"
    disk.mkdir()
    inner = catalog.add_root(disk)
    add_media(inner, sound, sound, names=[b"a.wav", b"b.wav"])
    outer = catalog.add_root(footage)
    assert catalog.roots() == (inner, outer)
    (disk / "a.wav").touch()
    catalog.set_files([FileState(outer.id, b"disk/a.wav", 1, 1, State.FAILED, "It is empty.")])
    assert catalog.add_root(footage) == outer
    assert catalog.roots() == (outer,)
    states = {path: file.state for path, file in catalog.files_of(outer.id).items()}
    assert states == {b"disk/a.wav": State.FAILED, b"disk/b.wav": State.INDEXED}


def test_a_root_that_moved_keeps_its_files(catalog, footage, tmp_path, add_media, sound):
    root = catalog.add_root(footage)
    (media_id,) = add_media(root, sound, names=[b"sub/a.wav"])
    new = tmp_path / os.fsdecode(b"caf\xe9")
    moved = catalog.relink_root(root.id, new)
    assert (moved.id, moved.path) == (root.id, new)
    assert catalog.roots() == (moved,)
    assert catalog.media_records([media_id])[media_id].paths == (new / "sub" / "a.wav",)


def test_a_root_can_move_into_or_out_of_where_it_was(catalog, footage, tmp_path):
    root = catalog.add_root(footage)
    assert catalog.relink_root(root.id, footage / "inner").path == footage / "inner"
    assert catalog.relink_root(root.id, tmp_path).path == tmp_path


def test_a_root_is_not_relinked_into_or_around_another(catalog, footage, tmp_path):
    root = catalog.add_root(footage)
    disk = tmp_path / "disk"
    disk.mkdir()
    other = catalog.add_root(disk)
    for new in (disk, disk / "inner", tmp_path):
        with pytest.raises(LibraryError, match=f"the root {disk} is in the way"):
            catalog.relink_root(root.id, new)
    assert catalog.roots() == (root, other)


def test_a_root_that_is_not_known_cannot_be_relinked(catalog, tmp_path):
    with pytest.raises(LibraryError, match="no such root"):
        catalog.relink_root(7, tmp_path)
