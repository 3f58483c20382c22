"""One media -> what the encoder needs of it, piece by piece; memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch import media
from avsearch.errors import MediaError
from avsearch.front_end import FrontEnd, centre_square, padded_second
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality
from indexer.plan import image_moments


@dataclass(frozen=True)
class Piece:
    """One moment, ready for the encoder: (side, side, 3) uint8 of an image, (48000,) float32 of a sound."""

    modality: Modality
    start_us: int
    content: NDArray[np.uint8] | NDArray[np.float32]


def read_pieces(path: Path, info: MediaInfo, front_end: FrontEnd) -> Iterator[Piece]:
    """All moments of a file: its images, then its sounds, in the order of time.

    Raises:
        MediaError: it cannot be decoded.
    """
    if info.video is not None:
        times_us = image_moments(media.frame_times(path, info))
        for frame in media.read_frames(path, info, times_us, short_side=front_end.short_side):
            yield Piece(Modality.IMAGE, frame.time_us, centre_square(frame.rgb, front_end))
    if info.audio is not None:
        for second in media.sound_seconds(path, info):
            yield Piece(Modality.AUDIO, second.start_us, padded_second(second.waveform))


def with_true_duration(info: MediaInfo, last_us: int, path: Path) -> MediaInfo:
    """The duration where the header is silent or far from what was decoded: headers of damaged files lie.

    Raises:
        MediaError: nothing at all was decoded.
    """
    if last_us < 0:
        raise MediaError(f"{path}: nothing in it can be decoded.", hint="Check it with `ffmpeg -i`.")
    if info.kind is MediaKind.PICTURE or last_us < info.duration_us <= last_us + 2 * SECOND_US:
        return info
    return replace(info, duration_us=last_us + SECOND_US)
