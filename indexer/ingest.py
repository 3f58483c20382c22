"""One media -> what the encoder needs of it, piece by piece; memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsearch import media
from avsearch.errors import MediaError
from avsearch.front_end import FrontEnd, centre_square, padded_second
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality
from indexer.damage import Incomplete, Timeline
from indexer.plan import GAP_US, fill_times
from indexer.repeats import Stills, is_silent
from indexer.streams import Decoding, Unreadable, has_gaps, read_streams


@dataclass(frozen=True)
class Piece:
    """One moment, ready for the encoder: what is seen (`media.Look`) of an image, (48000,) float32 of a sound."""

    modality: Modality
    start_us: int
    content: NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class LeftOut:
    """A moment that says nothing new: a second of digital silence, a black or frozen frame."""

    modality: Modality
    start_us: int


@dataclass(frozen=True, eq=False)
class Encoded:
    """Moments of one modality that are encoded already: (N,) int64 microseconds, (N, D) float32 unit rows."""

    modality: Modality
    starts_us: NDArray[np.int64]
    vectors: NDArray[np.float32]


Read = Piece | LeftOut | Unreadable | Incomplete | Encoded


def read_pieces(
    path: Path, info: MediaInfo, front_end: FrontEnd, *, gap_us: int, num_threads: int = 0
) -> Iterator[Read]:
    """All moments of a file: keyframes and seconds in the order of time, then the frames that fill gaps.

    Then comes what damage has taken, if it has. For an encoder that sees several frames around a moment, the
    images come last: which moments there are is known by then, and the frames around them are read in one go.

    Args:
        path: the file.
        info: what `media.probe` said of it.
        front_end: of the encoder.
        gap_us: microseconds between image moments beyond which frames are decoded exactly.
        num_threads: of the decoder; 0 lets it choose.

    Raises:
        MediaError: nothing of it can be decoded.
    """
    seen_us: list[int] = []
    for read in _read_moments(path, info, front_end, Decoding(front_end.short_side, gap_us, num_threads)):
        if front_end.num_frames > 1 and isinstance(read, Piece) and read.modality is Modality.IMAGE:
            seen_us.append(read.start_us)
        else:
            yield read
    try:
        for look in media.read_looks(path, info, sorted(seen_us), front_end=front_end, num_threads=num_threads):
            yield Piece(Modality.IMAGE, look.time_us, look.pixels)
    except MediaError as error:
        yield Unreadable(Modality.IMAGE, error.message.removeprefix(f"{path}: "))


def read_again(
    path: Path,
    info: MediaInfo,
    front_end: FrontEnd,
    *,
    wanted: Mapping[Modality, Sequence[int]],
    gap_us: int | None = None,
    num_threads: int = 0,
) -> Iterator[Piece]:
    """The moments at known times, exactly those, whatever their content: images, sounds, then what was missed.

    Args:
        path: the file.
        info: what `media.probe` said of it.
        front_end: of the encoder.
        wanted: times of moments in microseconds.
        gap_us: what they were planned with, if that is known; a short video is then read as it was read first.
        num_threads: of the decoder; 0 lets it choose.

    Raises:
        MediaError: it cannot be decoded, or a moment is not there any more.
    """
    left = {modality: set(wanted.get(modality, ())) for modality in Modality}
    how = Decoding(front_end.short_side, gap_us or GAP_US, num_threads)
    for modality, start_us, content in _read_chosen(path, info, front_end, left, how):
        if start_us in left[modality]:
            left[modality].discard(start_us)
            yield Piece(modality, start_us, content())
            if not any(left.values()):
                return  # what follows is not asked for
    if num_lost := sum(map(len, left.values())):
        raise MediaError(
            f"{path}: {num_lost} of its moments are not found again.", hint="Remove it, and index it anew."
        )


def with_true_duration(info: MediaInfo, last_us: int, path: Path, *, gap_us: int) -> MediaInfo:
    """The duration where the header is silent or far from what was decoded: headers of damaged files lie.

    Args:
        info: what the header says.
        last_us: when the last frame or second begins; -1 where there was none.
        path: the file.
        gap_us: the longest that an image moment may lie before the end.

    Raises:
        MediaError: nothing at all was decoded.
    """
    if last_us < 0:
        raise MediaError(f"{path}: nothing in it can be decoded.", hint="Check it with `ffmpeg -i`.")
    if info.kind is MediaKind.PICTURE or last_us < info.duration_us <= last_us + gap_us + SECOND_US:
        return info
    return replace(info, duration_us=last_us + SECOND_US)


def _read_moments(path: Path, info: MediaInfo, front_end: FrontEnd, how: Decoding) -> Iterator[Read]:
    """All moments of a file, images by their own frames."""
    stills, timeline, unreadable = Stills(), Timeline(how.gap_us), set[Modality]()
    for read in read_streams(path, info, how):
        if isinstance(read, Unreadable):
            unreadable.add(read.modality)
            yield read
        elif isinstance(read, media.Damage):
            timeline.damage = timeline.damage or read
        else:
            yield _moment(read, front_end, stills, timeline)
    if info.audio is not None and not timeline.heard_us and Modality.AUDIO not in unreadable:
        yield Unreadable(Modality.AUDIO, "nothing of its sound can be decoded.")
    if has_gaps(info) and Modality.IMAGE not in unreadable:
        for frame in _fill(path, info, timeline, how):
            yield _moment(frame, front_end, stills, timeline)
    if incomplete := timeline.incomplete(info.duration_us):
        yield incomplete


def _read_chosen(
    path: Path, info: MediaInfo, front_end: FrontEnd, left: Mapping[Modality, AbstractSet[int]], how: Decoding
) -> Iterator[tuple[Modality, int, Callable[[], NDArray[Any]]]]:
    """What one pass gives of the sides that are wanted, then the images that were not among it.

    A pass gives single frames, so for an encoder that sees several it gives the sound alone.
    """
    images = left[Modality.IMAGE]
    alone = {Modality.IMAGE} if front_end.num_frames == 1 else set()
    part = info.limited_to([modality for modality in alone | {Modality.AUDIO} if left[modality]])
    if part.video is not None or part.audio is not None:
        for read in read_streams(path, part, how):
            if isinstance(read, media.Frame):
                yield Modality.IMAGE, read.time_us, partial(centre_square, read.rgb, front_end)
            elif isinstance(read, media.Second):
                yield Modality.AUDIO, read.start_us, partial(padded_second, read.waveform)
    if images:
        looks = media.read_looks(path, info, sorted(images), front_end=front_end, num_threads=how.num_threads)
        for look in looks:
            yield Modality.IMAGE, look.time_us, partial(np.asarray, look.pixels)


def _fill(path: Path, info: MediaInfo, timeline: Timeline, how: Decoding) -> Iterator[media.Frame]:
    """New frames where the ones that there are lie too far apart, as far as there really are any."""
    seen_us = list(timeline.frames_us)
    times_us = fill_times(seen_us, info.duration_us or timeline.heard_us, gap_us=how.gap_us)
    found = media.read_frames(path, info, times_us, short_side=how.short_side, num_threads=how.num_threads)
    seen = set(seen_us)
    yield from (frame for frame in found if frame.time_us not in seen)


def _moment(
    read: media.Frame | media.Second, front_end: FrontEnd, stills: Stills, timeline: Timeline
) -> Piece | LeftOut:
    """The moment that a frame or a second makes, or that it makes none; the timeline learns of it."""
    moment: Piece | LeftOut
    if isinstance(read, media.Frame):
        square = centre_square(read.rgb, front_end)
        is_new = not stills.repeats(read.time_us, square)
        moment = Piece(Modality.IMAGE, read.time_us, square) if is_new else LeftOut(Modality.IMAGE, read.time_us)
    elif is_silent(read.waveform):
        moment = LeftOut(Modality.AUDIO, read.start_us)
    else:
        moment = Piece(Modality.AUDIO, read.start_us, padded_second(read.waveform))
    timeline.add(moment.modality, moment.start_us, is_left_out=isinstance(moment, LeftOut))
    return moment
