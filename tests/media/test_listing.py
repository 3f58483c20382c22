import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import xxhash

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media.listing import list_media
from avsearch.media.names import is_media_name

NOBODY = 65534


@contextmanager
def as_nobody():
    """Permissions mean nothing to root, so root becomes somebody else for a while."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def open_folder():
    """A folder that everybody can reach, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    yield folder
    for below in (folder, *folder.rglob("*")):
        if below.is_dir():
            below.chmod(0o755)
    shutil.rmtree(folder)


def names(listing):
    return {Path(path).name for path in listing.files}


def test_folders_are_walked_to_any_depth_and_other_files_left_out(tmp_path):
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    for path in (tmp_path / "one.MP4", deep / "two.wav", deep / "three.jpg"):
        path.touch()
    for path in (deep / "notes.txt", deep / ".hidden.mp4", tmp_path / "table.csv", deep / "mp4", deep / "four."):
        path.touch()
    (deep / "loop").symlink_to(tmp_path)
    (deep / "loop.mp4").symlink_to(tmp_path)
    assert {path.name for path in media.media_files([tmp_path, deep])} == {"one.MP4", "two.wav", "three.jpg"}
    assert len(media.media_files([tmp_path, deep])) == 3


def test_a_file_that_is_named_is_taken_whatever_its_name(tmp_path):
    (tmp_path / "clip.bin").touch()
    assert media.media_files([tmp_path / "clip.bin"]) == [tmp_path / "clip.bin"]


def test_a_missing_path_and_a_folder_without_media_say_so(tmp_path):
    with pytest.raises(MediaError, match="no such file or folder"):
        media.media_files([tmp_path / "nowhere"])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(MediaError, match="holds no media"):
        media.media_files([tmp_path])


@pytest.mark.parametrize(
    ("name", "is_media"),
    [("a.mp4", True), ("a.b.MkV", True), ("a.txt", False), ("mp4", False), (".mp4", False), (".a.mp4", False),
     ("a.mp4 ", False), ("-.wav", True), ("a\n.wav", True), (os.fsdecode(b"\xff.wav"), True)],
)  # fmt: skip
def test_the_name_says_what_is_media(name, is_media):
    assert is_media_name(name) is is_media


def test_sizes_and_times_are_those_of_the_file_that_a_link_leads_to(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"12345")
    os.utime(tmp_path / "a.wav", ns=(1, 1_234_567_891_234_567_891))
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    (tmp_path / "c.wav").symlink_to(tmp_path / "nowhere.wav")
    files = {Path(path).name: found for path, found in list_media([tmp_path]).files.items()}
    for name in ("a.wav", "b.wav"):
        found = files[name]
        assert (found.size_bytes, found.mtime_ns, found.is_dangling) == (5, 1_234_567_891_234_567_891, False)
    assert files["c.wav"].is_dangling


def test_the_order_is_always_the_same_each_folder_before_what_is_in_it(tmp_path):
    for name in ("b/2.wav", "b/1.wav", "a/z.wav", "z.wav", "c.wav", "a/a/x.wav", "b/3.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listed = [os.path.relpath(path, tmp_path) for path in list_media([tmp_path]).files]
    assert listed == ["c.wav", "z.wav", "a/z.wav", "a/a/x.wav", "b/1.wav", "b/2.wav", "b/3.wav"]


@pytest.mark.parametrize("mode", [0o000, 0o300, 0o600], ids=["closed", "names hidden", "names only"])
def test_a_folder_that_may_not_be_read_is_listed_with_the_reason_and_the_walk_goes_on(open_folder, mode):
    closed = open_folder / "closed"
    closed.mkdir()
    for path in (open_folder / "a.wav", closed / "b.wav", open_folder / "z.wav"):
        path.touch()
    closed.chmod(mode)
    if os.geteuid() == 0:
        os.chown(closed, NOBODY, NOBODY)
    with as_nobody():
        listing = list_media([open_folder])
        assert (names(listing), listing.unreadable) == ({"a.wav", "z.wav"}, {str(closed): "Permission denied"})
        named = list_media([closed])
        assert (named.files, named.absent, named.barren) == ({}, {}, frozenset())
        assert named.unreadable == {str(closed): "Permission denied"}
        with pytest.raises(MediaError, match=r"closed: cannot be read \(Permission denied\)"):
            media.media_files([open_folder])


def test_a_path_longer_than_the_system_can_name_is_listed_and_does_not_end_the_walk(tmp_path, monkeypatch):
    (tmp_path / "z.wav").touch()
    monkeypatch.chdir(tmp_path)
    for _ in range(20):
        Path("d" * 250).mkdir()
        os.chdir("d" * 250)
    listing = list_media([tmp_path])
    shutil.rmtree(tmp_path / ("d" * 250))
    assert names(listing) == {"z.wav"}
    assert list(listing.unreadable.values()) == ["File name too long"]


def test_the_content_hash_is_that_of_the_bytes(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert media.content_hash(tmp_path / "a") == xxhash.xxh3_128_hexdigest(content)


def test_hashing_waits_for_nobody_at_the_other_end_of_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="is not a regular file"):
        media.content_hash(tmp_path / "a.mp4")
