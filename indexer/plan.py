"""Pure: which moments a file has, from what the demuxer says."""

from __future__ import annotations

import numpy as np

from avsearch.media import FrameTimes
from avsearch.moments import SECOND_US


def image_moments(frames: FrameTimes, *, apart_us: int = SECOND_US) -> list[int]:
    """The frame that is shown at each whole second: ascending times in microseconds, each once."""
    if frames.times_us.size == 0:
        return []
    last_us = int(frames.times_us[-1])
    marks = np.arange(0, last_us + 1, apart_us)
    shown = np.searchsorted(frames.times_us, marks, side="right") - 1
    return [int(time) for time in np.unique(frames.times_us[np.maximum(shown, 0)])]
