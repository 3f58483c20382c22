"""Roots: each file is known once, whichever folder was named first."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from avsearch.catalog import FileState, State
from avsearch.catalog.claims import Claim
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
        with pytest.raises(LibraryError) as told:
            catalog.relink_root(root.id, new)
        assert told.value.message == f"{new}: the root {disk} is in the way, and no root lies inside another."
        assert told.value.hint == "Relink to a folder that is apart from all other roots."
    assert catalog.roots() == (root, other)


def test_a_root_that_is_not_known_cannot_be_relinked(catalog, tmp_path):
    with pytest.raises(LibraryError) as told:
        catalog.relink_root(7, tmp_path)
    assert told.value.message == "The library has no such root."
    assert told.value.hint == "`avsearch library status` counts them."


def test_a_root_that_moves_to_where_a_link_leads_is_known_by_its_real_path(catalog, footage, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "real")
    moved = catalog.relink_root(catalog.add_root(footage).id, tmp_path / "way")
    assert moved.path == tmp_path / "real"
    assert catalog.roots() == (moved,)


def test_a_root_can_move_into_a_store(catalog, footage):
    root = catalog.add_root(footage)
    place = Path("s3://bucket/footage")
    moved = catalog.relink_root(root.id, place)
    assert moved.path == place
    assert catalog.roots() == (moved,)


def test_what_was_read_below_a_root_that_became_part_of_another_is_known_below_that(catalog, footage):
    (footage / "2024" / "may").mkdir(parents=True)
    inner = catalog.add_root(footage / "2024")
    outer = catalog.add_root(footage)
    assert catalog.roots() == (outer,)
    catalog.set_files([FileState(inner.id, b"a.wav", 1, 1, State.FAILED, "It is empty.")])
    catalog.update_files([FileState(inner.id, b"a.wav", 1, 1, State.MISSING)])
    assert {path: state.state for path, state in catalog.files_of(outer.id).items()} == {
        b"2024/a.wav": State.MISSING
    }


def test_only_files_that_are_known_and_unchanged_are_updated(catalog, footage):
    root = catalog.add_root(footage)
    before = [FileState(root.id, name, 10, 20, State.FAILED, "It is empty.") for name in (b"a", b"b", b"c")]
    catalog.set_files(before)
    catalog.update_files(
        [
            FileState(root.id, b"a", 10, 20, State.MISSING, "It is gone."),
            FileState(root.id, b"b", 11, 20, State.MISSING),
            FileState(root.id, b"c", 10, 21, State.MISSING),
            FileState(root.id, b"d", 10, 20, State.MISSING),
        ]
    )
    states = {path: (state.state, state.reason) for path, state in catalog.files_of(root.id).items()}
    failed = (State.FAILED, "It is empty.")
    assert states == {b"a": (State.MISSING, "It is gone."), b"b": failed, b"c": failed}


def test_one_who_writes_alone_has_all_files(catalog, footage):
    files = [SimpleNamespace(path=footage / name) for name in ("a", "b")]
    assert catalog.claim(files) == Claim(ours=frozenset({footage / "a", footage / "b"}))
    assert catalog.in_other_hands(files) == {}
