"""Patterns mean what they mean to Python's own glob, over folders on the disk."""

import glob
import os
from pathlib import Path

import pytest

from avsearch.catalog.globs import is_glob, read_glob

NAMES = [
    "a.mp4", "b.mp4", "B.MP4", ".hidden.mp4", "a[1].mp4", "x/a.mp4", "x/b.wav", "x/y/a.mp4", "x/y/z/c.mp4",
    "x.mp4/a.mp4", "2024-05/a.mp4", "2024-06/b/a.mp4", "new\nline.mp4", "ä.mp4", "-dash.mp4", "{a}.mp4",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "top"


def matching(pattern, folder):
    meant = read_glob(pattern)
    files = [path for path in folder.rglob("*") if path.is_file() and path.is_relative_to(meant.folder)]
    return {str(path) for path in files if meant.matches(os.fspath(path.relative_to(meant.folder)))}


@pytest.mark.parametrize(
    "pattern",
    ["*", "*.mp4", "?.mp4", "[ab].mp4", "[!a].mp4", "[a-c].mp4", "a[[]1].mp4", "x/*", "*/a.mp4", "x/**/a.mp4",
     "**/*.mp4", "**/a.mp4", "**/y/**/*.mp4", "2024-0[0-5]/*", "2024-*/**/a.mp4", "**/**/c.mp4", "x/?/*", "[.mp4",
     "[z-a].mp4", "*.mp4/*", "./x/*.wav", "x//*.wav", "nothing*", "x/../*.mp4", "-*", "{a}*", "*\n*"],
)  # fmt: skip
def test_a_pattern_means_what_it_means_to_python(folder, pattern):
    found = glob.glob(f"{folder}/{pattern}", recursive=True, include_hidden=True)  # noqa: PTH207
    truth = {str(Path(path)) for path in found if Path(path).is_file() and ".." not in Path(path).parts}
    assert matching(f"{folder}/{pattern}", folder) == truth


@pytest.mark.parametrize("pattern", ["x*/", "x*/**", "x*/**/"])
def test_a_folder_at_the_end_means_all_files_below_it(folder, pattern):
    truth = {str(folder / name) for name in NAMES if name.startswith(("x/", "x.mp4/"))}
    assert matching(f"{folder}/{pattern}", folder) == truth


def test_a_pattern_without_a_leading_slash_begins_in_the_current_folder(folder, monkeypatch):
    odd = folder / "x[1]*"
    odd.mkdir()
    (odd / "a.mp4").touch()
    monkeypatch.chdir(odd)
    assert matching("*.mp4", folder) == {str(odd / "a.mp4")}
    assert matching("**/*.mp4", folder) == {str(odd / "a.mp4")}


def test_one_character_is_one_character_whatever_its_bytes(folder):
    assert matching(f"{folder}/?.mp4", folder) == {str(folder / name) for name in ("a.mp4", "b.mp4", "ä.mp4")}


def test_a_pattern_of_urls_begins_where_its_url_does():
    found = read_glob("s3://bucket/takes/*.mp4")
    assert found.folder == Path("s3:/bucket/takes")
    assert found.matches("one.mp4")
    assert not found.matches("deep/one.mp4")


def test_a_slash_at_the_end_means_all_below():
    found = read_glob("/footage/deep/")
    assert found.folder == Path("/footage/deep")
    assert found.matches("one.mp4")
    assert found.matches("er/one.mp4")


def test_a_dot_in_the_middle_of_a_pattern_means_nothing():
    assert read_glob("/a*/./b").names == read_glob("/a*/b").names


def test_a_path_without_wildcards_is_no_pattern():
    assert not is_glob("/footage/a (1).mp4")
    assert all(map(is_glob, ["*", "a?", "a[1]"]))
