"""A file's frames and seconds, read in the way that costs least for its kind; of damaged ones, what is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from avsearch import media
from avsearch.errors import MediaError
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality

SHORT_PIXELS = 16e6  # of all frames: to decode them costs less than to start another process (50 ms)
_BEFORE_END_US = 250_000  # pictures often end a little before the sound


@dataclass(frozen=True)
class Unreadable:
    """A side of a file that cannot be decoded, although the other one can."""

    modality: Modality
    reason: str


Decoded = media.Frame | media.Second | media.Damage | Unreadable


@dataclass(frozen=True)
class Decoding:
    """How a file is decoded.

    Attributes:
        short_side: pixels of a frame's shorter side.
        gap_us: microseconds between image moments beyond which frames are decoded that are no keyframes.
        num_threads: of the decoder; 0 lets it choose.
    """

    short_side: int
    gap_us: int
    num_threads: int = 0


def read_streams(path: Path, info: MediaInfo, how: Decoding) -> Iterator[Decoded]:
    """Frames and seconds, each kind in the order of time; where one side cannot be decoded, the other one alone.

    Of footage of keyframes only, one frame a second comes, by seeking; short clips are decoded as a whole, their
    gaps filled; of everything else come the keyframes.

    Raises:
        MediaError: neither side can be decoded, or decoding breaks off.
    """
    if media.is_intra(info) and not is_short(info):
        yield from _each_alone(path, info, how)
        return
    begun = False
    try:
        for read in _pass(path, info, how):
            begun = True
            yield read
    except MediaError:
        if begun or info.video is None or info.audio is None:
            raise
        yield from _each_alone(path, info, how)


def is_short(info: MediaInfo) -> bool:
    """Whether decoding all frames of a video costs less than starting a process for some of them."""
    video = info.video
    if video is None or info.kind is MediaKind.PICTURE or not info.duration_us:
        return False
    num_frames = video.frames_per_second * info.duration_us / SECOND_US
    return 0 < num_frames * video.width * video.height <= SHORT_PIXELS


def has_gaps(info: MediaInfo) -> bool:
    """Whether frames may lie further apart than wanted, since `read_streams` gives keyframes of a video."""
    return info.kind is MediaKind.VIDEO and info.video is not None and not is_short(info)


def _pass(path: Path, info: MediaInfo, how: Decoding) -> Iterator[media.Frame | media.Second | media.Damage]:
    gap_us = how.gap_us if is_short(info) else None
    return media.read_pass(path, info, short_side=how.short_side, gap_us=gap_us, num_threads=how.num_threads)


def _each_alone(path: Path, info: MediaInfo, how: Decoding) -> Iterator[Decoded]:
    failures: list[Unreadable] = []
    sides = {
        Modality.IMAGE: replace(info, audio=None) if info.video is not None else None,
        Modality.AUDIO: replace(info, video=None) if info.audio is not None else None,
    }
    for modality, side in sides.items():
        if side is not None:
            try:
                yield from _intra_frames(path, side, how) if media.is_intra(side) else _pass(path, side, how)
            except MediaError as error:
                failures.append(Unreadable(modality, error.message.removeprefix(f"{path}: ")))
    if len(failures) == sum(side is not None for side in sides.values()):
        raise MediaError(f"{path}: {failures[0].reason}", hint="Check it with `ffmpeg -i`.")
    yield from failures


def _intra_frames(path: Path, info: MediaInfo, how: Decoding) -> Iterator[media.Frame]:
    """One frame a second, each by a seek; from where that fails on (pictures that end early), the certain way."""
    times_us = list(range(0, max(info.duration_us - _BEFORE_END_US, 1), SECOND_US))
    num_read = 0
    try:
        for frame in media.read_intra_frames(path, info, times_us, short_side=how.short_side):
            num_read += 1
            yield frame
    except MediaError:
        rest = times_us[num_read:]
        yield from media.read_frames(path, info, rest, short_side=how.short_side, num_threads=how.num_threads)
