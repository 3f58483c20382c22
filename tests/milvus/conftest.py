"""A library of made-up moments, and a Milvus server for it."""

import numpy as np
import pytest

from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.library import Batch, create_library, move_back, open_library
from avsearch.library.engine import move_to_milvus
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality, Silent
from avsearch.vectors import Rows
from avsearch.vectors.milvus import beside
from tests.bare import bare_weights
from tests.vectors.ann.made import clustered

DIM = 16
MOMENTS = 10  # of each media, in each modality


@pytest.fixture(autouse=True)
def few_count_as_many(monkeypatch):
    monkeypatch.setattr(beside, "FEW_ROWS", 0)


def rows_for(media_ids, seed):
    """Ten moments of each media, in clusters."""
    rng = np.random.default_rng(seed)
    times = np.tile(np.arange(MOMENTS) * SECOND_US, len(media_ids))
    media_id = np.repeat(np.array(media_ids, np.int64), MOMENTS)
    return {side: Rows(clustered(rng, len(times), dim=DIM), media_id, times) for side in Modality}


@pytest.fixture
def library(tmp_path):
    (tmp_path / "footage").mkdir()
    return create_library(tmp_path / "library")


@pytest.fixture
def add(library, tmp_path):
    """Publish media with these names as content hashes and as files; returns their ids."""

    def publish(*names, seed=0):
        info = MediaInfo(MediaKind.SOUND, MOMENTS * SECOND_US, 0, "wav", video=None, audio=None)
        with library.writer() as writer:
            writer.use_encoder(bare_weights(tmp_path / "encoder.safetensors", dim=DIM))
            root = writer.catalog.add_root(tmp_path / "footage").id
            ids = list(writer.reserve_media_ids(len(names)))
            media = tuple(IndexedMedia(own, name, info) for own, name in zip(ids, names, strict=True))
            files = tuple(
                FileState(root, it.content_hash.encode(), 100, 1, State.INDEXED, "", it.id) for it in media
            )
            writer.publish(Batch(media=media, rows=rows_for(ids, seed), files=files))
        return ids

    return publish


@pytest.fixture
def filled(library, add):
    """A hundred media in two segments of each modality."""
    add(*(f"a{at}" for at in range(60)), seed=1)
    add(*(f"b{at}" for at in range(40)), seed=2)
    return library


@pytest.fixture
def moved(filled, milvus):
    """The same in Milvus, which is emptied afterwards."""
    move_to_milvus(filled, milvus.uri, progress=Silent())
    yield filled
    if (filled.directory / "milvus").exists():
        move_back(open_library(filled.directory))
