"""A library that holds made-up moments beside what was indexed."""

import numpy as np

from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.library import Batch, open_library
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality
from avsearch.vectors import Rows
from tests.vectors.ann.made import clustered


def grow(directory, *, num_rows=2000, dim=128):
    """Publish one media with so many moments of each modality; its id."""
    rng = np.random.default_rng(0)
    with open_library(directory).writer() as writer:
        root, *_ = writer.catalog.roots()
        info = MediaInfo(MediaKind.SOUND, num_rows * SECOND_US, 0, "wav", video=None, audio=None)
        (own,) = writer.reserve_media_ids(1)
        time_us = np.arange(num_rows) * SECOND_US
        rows = {side: Rows(clustered(rng, num_rows, dim=dim), np.full(num_rows, own), time_us) for side in Modality}
        file = FileState(root.id, b"made.wav", 100, 1, State.INDEXED, "", own)
        writer.publish(Batch(media=(IndexedMedia(own, "made", info),), rows=rows, files=(file,)))
    return own
