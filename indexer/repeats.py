"""Pure: sounds and pictures that say nothing new, digital silence and black or frozen frames."""

from __future__ import annotations

import bisect

import numpy as np
from numpy.typing import NDArray

SILENCE = 2.0**-16  # half a step of 16-bit sound; what decoders leave of a digital zero lies below
BLOCKS = 14  # a frame is compared by the mean colours of 14 x 14 blocks: noise evens out, movement does not
FROZEN = 2.0  # grey levels of 255 that no block may have changed by
BLACK = 16.0  # grey levels that no block of a black frame exceeds


def is_silent(waveform: NDArray[np.float32]) -> bool:
    """Whether (N,) samples are digital silence: not quiet, but nothing at all."""
    return not waveform.size or float(np.abs(waveform).max()) < SILENCE


class Stills:
    """Finds the frames that repeat the one kept before them, whatever the order in which they come."""

    def __init__(self) -> None:
        self._times_us: list[int] = []
        self._colours: list[NDArray[np.float32]] = []

    def repeats(self, time_us: int, square: NDArray[np.uint8]) -> bool:
        """Whether (side, side, 3) uint8 shows what the last frame kept before it does; if not, it is kept."""
        colours = mean_colours(square)
        place = bisect.bisect_right(self._times_us, time_us)
        if place and looks_same(self._colours[place - 1], colours):
            return True
        self._times_us.insert(place, time_us)
        self._colours.insert(place, colours)
        return False


def looks_same(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two frames' mean colours are those of a frozen picture, or of black."""
    if max(one.max(), other.max()) < BLACK:
        return True
    return bool(np.abs(one - other).max() < FROZEN)


def mean_colours(square: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(side, side, 3) uint8, side at least 14 -> (14, 14, 3) float32: the mean colour of each block."""
    side = square.shape[0]
    edges = np.arange(BLOCKS) * side // BLOCKS
    sizes = np.diff(np.append(edges, side)).astype(np.float32)
    rows = np.add.reduceat(square, edges, axis=0, dtype=np.float32)
    sums = np.add.reduceat(rows, edges, axis=1)
    return np.asarray(sums / (sizes[:, None, None] * sizes[None, :, None]), np.float32)
