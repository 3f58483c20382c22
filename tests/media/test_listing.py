import pytest
import xxhash

from avsearch import media
from avsearch.errors import MediaError


def test_folders_are_walked_to_any_depth_and_other_files_left_out(tmp_path):
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    for path in (tmp_path / "one.MP4", deep / "two.wav", deep / "three.jpg"):
        path.touch()
    for path in (deep / "notes.txt", deep / ".hidden.mp4", tmp_path / "table.csv"):
        path.touch()
    (deep / "loop").symlink_to(tmp_path)
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


def test_the_content_hash_is_that_of_the_bytes(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert media.content_hash(tmp_path / "a") == xxhash.xxh3_128_hexdigest(content)
