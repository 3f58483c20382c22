"""Write a film while its frames are being made, with sound from another file: H.264 and AAC in an MP4."""

from __future__ import annotations

import errno
import os
import select
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from avsearch.errors import MediaError, unwritable
from avsearch.media import safety
from avsearch.media.runner import STALL_S, Running, running
from avsearch.media.sound import resampled
from avsearch.media.waiting import still_waiting
from avsearch.media.write import ASIDE_PREFIX, SOUND_BITRATE
from avsearch.moments import SECOND_US, MediaInfo, Span

TIMEOUT_S = 120.0
_PATIENCE_PER_FRAME_S = 1.0
_LOOK_EVERY_MS = 200
_PREROLL_US = SECOND_US  # codecs need the packets before a cut to get it right
_COLOURS = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}


@dataclass(frozen=True)
class FilmSound:
    """The sound of a film: that of a file which has sound, or of a stretch of it."""

    path: Path
    info: MediaInfo
    span: Span | None = None


@contextmanager
def written_film(
    path: Path, sound: FilmSound, *, size: tuple[int, int], rate: Fraction
) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    """Give a function that takes one frame after another; the film appears when the block ends, whole.

    Args:
        path: the MP4 to write.
        sound: what is heard; its start is heard with the first frame.
        size: (width, height) of the frames, both even.
        rate: frames a second.

    Raises:
        MediaError: the folder cannot be written, the disk is full, ffmpeg is missing or fails.
        ValueError: a frame is not (height, width, 3) uint8.
    """
    try:
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=ASIDE_PREFIX)
    except OSError as error:
        raise unwritable(MediaError, path, error.strerror or str(error)) from error
    with folder as name:
        aside = Path(name) / "film.mp4"
        argv = _command(aside, sound, size=size, rate=rate)
        with _explained(path, aside), _fed(argv, path) as send:
            yield partial(_take, send, size)
        try:
            aside.replace(path)
        except OSError as error:
            raise unwritable(MediaError, path, error.strerror or str(error)) from error


class _EndedError(Exception):
    """The process that is written to has ended."""


@contextmanager
def _fed(argv: list[str], path: Path) -> Iterator[Callable[[memoryview], None]]:
    """Start a process and give a function that writes to its standard input."""
    reading_end, writing_end = os.pipe()
    os.set_blocking(writing_end, False)
    with os.fdopen(reading_end, "rb") as theirs, os.fdopen(writing_end, "wb", buffering=0) as ours:
        with running(argv, path=path, timeout_s=TIMEOUT_S, stdin=theirs.fileno()) as process:
            theirs.close()
            has_ended = False
            try:
                yield partial(_send, process, ours.fileno())
            except _EndedError:
                has_ended = True  # why, is what `running` finds out
            ours.close()
        if has_ended:
            raise MediaError(f"{path}: ffmpeg ended before all frames were written.")


def _send(process: Running, descriptor: int, data: memoryview) -> None:
    """Write all of it; the process may take its time, as long as it takes some."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    end_s = time.monotonic() + STALL_S
    while data:
        still_waiting()
        if poll.poll(_LOOK_EVERY_MS):
            try:
                data = data[os.write(descriptor, data) :]
            except BrokenPipeError:
                raise _EndedError from None
            end_s = time.monotonic() + STALL_S
        elif time.monotonic() > end_s:
            raise MediaError(f"{process.path}: writing it takes too long.", hint="Is the disk still there?")
    process.grant(_PATIENCE_PER_FRAME_S)


def _take(send: Callable[[memoryview], None], size: tuple[int, int], frame: NDArray[np.uint8]) -> None:
    if frame.dtype != np.uint8 or frame.shape != (size[1], size[0], 3):
        raise ValueError(f"expected a frame {(size[1], size[0], 3)} uint8, got {frame.shape} {frame.dtype}")
    send(memoryview(np.ascontiguousarray(frame).data).cast("B"))


@contextmanager
def _explained(path: Path, aside: Path) -> Iterator[None]:
    """Say a full disk in our words, and name no file that is soon gone."""
    full = os.strerror(errno.ENOSPC)
    try:
        yield
    except MediaError as error:
        if full in error.message:
            raise unwritable(MediaError, path, full) from error
        message = error.message.replace(safety.file_url(aside), "the film").replace(str(aside), "the film")
        raise MediaError(message, hint=error.hint) from error


def _command(film: Path, sound: FilmSound, *, size: tuple[int, int], rate: Fraction) -> list[str]:
    pictures = ffmpeg.input(
        "pipe:0",
        protocol_whitelist="pipe",
        format="rawvideo",
        pixel_format="rgb24",
        video_size=size,
        framerate=str(rate),
    )
    assert sound.info.audio is not None  # `resampled` refuses a file without
    output = ffmpeg.output(
        pictures.video.filter("scale", out_color_matrix="bt709"),
        _heard(sound),
        safety.graph_file(film),
        format="mp4",
        vcodec="libx264",
        preset="veryfast",
        crf=20,
        pix_fmt="yuv420p",
        acodec="aac",
        ac=min(sound.info.audio.num_channels, 2),
        audio_bitrate=SOUND_BITRATE,
        movflags="+faststart",
        loglevel="level+error",
        **_COLOURS,
    )
    return safety.ffmpeg_command(output)


def _heard(sound: FilmSound) -> ffmpeg.nodes.FilterableStream:
    """The sound from the start of the stretch on, every sample at its true time."""
    start_us = sound.span.start_us if sound.span else 0
    seek_us = 0 if sound.info.container in safety.UNTIMED_CONTAINERS else max(start_us - _PREROLL_US, 0)
    seek = {"ss": f"{seek_us / SECOND_US:.6f}"} if seek_us else {}
    source = ffmpeg.input(safety.graph_file(sound.path), **seek, **safety.INPUT_OPTIONS)
    heard = resampled(source, sound.path, sound.info)
    if sound.span is None:
        return heard
    limits = {"start": (start_us - seek_us) / SECOND_US, "duration": sound.span.duration_us / SECOND_US}
    return heard.filter("atrim", **limits).filter("asetpts", "PTS-STARTPTS")
