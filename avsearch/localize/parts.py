"""What a localizer is asked about: a file, a moment or a stretch of it, and what is seen and heard there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsearch.errors import MediaError
from avsearch.front_end import padded_second
from avsearch.media import Second, frame_times, read_frames, read_sound, sound_seconds
from avsearch.moments import SECOND_US, MediaInfo, Span, VideoStream
from avsearch.pairs import HALF_SECOND_US

Pixels = NDArray[np.uint8]
Size = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """A file, a moment of it, or the stretch [start_us, end_us)."""

    path: Path
    start_us: int | None = None
    end_us: int | None = None

    @property
    def span(self) -> Span | None:
        """The stretch, if it is one."""
        return None if self.start_us is None or self.end_us is None else Span(self.start_us, self.end_us)


def require_pictures(part: Part, info: MediaInfo) -> VideoStream:
    """The stream of pictures.

    Raises:
        MediaError: there is none.
    """
    if info.video is None:
        raise MediaError(f"{part.path}: has no pictures.", hint="Name the picture first, then the sound.")
    return info.video


def require_sound(part: Part, info: MediaInfo) -> None:
    """Refuse a file without sound.

    Raises:
        MediaError: it is one.
    """
    if info.audio is None:
        raise MediaError(f"{part.path}: has no sound.", hint="Name a sound, or a video that has one, behind it.")


def frame_time_us(part: Part, info: MediaInfo) -> int:
    """When the frame is shown that a player shows at the moment; of a whole film, at its middle.

    Raises:
        MediaError: the pictures end before the moment.
    """
    times = frame_times(part.path, info)
    last_us = int(times.times_us[-1])
    wanted_us = last_us // 2 if part.start_us is None else part.start_us
    if wanted_us > last_us + SECOND_US:
        raise MediaError(f"{part.path}: its pictures end at {last_us / SECOND_US:.3f} s.", hint="Ask earlier.")
    return times.shown_at(wanted_us)


def frame_at(path: Path, info: MediaInfo, time_us: int, *, short_side: int) -> Pixels:
    """(H, W, 3) uint8: the frame from a time on, its shorter side as long as asked.

    Raises:
        MediaError: there is none, or it cannot be decoded.
    """
    frame = next(read_frames(path, info, [time_us], short_side=short_side), None)
    if frame is None:
        raise MediaError(f"{path}: no frame can be decoded at {time_us / SECOND_US:.3f} s.", hint="Ask earlier.")
    return np.asarray(frame.rgb)


def picture_at(path: Path, info: MediaInfo, time_us: int, *, size: Size) -> Pixels:
    """The same in a size of one's own, also where that is more than four times as long as wide."""
    picture = Image.fromarray(frame_at(path, info, time_us, short_side=min(size)))
    return np.asarray(picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC))


def second_around(path: Path, info: MediaInfo, time_us: int) -> Second:
    """The second of sound in whose middle a time lies; the first one for a time before that.

    Raises:
        MediaError: the sound ends before.
    """
    return second_from(path, info, max(time_us - HALF_SECOND_US, 0))


def second_from(path: Path, info: MediaInfo, start_us: int) -> Second:
    """The second of sound that begins at a time, (48000,) float32, silence behind the end of the file.

    Raises:
        MediaError: the sound ends before.
    """
    waveform = read_sound(path, info, Span(start_us, start_us + SECOND_US))
    if not waveform.size:
        raise MediaError(f"{path}: its sound ends before {start_us / SECOND_US:.3f} s.", hint="Ask earlier.")
    return Second(start_us, padded_second(waveform))


def seconds_of(part: Part, info: MediaInfo) -> Iterator[Second]:
    """The second from a moment on, or all seconds of a stretch or of the whole file, (48000,) float32 each.

    Raises:
        MediaError: there is no sound there.
    """
    if part.start_us is not None and part.end_us is None:
        yield second_from(part.path, info, part.start_us)
        return
    for second in sound_seconds(part.path, info, part.span):
        yield Second(second.start_us, padded_second(second.waveform))


def shown_size(video: VideoStream, *, longest: int, multiple: int = 1) -> Size:
    """(width, height) of what is shown: the picture's own, if it is no longer than that, in whole multiples."""
    scale = min(longest / max(video.width, video.height), 1.0) / multiple
    width, height = (max(round(side * scale), 1) * multiple for side in (video.width, video.height))
    return width, height
