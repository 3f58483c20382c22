"""One picture and a sound -> a PNG of the picture with the map over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from PIL import Image

from avsearch.errors import MediaError
from avsearch.localize.drawing import blended, png_of
from avsearch.localize.heat import HeatMap, heat_of
from avsearch.localize.job import LocalizeJob
from avsearch.localize.localizer import Localizer, load_localizer
from avsearch.localize.parts import (
    Pixels,
    Size,
    frame_at,
    frame_time_us,
    picture_at,
    require_pictures,
    require_sound,
    second_around,
    seconds_of,
    shown_size,
)
from avsearch.media import Second, probe
from avsearch.models.maps import read_localizer_header
from avsearch.moments import MediaInfo
from avsearch.vectors import written_aside

LONGEST_PX = 1920
_BATCH = 64  # seconds that are decoded before they are heard


@dataclass(frozen=True)
class Still:
    """What was found.

    Attributes:
        heat: the map.
        picture_us: when the frame is shown; 0 for a still picture.
        sound_us: when the second begins.
        size: (width, height) of the PNG.
    """

    heat: HeatMap
    picture_us: int
    sound_us: int
    size: Size


def localize_still(job: LocalizeJob) -> Still:
    """Draw the map over the picture; of a longer sound, for the second that the picture answers best.

    Raises:
        WeightsError: the weights have no map.
        MediaError: a file cannot be read, or has no picture or no sound there.
        LibraryError: the PNG cannot be written.
        UsageError: there is no such device.
    """
    short_side = read_localizer_header(job.model).front_end.short_side
    path, info = job.picture.path, probe(job.picture.path)
    size = shown_size(require_pictures(job.picture, info), longest=LONGEST_PX)
    time_us = frame_time_us(job.picture, info)
    seconds = _seconds(job, info, time_us)
    frame = frame_at(path, info, time_us, short_side=short_side)
    shown = picture_at(path, info, time_us, size=size)
    first = next(seconds, None)  # before the network is loaded, which takes a while
    if first is None:
        raise MediaError(f"{(job.sound or job.picture).path}: has no sound there.", hint="Give another time.")
    heat, sound_us = _best(load_localizer(job.model, job.device), frame, chain([first], seconds))
    with written_aside(job.out) as file:
        file.write(png_of(Image.fromarray(blended(shown, heat))))
    return Still(heat, time_us, sound_us, size)


def _seconds(job: LocalizeJob, info: MediaInfo, time_us: int) -> Iterator[Second]:
    """The sound that was named, else the second around the frame."""
    if job.sound is None:
        require_sound(job.picture, info)
        return iter([second_around(job.picture.path, info, time_us)])
    of_sound = probe(job.sound.path)
    require_sound(job.sound, of_sound)
    return seconds_of(job.sound, of_sound)


def _best(localizer: Localizer, frame: Pixels, seconds: Iterable[Second]) -> tuple[HeatMap, int]:
    """The map with the highest peak, and when its second begins; the first of equals."""
    best: tuple[HeatMap, int] | None = None
    waiting = iter(seconds)
    while batch := list(islice(waiting, _BATCH)):
        answers = localizer.answers(frame[None], [second.waveform[None] for second in batch])
        number = int(np.argmax([it.max() for it in answers]))
        heat = heat_of(answers[number][0], frame.shape)
        if best is None or heat.probability > best[0].probability:
            best = heat, batch[number].start_us
    assert best is not None  # there is a first second
    return best
