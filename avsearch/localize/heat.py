"""Where in a frame a sound comes from: a map of probabilities, its peak, and a box around what answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsearch.localize.localizer import PLACE_PX
from avsearch.moments import Box, Place

HEARD = 0.5
"""From this probability on a place makes the sound rather than not; a map without one shows no box."""
BOX_SHARE = 0.7
"""What has so much of the peak's probability and hangs together with it belongs to the same thing. On held-out
clips of the demo such boxes and the true ones share 0.45 of their union; at a half, which takes in more, 0.35."""


class Answers(Protocol):
    """What is needed of a localizer."""

    def answers(
        self, frames: NDArray[np.uint8], sounds: Sequence[NDArray[np.float32]], /
    ) -> list[NDArray[np.float32]]:
        """As `Localizer.answers`."""


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where in a frame a sound comes from.

    Attributes:
        probabilities: (h, w) float64 that a place makes the sound; place (i, j) covers the pixels of the frame from
            (16 i, 16 j) on, the last ones reach beyond it.
        width: of the frame, in pixels; `height` likewise.
        peak: the middle of the most probable place.
        probability: the highest.
        box: around the places that hang together with the peak and have at least `BOX_SHARE` of its probability, in
            whole places; None where the peak is less probable than not.
    """

    probabilities: NDArray[np.float64]
    width: int
    height: int
    peak: Place
    probability: float
    box: Box | None


def heat_map(localizer: Answers, frame: NDArray[np.uint8], waveform: NDArray[np.float32]) -> HeatMap:
    """Ask where in a frame a second of sound comes from.

    Args:
        localizer: that is asked.
        frame: (H, W, 3) uint8, its shorter side `front_end.short_side` of the localizer.
        waveform: (48000,) float32 in [-1, 1] at 48 kHz.
    """
    return heat_maps(localizer, frame[None], waveform[None])[0]


def heat_maps(localizer: Answers, frames: NDArray[np.uint8], waveforms: NDArray[np.float32]) -> list[HeatMap]:
    """`heat_map` of each of (B, H, W, 3) frames with its own of (B, 48000) waveforms."""
    (log_odds,) = localizer.answers(frames, [waveforms])
    return [heat_of(of_one, frames.shape[1:]) for of_one in log_odds]


def heat_of(log_odds: NDArray[np.floating], frame_shape: tuple[int, ...]) -> HeatMap:
    """The map of (h, w) log-odds over a frame of (H, W, ...)."""
    chances = probabilities(log_odds)
    highest = float(chances.max())
    return HeatMap(
        probabilities=chances,
        width=frame_shape[1],
        height=frame_shape[0],
        peak=peak(log_odds, frame_shape),
        probability=highest,
        box=_box(chances, frame_shape) if highest >= HEARD else None,
    )


def peak(answers: NDArray[np.floating], frame_shape: tuple[int, ...]) -> Place:
    """The middle of the place that answers best, the first of equals.

    Args:
        answers: (h, w), of `Localizer.answers`.
        frame_shape: (H, W, ...) of the frame.

    Returns:
        A point within the frame: where the map reaches beyond it, its edge.
    """
    height, width = frame_shape[:2]
    row, column = np.unravel_index(np.argmax(answers), answers.shape)
    x, y = ((float(index) + 0.5) * PLACE_PX for index in (column, row))
    return Place(min(x / width, 1.0), min(y / height, 1.0))


def probabilities(log_odds: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-odds of any shape -> probabilities: 1 / (1 + exp(-x)), of which no x is too large."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(log_odds, np.float64))))


def _box(chances: NDArray[np.float64], frame_shape: tuple[int, ...]) -> Box:
    best = np.unravel_index(np.argmax(chances), chances.shape)
    region = _connected(chances >= BOX_SHARE * chances[best], best)
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    height, width = frame_shape[:2]
    return Box(
        left=float(columns[0]) * PLACE_PX / width,
        top=float(rows[0]) * PLACE_PX / height,
        right=min(float(columns[-1] + 1) * PLACE_PX / width, 1.0),
        bottom=min(float(rows[-1] + 1) * PLACE_PX / height, 1.0),
    )


def _connected(high: NDArray[np.bool_], start: tuple[np.intp, ...]) -> NDArray[np.bool_]:
    """Of (h, w) places those that can be reached from one of them, over common sides."""
    region = np.zeros_like(high)
    region[start] = True
    while True:
        grown = region.copy()
        grown[1:] |= region[:-1]
        grown[:-1] |= region[1:]
        grown[:, 1:] |= region[:, :-1]
        grown[:, :-1] |= region[:, 1:]
        grown &= high
        if np.array_equal(grown, region):
            return region
        region = grown
