"""What a waveform looks like: the lowest and the highest sample of each of many equal parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.front_end import num_samples
from avsearch.media.sound import sound_blocks
from avsearch.moments import MediaInfo, Span


def sound_peaks(path: Path, info: MediaInfo, span: Span, *, num_points: int) -> NDArray[np.float32]:
    """(num_points, 2) float32 in [-1, 1]: lowest and highest sample of equal parts of a span; 0 past the end.

    Args:
        path: the file.
        info: what `probe` said of it.
        span: what is drawn; memory does not grow with it.
        num_points: parts, at most as many as there are samples.

    Raises:
        MediaError: the file has no sound, or it cannot be decoded.
    """
    total = num_samples(span.end_us) - num_samples(span.start_us)
    lowest, highest = np.zeros(num_points, np.float32), np.zeros(num_points, np.float32)
    is_empty = np.ones(num_points, bool)
    at = 0
    for block in sound_blocks(path, info, start_us=span.start_us):
        samples = block[: total - at]
        parts, first = np.unique((at + np.arange(samples.size)) * num_points // total, return_index=True)
        if parts.size:
            low, high = np.minimum.reduceat(samples, first), np.maximum.reduceat(samples, first)
            lowest[parts] = np.where(is_empty[parts], low, np.minimum(lowest[parts], low))
            highest[parts] = np.where(is_empty[parts], high, np.maximum(highest[parts], high))
            is_empty[parts] = False
        at += samples.size
        if at >= total:
            break
    return np.stack([lowest, highest], axis=1)
