"""A video, or a stretch of it -> an MP4 of it with the map over each frame, for the second of sound around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from avsearch.front_end import MOMENT_SAMPLES, num_samples, padded_second
from avsearch.localize.drawing import blended
from avsearch.localize.heat import HeatMap, heat_maps
from avsearch.localize.job import LocalizeJob
from avsearch.localize.localizer import Localizer, load_localizer
from avsearch.localize.parts import Part, Pixels, Size, require_pictures, require_sound, shown_size
from avsearch.media import probe, scaled_size, sound_blocks
from avsearch.media.film import even_rate, read_film
from avsearch.media.write_film import FilmSound, written_film
from avsearch.models.maps import read_localizer_header
from avsearch.moments import SECOND_US, MediaInfo, Progress
from avsearch.pairs import HALF_SECOND_US

LONGEST_PX = 1280
_BATCH = 16  # frames that go through the network at once, and that are in memory
_HALF = MOMENT_SAMPLES // 2


@dataclass(frozen=True, eq=False)
class FrameHeat:
    """The map of one frame, which is shown `time_us` after the start of the file."""

    time_us: int
    heat: HeatMap


@dataclass(frozen=True)
class Film:
    """What was made.

    Attributes:
        num_frames: frames of the film.
        num_answering: those in which some place makes the sound rather than not.
        rate: frames a second.
        size: (width, height).
    """

    num_frames: int
    num_answering: int
    rate: Fraction
    size: Size


@dataclass(frozen=True)
class _Source:
    """What is looked at, how often and how large."""

    part: Part
    info: MediaInfo
    rate: Fraction
    sizes: tuple[Size, Size]

    @property
    def start_us(self) -> int:
        return self.part.start_us or 0

    @property
    def num_frames(self) -> int:
        """As many as the file's header promises."""
        length_us = self.info.duration_us - self.start_us
        if self.part.span is not None:
            length_us = min(length_us, self.part.span.duration_us)
        return round(Fraction(max(length_us, 0), SECOND_US) * self.rate)

    def times_us(self) -> Iterator[int]:
        """When each frame is shown, without end."""
        return (self.start_us + round(number * SECOND_US / self.rate) for number in count())

    def frames(self) -> Iterator[tuple[Pixels, Pixels]]:
        """What is shown, and the same as the network sees it."""
        return read_film(self.part.path, self.info, self.part.span, rate=self.rate, sizes=self.sizes)


def localize_film(job: LocalizeJob, progress: Progress, tell: Callable[[FrameHeat], None]) -> Film:
    """Draw the map over each frame; memory does not grow with the length of the film.

    Args:
        job: what to do.
        progress: is told of frames.
        tell: is told the map of each.

    Raises:
        WeightsError: the weights have no map.
        MediaError: the video has no pictures or no sound, cannot be read, or the MP4 cannot be written.
        UsageError: there is no such device.
    """
    source = _source(job, read_localizer_header(job.model).front_end.short_side)
    localizer = load_localizer(job.model, job.device)
    progress.stage("localize", source.num_frames, "frame")
    sound = FilmSound(source.part.path, source.info, source.part.span)
    num_frames = num_answering = 0
    with written_film(job.out, sound, size=source.sizes[0], rate=source.rate) as take:
        for time_us, (shown, heat) in zip(source.times_us(), _heats(localizer, source), strict=False):
            take(blended(shown, heat))
            tell(FrameHeat(time_us, heat))
            progress.advance()
            num_frames += 1
            num_answering += heat.box is not None
    return Film(num_frames, num_answering, source.rate, source.sizes[0])


def seconds_around(blocks: Iterable[NDArray[np.float32]], centres: Iterable[int]) -> Iterator[NDArray[np.float32]]:
    """The second of sound around each of some instants, (48000,) float32; silence lies before and behind the sound.

    Args:
        blocks: (N,) float32 at 48 kHz one after another.
        centres: samples from the first one on, ascending.
    """
    coming = iter(blocks)
    held, first = np.zeros(_HALF, np.float32), -_HALF  # the number of the first sample that is held
    for centre in centres:
        begin = centre - _HALF
        while first + held.size < begin + MOMENT_SAMPLES and (block := next(coming, None)) is not None:
            held = np.concatenate([held, block])
        past = min(begin - first, held.size)
        held, first = held[past:], first + past
        yield padded_second(held[:MOMENT_SAMPLES])


def _source(job: LocalizeJob, short_side: int) -> _Source:
    info = probe(job.picture.path)
    video = require_pictures(job.picture, info)
    require_sound(job.picture, info)
    sizes = shown_size(video, longest=LONGEST_PX, multiple=2), scaled_size(video, short_side)
    return _Source(job.picture, info, even_rate(video), sizes)


def _heats(localizer: Localizer, source: _Source) -> Iterator[tuple[Pixels, HeatMap]]:
    """Each frame as it is shown, with its map."""
    first_us = max(source.start_us - HALF_SECOND_US, 0)
    centres = (num_samples(time_us) - num_samples(first_us) for time_us in source.times_us())
    heard = seconds_around(sound_blocks(source.part.path, source.info, start_us=first_us), centres)
    moments = ((shown, seen, second) for (shown, seen), second in zip(source.frames(), heard, strict=False))
    while batch := list(islice(moments, _BATCH)):
        shown, seen, seconds = zip(*batch, strict=True)
        yield from zip(shown, heat_maps(localizer, np.stack(seen), np.stack(seconds)), strict=True)
