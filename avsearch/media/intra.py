"""Footage in which every frame is a keyframe, as editors have it: a seek to each frame that is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np

from avsearch.errors import MediaError
from avsearch.media import safety
from avsearch.media.frames import RAW_PICTURES, SHOWN_PTS, TIME_BASE, Frame, scaled, scaled_size, video_of
from avsearch.media.runner import run
from avsearch.moments import SECOND_US, MediaInfo, MediaKind

INTRA_CODECS = frozenset(
    {"cfhd", "dnxhd", "dvvideo", "ffvhuff", "huffyuv", "jpeg2000", "mjpeg", "prores", "r210", "rawvideo", "utvideo",
     "v210"}
)  # fmt: skip
FRAMES_PER_PROCESS = 16  # the file is opened once for each
TIMEOUT_S = 120.0
MIN_FRAMES_PER_SECOND = 4.0
_READ_S = "0.5"  # there is a frame in it, at such rates
_INSTANCE = re.compile(r"Parsed_showinfo_(\d+)")


def is_intra(info: MediaInfo) -> bool:
    """Whether every frame decodes on its own, and a seek to one is cheap and exact."""
    video = info.video
    if video is None or info.container in safety.WITHOUT_PTS or info.kind is not MediaKind.VIDEO:
        return False
    return video.codec in INTRA_CODECS and video.frames_per_second >= MIN_FRAMES_PER_SECOND and info.duration_us > 0


def read_intra_frames(path: Path, info: MediaInfo, times_us: Sequence[int], *, short_side: int) -> Iterator[Frame]:
    """The first frame from each time on, which must lie before the end; each costs one seek, not all before it.

    Args:
        path: the file.
        info: what `probe` said of it; `is_intra` holds.
        times_us: ascending times in microseconds.
        short_side: pixels of the shorter side after scaling.

    Raises:
        MediaError: the decoder fails, or there is not another frame for each time: the header lies.
    """
    size = scaled_size(video_of(path, info), short_side)
    for first in range(0, len(times_us), FRAMES_PER_PROCESS):
        some = times_us[first : first + FRAMES_PER_PROCESS]
        output, log = run(_command(path, info, some, size), path=path, timeout_s=TIMEOUT_S)
        frames = list(_frames(output, log, size, info.start_time_us))
        if len({frame.time_us for frame in frames}) != len(some):
            raise MediaError(f"{path}: has fewer pictures than its header says.", hint="Check it with `ffmpeg -i`.")
        yield from frames


def _command(path: Path, info: MediaInfo, times_us: Sequence[int], size: tuple[int, int]) -> list[str]:
    """One input for each time; the frames are put out one after another, in the order of the inputs."""
    frames = []
    for time_us in times_us:
        seek = f"{max(time_us - 1, 0) / SECOND_US:.6f}"  # 1 us for rounding
        source = ffmpeg.input(
            safety.graph_file(path), copyts=None, threads=1, ss=seek, t=_READ_S, **safety.INPUT_OPTIONS
        )
        video = video_of(path, info)
        one = source[str(video.index)].filter("trim", end_frame=1)
        frames.append(scaled(one, size, video.crop))
    joined = ffmpeg.concat(*frames, v=1, a=0) if len(frames) > 1 else frames[0]
    output = ffmpeg.output(joined, "pipe:", loglevel="level+info", **RAW_PICTURES)
    return safety.ffmpeg_command(output, "-nostats")


def _frames(output: bytes, log: str, size: tuple[int, int], start_time_us: int) -> Iterator[Frame]:
    """Pair the raw pictures with what the instances of showinfo printed, which are numbered as the inputs are."""
    width, height = size
    time_bases: dict[int, Fraction] = {}
    times_us: dict[int, int] = {}
    for line in log.splitlines():
        if instance := _INSTANCE.search(line):
            number = int(instance[1])
            if configured := TIME_BASE.search(line):
                time_bases[number] = Fraction(configured[1])
            elif shown := SHOWN_PTS.search(line):
                times_us[number] = round(int(shown[1]) * time_bases[number] * SECOND_US) - start_time_us
    pictures = np.frombuffer(output, np.uint8).reshape(-1, height, width, 3)
    for number, rgb in zip(sorted(times_us), pictures, strict=False):
        yield Frame(times_us[number], rgb)
