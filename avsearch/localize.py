"""A frame and a second of sound -> where in the frame the sound comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import WeightsError
from avsearch.front_end import FrontEnd
from avsearch.models.weights import read_usable_header
from avsearch.moments import Place

if TYPE_CHECKING:
    from avsearch.encoder import Encoder
    from avsearch.models.header import WeightsHeader

PLACE_PX = 16
"""Pixels of a frame's side to a place of its map: conv1 and three pools halve it (`models.towers.Tower`)."""
LOCALIZING = {"avol": "avol", "avol-attention": "avol-attention", "avol-cosine": "avol-nce"}
"""The architectures that have a map, and the recipe that trains each."""


class Localizer:
    """A network that has a map; `front_end` says what it sees and hears."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def header(self) -> WeightsHeader:
        return self._encoder.header

    @property
    def front_end(self) -> FrontEnd:
        return self._encoder.front_end

    def answers(self, frames: NDArray[np.uint8], waveforms: NDArray[np.float32]) -> NDArray[np.float32]:
        """How much each place of a frame answers the sound.

        The network is fully convolutional, so that a frame of any shape will do, not only the square that it was
        trained on. Its scale must be the one of training, though: an object twice as large as any before is not
        known again. So a frame comes as `media.read_frames` gives it with `front_end.short_side`, of which training
        cuts its squares. It is continued to the right and below by its last pixels until whole places cover it.

        Args:
            frames: (B, H, W, 3) uint8.
            waveforms: (B, 48000) float32 in [-1, 1] at 48 kHz.

        Returns:
            (B, ceil(H / 16), ceil(W / 16)) float32 log-odds; place (i, j) covers the pixels from (16 i, 16 j) on.
        """
        down, right = (-side % PLACE_PX for side in frames.shape[1:3])
        covered = np.pad(frames, ((0, 0), (0, down), (0, right), (0, 0)), mode="edge")
        return self._encoder.answers(covered, waveforms)


def load_localizer(path: Path, device: str = "auto") -> Localizer:
    """Load a weights file whose network has a map.

    Raises:
        WeightsError: the file cannot be used, or its network has no map.
        UsageError: there is no such device.
    """
    header = read_usable_header(path)
    if header.architecture not in LOCALIZING:
        raise WeightsError(
            f"{path}: {header.architecture} cannot say where in a picture a sound comes from.",
            hint=f"Train one with --recipe and one of {', '.join(LOCALIZING.values())}.",
        )
    from avsearch.encoder import load_encoder  # noqa: PLC0415  (torch)

    return Localizer(load_encoder(path, device))


def localizer_of(encoder: Encoder) -> Localizer | None:
    """The localizer that an encoder is too, if its network has a map."""
    return Localizer(encoder) if encoder.has_map else None


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
