"""A library of very many moments of sound, made without footage: random vectors, an encoder of random weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from avsearch.bench.weights import save_random_weights
from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.library import Batch, Library, create_library, open_library
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind, Modality
from avsearch.vectors import Rows

ROWS_OF_MEDIA = 300
ROWS_AT_A_TIME = 90_000
AUDIO = AudioStream(index=0, ordinal=0, codec="pcm_s16le", sample_rate_hz=48_000, num_channels=1, is_default=True)


def library_of(place: Path, num_moments: int) -> Library:
    """The library of so many moments in a folder; made, unless it is there."""
    directory = place / f"library-{num_moments}"
    if not directory.exists():
        footage, aside = place / "footage", place / "library-begun"
        shutil.rmtree(aside, ignore_errors=True)
        footage.mkdir(parents=True, exist_ok=True)
        (footage / "note.txt").write_text("The media of this library were never there.\n")
        save_random_weights(place / "encoder.safetensors", "small")
        _fill(create_library(aside), place, num_moments)
        aside.rename(directory)
    return open_library(directory)


def _fill(library: Library, place: Path, num_moments: int) -> None:
    rng = np.random.default_rng(0)
    with library.writer() as writer:
        writer.use_encoder(place / "encoder.safetensors")
        root = writer.catalog.add_root(place / "footage")
        for first in range(0, num_moments, ROWS_AT_A_TIME):
            count = min(ROWS_AT_A_TIME, num_moments - first)
            ids = writer.reserve_media_ids(-(-count // ROWS_OF_MEDIA))
            writer.publish(_batch(root.id, list(ids), count, rng))


def _batch(root_id: int, ids: list[int], count: int, rng: np.random.Generator) -> Batch:
    vector = rng.standard_normal((count, 128), dtype=np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    number = np.arange(count)
    rows = Rows(vector, np.asarray(ids, np.int64)[number // ROWS_OF_MEDIA], number % ROWS_OF_MEDIA * SECOND_US)
    info = MediaInfo(MediaKind.SOUND, ROWS_OF_MEDIA * SECOND_US, 0, "wav", video=None, audio=AUDIO)
    return Batch(
        media=tuple(IndexedMedia(media_id, f"{media_id:032x}", info) for media_id in ids),
        rows={Modality.AUDIO: rows},
        files=tuple(
            FileState(root_id, f"take {media_id}.wav".encode(), 100, 1, State.INDEXED, media_id=media_id)
            for media_id in ids
        ),
    )
