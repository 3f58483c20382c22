"""One frame of a file as a small JPEG."""

from __future__ import annotations

from pathlib import Path

from avsearch.errors import MediaError
from avsearch.media.frames import Frame, read_frames, video_of
from avsearch.media.shown import jpeg_of
from avsearch.moments import SECOND_US, MediaInfo


def thumbnail(path: Path, info: MediaInfo, time_us: int, *, longest: int) -> bytes:
    """A JPEG of the frame shown from a time on, or of the last one before it.

    Args:
        path: the file.
        info: what `probe` said of it.
        time_us: when, in microseconds.
        longest: pixels of the longer side.

    Raises:
        MediaError: the file has no pictures, or none of them can be decoded.
    """
    return jpeg_of(frame_at(path, info, time_us, short_side=_short_side(path, info, longest)).rgb)


def frame_at(path: Path, info: MediaInfo, time_us: int, *, short_side: int) -> Frame:
    """The frame shown from a time on, or the last one before it; `short_side` in pixels.

    Raises:
        MediaError: the file has no pictures, or none of them can be decoded.
    """
    for begin_us in dict.fromkeys((time_us, max(time_us - SECOND_US, 0), 0)):
        times_us = list(dict.fromkeys((begin_us, time_us)))
        frames = list(read_frames(path, info, times_us, short_side=short_side, num_threads=1))
        if frames:
            return frames[-1]
    raise MediaError(f"{path}: no picture of it can be decoded.", hint="Check it with `ffmpeg -i`.")


def _short_side(path: Path, info: MediaInfo, longest: int) -> int:
    video = video_of(path, info)
    return max(round(longest * min(video.width, video.height) / max(video.width, video.height)), 1)
