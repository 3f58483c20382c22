"""Clips that are made and not decoded, for measuring where there is no footage. Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from avsearch.front_end import SAMPLE_RATE_HZ, FrontEnd
from avsearch.moments import SECOND_US
from trainer.moments import ClipArrays

_CLIP_S = 2
_FRAMES = 6
_KINDS = 8


def made_clips(count: int, front_end: FrontEnd, *, seed: int = 0) -> Iterator[ClipArrays]:
    """Clips of eight kinds, each with a colour and a pitch, and noise of their own: there is a little to learn."""
    rng = np.random.default_rng(seed)
    side, wide = front_end.short_side, front_end.short_side * 4 // 3
    time_s = np.arange(_CLIP_S * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    frame_us = (np.linspace(0.5, _CLIP_S - 0.5, _FRAMES) * SECOND_US).astype(np.int64)
    for number in range(count):
        kind = number % _KINDS
        colour = np.array([kind & 1, kind >> 1 & 1, kind >> 2 & 1]) * 120
        coarse = rng.integers(0, 136, (side // 8, wide // 8, 3)) + colour
        frame = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)
        tone = 0.3 * np.sin(2 * np.pi * 200 * 1.5**kind * rng.uniform(0.95, 1.05) * time_s)
        sound = tone + 0.05 * rng.normal(size=time_s.size)
        yield ClipArrays(
            frames=np.stack([np.roll(frame, 3 * index, axis=1) for index in range(_FRAMES)]),
            frame_us=frame_us,
            times_us=frame_us,
            sound=(sound.clip(-1, 1) * 32767).astype(np.int16),
            start_us=0,
        )
