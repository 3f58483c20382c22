"""Every frame of a film or of a stretch of it, at an even rate and on two scales at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from avsearch.errors import MediaError
from avsearch.media import safety
from avsearch.media.frames import RAW_PICTURES
from avsearch.media.runner import SECOND_OUTPUT, Running, running
from avsearch.moments import SECOND_US, MediaInfo, Span, VideoStream

MOST_RATE, LEAST_RATE = 30, 12
TIMEOUT_S = 120.0
_PATIENCE_PER_SECOND = 10.0
_EARLIER_US = 10 * SECOND_US  # a seek into MPEG-TS may land too late
_NO_RATE = Fraction(25)

Size = tuple[int, int]
Pixels = NDArray[np.uint8]


def even_rate(video: VideoStream) -> Fraction:
    """Frames a second that show a film well: its own, or a part or a multiple of it between 12 and 30."""
    own = Fraction(video.frames_per_second).limit_denominator(1001)
    if own <= 0:
        return _NO_RATE
    return own / math.ceil(own / MOST_RATE) if own > MOST_RATE else own * math.ceil(LEAST_RATE / own)


def read_film(
    path: Path, info: MediaInfo, span: Span | None, *, rate: Fraction, sizes: tuple[Size, Size]
) -> Iterator[tuple[Pixels, Pixels]]:
    """The frames that a player shows from the start on, `rate` a second; memory does not grow with the length.

    Args:
        path: the file.
        info: what `probe` said of it; it has pictures.
        span: the stretch; None is all of it.
        rate: frames a second; where the file has more or fewer, some are left out or come again.
        sizes: (width, height) of each of the two scales.

    Yields:
        The same frame on both scales, (height, width, 3) uint8 each.

    Raises:
        MediaError: it cannot be decoded, or has no frame there.
    """
    num_frames = 0
    with running(_command(path, info, span, rate=rate, sizes=sizes), path=path, timeout_s=TIMEOUT_S) as process:
        for frames in _both(process, sizes):
            yield frames
            num_frames += 1
            process.grant(_PATIENCE_PER_SECOND / float(rate))
    if not num_frames:
        raise MediaError(f"{path}: no frame can be decoded here.", hint="Give an earlier time.")


def _both(process: Running, sizes: Sequence[Size]) -> Iterator[tuple[Pixels, Pixels]]:
    """Cut the two outputs into frames; both come from one process, in step."""
    held = (bytearray(), bytearray())
    lengths = [width * height * 3 for width, height in sizes]
    for number, block in process.blocks():
        held[number - 1].extend(block)
        while all(len(some) >= length for some, length in zip(held, lengths, strict=True)):
            first, second = map(_taken, held, sizes)
            yield first, second


def _taken(held: bytearray, size: Size) -> Pixels:
    """The first frame of what is held, which it leaves."""
    width, height = size
    length = width * height * 3
    pixels = np.frombuffer(bytes(held[:length]), np.uint8).reshape(height, width, 3)
    del held[:length]
    return pixels


def _command(path: Path, info: MediaInfo, span: Span | None, *, rate: Fraction, sizes: Sequence[Size]) -> list[str]:
    """The file's own timestamps are kept and moved, so that the stretch begins at 0, wherever a seek lands."""
    assert info.video is not None  # as the caller says
    start_us = span.start_us if span else 0
    seek_us = 0 if info.container in safety.WITHOUT_PTS else max(start_us - _EARLIER_US, 0)
    seek = {"ss": f"{seek_us / SECOND_US:.6f}"} if seek_us else {}
    source = ffmpeg.input(safety.graph_file(path), copyts=None, **seek, **safety.INPUT_OPTIONS)
    begin_s = (info.start_time_us + start_us) / SECOND_US
    frames = source[str(info.video.index)].filter("setpts", f"PTS-({begin_s:.6f})/TB")
    frames = frames.filter("fps", fps=str(rate), start_time=0)
    if span is not None:
        frames = frames.filter("trim", end_frame=num_frames(span, rate))
    both = frames.filter_multi_output("split", 2)
    outputs = [
        ffmpeg.output(_scaled(both[number], size), target, **RAW_PICTURES)
        for number, (size, target) in enumerate(zip(sizes, ("pipe:", SECOND_OUTPUT), strict=True))
    ]
    return safety.ffmpeg_command(ffmpeg.merge_outputs(*outputs), "-loglevel", "level+error")


def num_frames(span: Span, rate: Fraction) -> int:
    """How many frames a stretch has, at least one."""
    return max(round(Fraction(span.duration_us, SECOND_US) * rate), 1)


def _scaled(stream: ffmpeg.nodes.FilterableStream, size: Size) -> ffmpeg.nodes.FilterableStream:
    scale = stream.filter("scale", size[0], size[1], flags="bicubic+accurate_rnd+full_chroma_int")
    return scale.filter("format", "rgb24")
