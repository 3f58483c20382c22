"""Files that are whole or absent."""

import os
from pathlib import Path

import pytest

from avsearch.errors import LibraryError
from avsearch.vectors import copy_durably, write_durably


@pytest.fixture
def steps(monkeypatch):
    """What happens on the disk, in order."""
    seen = []
    fsync, replace = os.fsync, os.replace

    def kind(descriptor):
        return "directory" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file"

    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (seen.append(f"fsync {kind(descriptor)}"), fsync(descriptor))
    )
    monkeypatch.setattr(os, "replace", lambda *names: (seen.append("rename"), replace(*names)))
    return seen


def test_a_file_is_on_the_disk_before_its_name_and_its_name_before_anything_else(tmp_path, steps):
    write_durably(tmp_path / "a", [b"one", b"two"])
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert steps == ["fsync file", "rename", "fsync directory"]


def test_a_file_of_that_name_is_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"old, and longer")
    write_durably(tmp_path / "a", [b"new"])
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_copy_is_the_same_bytes(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "source").write_bytes(data)
    copy_durably(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == data


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LibraryError, match=r"a: cannot be written \(No space left on device\)\. Check free space"):
        write_durably(tmp_path / "a", [b"data"])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(LibraryError, match="cannot be written"):
        write_durably(tmp_path / "missing" / "a", [b"data"])
