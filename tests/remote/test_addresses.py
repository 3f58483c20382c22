"""Places behind URLs as paths and back, and when an object counts as the same."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from avsearch.errors import StorageError
from avsearch.remote import Version, address, checked, is_name_of_a_file, is_remote
from avsearch.remote.addresses import base_and_key
from avsearch.remote.footage import version_of
from tests.indexer.stores import Memory


@pytest.mark.parametrize(
    ("url", "base", "key"),
    [
        ("s3://bucket", "s3://bucket", ""),
        ("s3://bucket/footage/a clip?.mp4", "s3://bucket", "footage/a clip?.mp4"),
        ("gs://b/#1.mov", "gs://b", "#1.mov"),
        ("memory://a/b.wav", "memory://a", "b.wav"),
        ("file:///mnt/disk/b.wav", "file:///", "mnt/disk/b.wav"),
        ("https://host/dir/b.wav", "https://host", "dir/b.wav"),
    ],
)
def test_a_url_survives_being_a_path(url, base, key):
    path = Path(url)
    assert is_remote(path)
    assert address(path) == url
    assert address(path / "more") == f"{url}/more"
    assert base_and_key(path) == (base, key)


@pytest.mark.parametrize("path", ["/s3:/bucket/x", "footage/one.mp4", "a:/x", "one.mp4@3", "/", ".", "12:audio:3"])
def test_a_path_of_this_machine_is_none(path):
    assert not is_remote(path)
    assert address(Path(path)) == path


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/x", "s3://bucket/x?token=1", "s3:"])
def test_an_address_with_credentials_or_without_a_place_is_refused(url):
    with pytest.raises(StorageError):
        checked(Path(url))


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("a/b.mp4", True),
        (".../b.mp4", True),
        ("a//b.mp4", False),
        ("../b.mp4", False),
        ("./b", False),
        ("a/", False),
    ],
)
def test_names_that_lead_elsewhere_are_none_of_files(key, is_one):
    assert is_name_of_a_file(key) is is_one
    assert ((Path("/top") / key).as_posix() == f"/top/{key}" and ".." not in key.split("/")) is is_one


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (Version(5, 1, "a"), Version(5, 2, "a"), True),
        (Version(5, 1, "a"), Version(5, 1, "b"), False),
        (Version(5, 1, "a"), Version(6, 1, "a"), False),
        (Version(5, 1), Version(5, 1), True),
        (Version(5, 1), Version(5, 2), False),
        (Version(5, 1, "a"), Version(5, 1), True),
        (Version(5, 1, "a"), Version(5, 2), False),
    ],
)
def test_an_object_is_the_same_by_size_and_mark_or_else_by_time(one, other, is_same):
    assert one.is_same(other) is is_same
    assert other.is_same(one) is is_same


def test_a_time_is_the_same_however_a_store_tells_it(monkeypatch):
    place = Memory()
    place.put("a.wav", b"12345")
    at = datetime(2024, 5, 1, 10, 30, 0, 123456, tzinfo=UTC)
    told = [at, at.timestamp(), at.isoformat(), at.replace(tzinfo=None)]
    for written in told:
        info = {"type": "file", "size": 5, "LastModified": written}
        monkeypatch.setattr(type(place.files), "info", lambda _self, _path, info=info: info)
        assert version_of(Path(place.url) / "a.wav") == Version(5, 1_714_559_400_123_456_000)
