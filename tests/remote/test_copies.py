import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from avsearch.errors import LibraryError
from avsearch.remote import Copies, default_copies


def names(copies):
    return sorted(path.name for path in copies.folder.iterdir())


@pytest.fixture
def copies(tmp_path):
    return Copies(tmp_path / "cache" / "copies", 100)


def age(copies, *ordered):
    """Let each have been used a second after the one before."""
    for second, name in enumerate(ordered):
        os.utime(copies.folder / name, (second, second))


def test_a_copy_is_found_until_it_is_dropped(copies):
    assert copies.find("one") is None
    path = copies.keep("one", b"some bytes")
    assert (copies.find("one"), path.read_bytes()) == (path, b"some bytes")
    for _ in range(2):
        copies.drop("one")
    assert (copies.find("one"), names(copies)) == (None, [])


def test_those_not_used_for_longest_make_room(copies):
    for name in ("a", "b", "c"):
        copies.keep(name, bytes(30))
    age(copies, "a", "b", "c")
    copies.find("a")
    copies.keep("d", bytes(30))
    assert names(copies) == ["a", "c", "d"]
    copies.keep("large", bytes(90))
    assert names(copies) == ["large"]


def test_what_a_killed_process_left_unfinished_makes_room_too(copies):
    copies.keep("a", bytes(30))
    (copies.folder / "b.partial").write_bytes(bytes(60))
    age(copies, "b.partial", "a")
    copies.keep("c", bytes(30))
    assert names(copies) == ["a", "c"]


def test_a_copy_that_makes_room_stays_readable_to_who_has_it_open(copies):
    with copies.keep("a", b"a" * 90).open("rb") as file:
        copies.keep("b", bytes(90))
        assert names(copies) == ["b"]
        assert file.read() == b"a" * 90


def keep_many(folder, first):
    copies = Copies(folder, 1000)
    for number in range(100):
        copies.keep(f"{(first + number) % 7}", bytes([number]) * 90)
        found = copies.find("3")
        try:
            data = found.read_bytes() if found else b""
        except FileNotFoundError:  # another process has made room
            data = b""
        assert len(set(data)) <= 1
        assert len(data) in {0, 90}
    return True


def test_several_processes_share_a_folder_without_seeing_half_a_copy(copies):
    with ProcessPoolExecutor(3) as pool:
        assert all(pool.map(keep_many, [copies.folder] * 3, range(3)))
    assert sum(path.stat().st_size for path in copies.folder.iterdir()) <= 1000


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LibraryError, match="copies cannot be kept there"):
        Copies(tmp_path / "file" / "copies", 100).keep("a", b"1")


def test_the_environment_says_where_and_how_many(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert (default_copies().folder, default_copies().most_bytes) == (
        tmp_path / "avsearch" / "segments",
        32 * 10**9,
    )
    monkeypatch.setenv("AVSEARCH_CACHE_GB", "0.5")
    assert default_copies().most_bytes == 500_000_000
    for wrong in ("much", "inf", "nan"):
        monkeypatch.setenv("AVSEARCH_CACHE_GB", wrong)
        with pytest.raises(LibraryError, match=f"AVSEARCH_CACHE_GB={wrong}: is no number"):
            default_copies()
