"""A library whose segments lie on S3."""

from uuid import uuid4

import pytest

from avsearch.library import Library, create_library
from avsearch.remote import store as store_module


@pytest.fixture
def database_url():
    return "sqlite:///catalog.sqlite3"


@pytest.fixture
def prefix():
    return uuid4().hex


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of copies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "avsearch" / "segments"


@pytest.fixture
def library(tmp_path, object_store, prefix, cache, monkeypatch) -> Library:
    monkeypatch.setattr(store_module, "WAITS_S", (0.01,))
    return create_library(tmp_path / "library", segments_url=object_store.url(prefix))


@pytest.fixture
def segments(object_store, prefix):
    """Names -> bytes of the segments in the store, read off the server."""

    def look():
        names = {key.rpartition("/")[2]: data for key, data in object_store.objects(prefix).items()}
        return {name: data for name, data in names.items() if name.endswith(".safetensors")}

    return look
