"""A network that has a map, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import LibraryError
from avsearch.front_end import FrontEnd
from avsearch.models.maps import read_localizer_header

if TYPE_CHECKING:
    from avsearch.encoder import Encoder
    from avsearch.library import Library
    from avsearch.models.header import WeightsHeader

PLACE_PX = 16
"""Pixels of a frame's side to a place of its map: conv1 and three pools halve it (`models.towers.Tower`)."""
LOCALIZER_HINT = (
    "Train one with `avsearch train FOLDER --recipe avol-nce --out RUN` and give it to the library with "
    "`avsearch library set-localizer RUN/encoder.safetensors`."
)


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

    def answers(
        self, frames: NDArray[np.uint8], sounds: Sequence[NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """How much each place of a frame answers a sound.

        The network is fully convolutional, so that a frame of any shape will do, not only the square that it was
        trained on. Its scale must be the one of training, though: an object twice as large as any before is not
        known again. So a frame comes as `media.read_frames` gives it with `front_end.short_side`, of which training
        cuts its squares. It is continued to the right and below by its last pixels until whole places cover it.

        Args:
            frames: (B, H, W, 3) uint8; each is seen once.
            sounds: what each is asked with, (B, 48000) float32 in [-1, 1] at 48 kHz each.

        Returns:
            (B, ceil(H / 16), ceil(W / 16)) float32 log-odds for each of `sounds`; place (i, j) covers the pixels
            from (16 i, 16 j) on.
        """
        down, right = (-side % PLACE_PX for side in frames.shape[1:3])
        covered = np.pad(frames, ((0, 0), (0, down), (0, right), (0, 0)), mode="edge")
        return self._encoder.answers(covered, sounds)


def load_localizer(path: Path, device: str = "auto") -> Localizer:
    """Load a weights file whose network has a map.

    Raises:
        WeightsError: the file cannot be used, or its network has no map.
        UsageError: there is no such device.
    """
    read_localizer_header(path)
    from avsearch.encoder import load_encoder  # noqa: PLC0415  (torch)

    return Localizer(load_encoder(path, device))


def localizer_of(encoder: Encoder) -> Localizer | None:
    """The localizer that an encoder is too, if its network has a map."""
    return Localizer(encoder) if encoder.has_map else None


def require_localizer(library: Library) -> Path:
    """The weights file of a library's localizer.

    Raises:
        LibraryError: it has none.
    """
    path = library.localizer_path()
    if path is None:
        raise LibraryError(
            f"{library.directory}: the library has no localizer, which says where in a picture a sound comes from.",
            hint=LOCALIZER_HINT,
        )
    return path
