"""A library in which nothing was ever read, and a folder of footage."""

import pytest

from avsearch.library import create_library
from tests.indexer.discovering import ENCODER, make


@pytest.fixture
def writer(tmp_path):
    """Of a library that has an encoder."""
    with create_library(tmp_path / "lib").writer() as writer:
        writer.catalog.activate_encoder(ENCODER)
        yield writer


@pytest.fixture
def footage(tmp_path):
    """Two sounds, one of them deeper."""
    folder = tmp_path / "footage"
    make(folder / "a.wav")
    make(folder / "deep" / "er" / "b.wav")
    return folder
