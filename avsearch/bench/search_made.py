"""Moments whose vectors lie as those of footage do: in clusters, near to others of their media, in few directions.

Written as segments, so that search works over mapped files as it does in a library.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.moments import SECOND_US, Modality
from avsearch.vectors import LocalShelf, Rows, write_segment

MEDIA_ROWS = 50
SEGMENT_ROWS = 100_000  # about what `library compact` leaves
NUM_ASKING = 5_000  # moments of the other modality, that only ask
FLOAT16_ROWS = 3_000_000  # from which on vectors are kept as float16
_CLUSTER_ROWS = 2_000
_DECAY = 0.4  # of the spread from one direction to the next, as a power: about forty of 128 matter
_OF_MEDIA, _OF_MOMENT, _OF_SIDE = 0.8, 0.45, 0.6  # spread around a cluster, a media, and between the modalities
_FINGERPRINT = "made".ljust(32, "0")


def made_segments(directory: Path, num_rows: int, dim: int, seed: int) -> dict[Modality, list[Rows]]:
    """Segments of so many moments of pictures, and some of sound, mapped.

    Args:
        directory: an empty folder that the files are written to.
        num_rows: moments of pictures.
        dim: of the vectors.
        seed: of everything.
    """
    shelf, rng = LocalShelf(directory), np.random.default_rng(seed)
    spread = (np.arange(1, dim + 1) ** -_DECAY).astype(np.float32)
    clusters = _unit(_noise(rng, max(num_rows // _CLUSTER_ROWS, 20), spread))
    counts = {Modality.IMAGE: num_rows, Modality.AUDIO: min(NUM_ASKING, num_rows)}
    dtype = np.float16 if num_rows >= FLOAT16_ROWS else np.float32
    made: dict[Modality, list[Rows]] = {}
    for modality, count in counts.items():
        made[modality] = []
        for rows in _segments(rng, clusters, spread, count, is_other=modality is Modality.AUDIO):
            kept = Rows(rows.vector.astype(dtype), rows.media_id, rows.start_us)
            written = write_segment(shelf, kept, modality=modality, fingerprint=_FINGERPRINT)
            made[modality].append(shelf.map(written))
    return made


def _segments(
    rng: np.random.Generator,
    clusters: NDArray[np.float32],
    spread: NDArray[np.float32],
    num_rows: int,
    *,
    is_other: bool,
) -> Iterator[Rows]:
    for first in range(0, num_rows, SEGMENT_ROWS):
        row = np.arange(first, min(first + SEGMENT_ROWS, num_rows))
        media = row // MEDIA_ROWS
        of_media, place = np.unique(media, return_inverse=True)
        middle = _unit(
            clusters[rng.integers(0, len(clusters), len(of_media))] + _OF_MEDIA * _noise(rng, len(of_media), spread)
        )
        vector = middle[place] + _OF_MOMENT * _noise(rng, len(row), spread)
        if is_other:
            vector += _OF_SIDE * _noise(rng, len(row), spread)
        yield Rows(_unit(vector), media, row % MEDIA_ROWS * SECOND_US)


def _noise(rng: np.random.Generator, num_rows: int, spread: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) of about unit length, with little in most directions."""
    drawn: NDArray[np.float32] = rng.standard_normal((num_rows, len(spread)), dtype=np.float32)
    return drawn * (spread / np.linalg.norm(spread))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length: NDArray[np.float32] = np.linalg.norm(vector, axis=1, keepdims=True)
    return vector / length
