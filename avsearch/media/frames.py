"""Frames at chosen times: the demuxer lists the times there are, the decoder delivers the chosen ones."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import ffmpeg
import numpy as np

from avsearch.errors import MediaError
from avsearch.media import safety
from avsearch.media.pictures import read_picture
from avsearch.media.runner import run, running
from avsearch.moments import SECOND_US, Box, MediaInfo, MediaKind, VideoStream

FRAMES_PER_PROCESS = 64
MAX_ASPECT = 4
DEMUX_TIMEOUT_S = 600.0
DECODE_TIMEOUT_S = 120.0
_DECODE_TIMEOUT_PER_SECOND = 10.0
RAW_PICTURES = {"format": "rawvideo", "fps_mode": "passthrough"}  # how ffmpeg puts them out
_EARLIER_US = 10 * SECOND_US
_TAIL_US = 2 * SECOND_US  # read this much past the last chosen time, in case its frame is damaged
_REMUX_HINT = "Put them into a container that has them, for example `ffmpeg -i FILE -c copy NEW.mkv`."
_FAR_APART_US = 10 * SECOND_US  # what lies between such times is skipped by a seek, not decoded
# What the filter showinfo prints; from the start of a line on, since a file's own title is printed too.
TIME_BASE = re.compile(r"^\[Parsed_showinfo\S* @ \w+\] \[info\] config in time_base: (\d+/\d+)", re.MULTILINE)
SHOWN_PTS = re.compile(r"^\[Parsed_showinfo\S* @ \w+\] \[info\] n: *\d+ pts: *(-?\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class FrameTimes:
    """When the frames of a file are shown, in microseconds since its start.

    `times_us` is (N,) int64, ascending; `is_key` is (N,) bool: the frames that decode on their own.
    """

    times_us: np.ndarray
    is_key: np.ndarray

    def __post_init__(self) -> None:
        if self.times_us.shape != self.is_key.shape or np.any(np.diff(self.times_us) < 0):
            raise ValueError("frame times must ascend and go with as many key flags")

    def shown_at(self, time_us: int) -> int:
        """The time of the frame that a player shows at `time_us`: the last one not after it, else the first."""
        index = int(np.searchsorted(self.times_us, time_us, side="right")) - 1
        return int(self.times_us[max(index, 0)])


@dataclass(frozen=True)
class Frame:
    """A picture and its true time: `rgb` is (H, W, 3) uint8, upright, pixels square."""

    time_us: int
    rgb: np.ndarray


def scaled_size(video: VideoStream, short_side: int) -> tuple[int, int]:
    """(width, height) with the shorter side at `short_side`; the longer is at most four times that."""
    scale = short_side / min(video.width, video.height)
    longest = short_side * MAX_ASPECT
    width, height = (min(max(round(side * scale), short_side), longest) for side in (video.width, video.height))
    return width, height


def frame_times(path: Path, info: MediaInfo) -> FrameTimes:
    """List when frames are shown, from the demuxer alone: nothing is decoded.

    Raises:
        MediaError: the file has no pictures, or its packets cannot be read.
    """
    if info.kind is MediaKind.PICTURE:
        return FrameTimes(np.zeros(1, np.int64), np.ones(1, bool))
    times, keys = array("q"), array("b")
    for time_us, is_key in islice(_packets(path, info, video_of(path, info)), safety.MAX_PACKETS + 1):
        times.append(time_us)
        keys.append(is_key)
    if len(times) > safety.MAX_PACKETS:
        raise MediaError(f"{path}: has more than {safety.MAX_PACKETS} pictures.", hint="Cut it into shorter files.")
    if not times:
        raise MediaError(f"{path}: its pictures carry no times.", hint=_REMUX_HINT)
    order = np.argsort(np.array(times, np.int64), kind="stable")
    return FrameTimes(np.array(times, np.int64)[order], np.array(keys, bool)[order])


def read_frames(
    path: Path, info: MediaInfo, times_us: Sequence[int], *, short_side: int, num_threads: int = 0
) -> Iterator[Frame]:
    """Decode the frames shown from the chosen times on, with their true times; memory stays bounded.

    For each time comes the first frame not before it; a frame comes once even where two times share it. Times
    in a gap of hours, which damaged time stamps leave, and times past the end cost one search, not one each.

    Args:
        path: the file.
        info: what `probe` said of it.
        times_us: ascending times, best taken from `frame_times`.
        short_side: pixels of the shorter side after scaling.
        num_threads: of the decoder; 0 lets it choose.

    Raises:
        MediaError: the decoder fails.
    """
    size = scaled_size(video_of(path, info), short_side)
    if info.kind is MediaKind.PICTURE:
        yield Frame(0, read_picture(path, size, crop=video_of(path, info).crop))
        return
    last_us = -1
    for stretch in _stretches(times_us):
        some = [time_us for time_us in stretch if time_us > last_us]
        if not some:
            continue
        frames = _decode(path, info, some, size, num_threads)
        frames = frames or _decode(path, info, some[:1], size, num_threads, to_end=True)
        if not frames:
            return
        for frame in frames:
            if frame.time_us > last_us:
                yield frame
                last_us = frame.time_us


def scaled(
    stream: ffmpeg.nodes.FilterableStream, size: tuple[int, int], crop: Box | None
) -> ffmpeg.nodes.FilterableStream:
    """A stream of pictures as (width, height) RGB, its frames' times printed for `TIME_BASE` and `SHOWN_PTS`."""
    if crop is not None:
        stream = stream.filter("format", "rgb24").filter("crop", **_crop_edges(crop))  # as RGB no edge is rounded
    return (
        stream.filter("scale", size[0], size[1], flags="bicubic+accurate_rnd+full_chroma_int")
        .filter("format", "rgb24")
        .filter("showinfo", checksum=0)
    )


def _crop_edges(crop: Box) -> dict[str, str]:
    """A part of each picture, at least one pixel of it, as the filter wants it."""
    return {
        "w": f"max(1,round(iw*{crop.right - crop.left:.6f}))",
        "h": f"max(1,round(ih*{crop.bottom - crop.top:.6f}))",
        "x": f"min(iw-out_w,round(iw*{crop.left:.6f}))",
        "y": f"min(ih-out_h,round(ih*{crop.top:.6f}))",
    }


def video_of(path: Path, info: MediaInfo) -> VideoStream:
    """The stream of pictures.

    Raises:
        MediaError: there is none.
    """
    if info.video is None:
        raise MediaError(f"{path}: has no pictures.", hint="Ask with its sound instead.")
    return info.video


def _packets(path: Path, info: MediaInfo, video: VideoStream) -> Iterator[tuple[int, bool]]:
    entries = ("-of", "compact=p=0:nk=1", "-show_entries", "packet=pts_time,dts_time,flags")
    argv = safety.ffprobe_command(path, "-select_streams", str(video.index), *entries)
    with running(argv, path=path, timeout_s=DEMUX_TIMEOUT_S) as process:
        rest = b""
        while block := process.read(1 << 16):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                packet = _packet(line.decode("ascii", "replace"), info.start_time_us)
                if packet is not None:
                    yield packet


def _packet(line: str, start_time_us: int) -> tuple[int, bool] | None:
    """`pts|dts|flags` -> (time_us, is_key), None for packets without a time or that are not shown."""
    fields = line.strip().split("|")
    if len(fields) < 3 or "D" in fields[2]:
        return None
    time = fields[0] if fields[0] != "N/A" else fields[1]
    if time == "N/A":
        return None
    time_us = round(Fraction(time) * SECOND_US) - start_time_us
    return (time_us, "K" in fields[2]) if 0 <= time_us <= safety.LONGEST_US else None


def _stretches(times_us: Sequence[int]) -> Iterator[Sequence[int]]:
    """Times that one process reads: not too many, and none far from the one before."""
    first = 0
    for index in range(1, len(times_us) + 1):
        is_end = index == len(times_us) or times_us[index] - times_us[index - 1] > _FAR_APART_US
        if is_end or index - first == FRAMES_PER_PROCESS:
            yield times_us[first:index]
            first = index


def _decode(
    path: Path,
    info: MediaInfo,
    times_us: Sequence[int],
    size: tuple[int, int],
    num_threads: int,
    *,
    to_end: bool = False,
) -> list[Frame]:
    """One process for a handful of times; a seek that lands too late (MPEG-TS) is tried again from earlier.

    `to_end` searches the whole rest of the file, not only the time that the frames should lie in.
    """
    timeout_s = DECODE_TIMEOUT_S + _DECODE_TIMEOUT_PER_SECOND * times_us[-1] / SECOND_US
    frames: list[Frame] = []
    for margin_us in (1, _EARLIER_US):
        start_us = 0 if info.container in safety.WITHOUT_PTS else max(times_us[0] - margin_us, 0)
        seek = {"ss": _seconds(start_us)} if start_us else {}
        limit = {} if to_end else {"t": _seconds(times_us[-1] - start_us + _TAIL_US)}
        source = ffmpeg.input(
            safety.graph_file(path), copyts=None, threads=num_threads, **limit, **seek, **safety.INPUT_OPTIONS
        )
        video = video_of(path, info)
        chosen = source[str(video.index)].filter("select", _selection(times_us, info.start_time_us))
        argv = _decode_command(scaled(chosen, size, video.crop), len(times_us))
        output, log = run(argv, path=path, timeout_s=timeout_s)
        frames = _frames(output, log, size, info.start_time_us)
        if start_us == 0 or (frames and frames[0].time_us <= times_us[0] + 1):
            break
    return frames


def _decode_command(frames: ffmpeg.nodes.FilterableStream, num_frames: int) -> list[str]:
    """They are read with `-copyts`: the file's own timestamps are kept, so that showinfo reports true times."""
    output = ffmpeg.output(frames, "pipe:", loglevel="level+info", **RAW_PICTURES, **{"frames:v": num_frames})
    return safety.ffmpeg_command(output, "-nostats")


def _selection(times_us: Sequence[int], start_time_us: int) -> str:
    """True where more of the chosen times lie behind this frame than behind the last one selected."""
    marks = [_seconds(time_us + start_time_us - 1) for time_us in times_us]  # 1 us for rounding

    def passed(clock: str) -> str:
        return "+".join(f"gte({clock},{mark})" for mark in marks)

    return f"gt({passed('t')},{passed('prev_selected_t')})"


def _frames(output: bytes, log: str, size: tuple[int, int], start_time_us: int) -> list[Frame]:
    """Pair the raw pictures with the times that showinfo printed."""
    pictures = np.frombuffer(output, np.uint8)
    width, height = size
    pictures = pictures[: pictures.size // (width * height * 3) * (width * height * 3)]
    pictures = pictures.reshape(-1, height, width, 3)
    time_base = TIME_BASE.search(log)
    if time_base is None:
        return []
    times = [round(int(pts) * Fraction(time_base[1]) * SECOND_US) for pts in SHOWN_PTS.findall(log)]
    frames = [Frame(time - start_time_us, rgb) for time, rgb in zip(times, pictures, strict=False)]
    return [frame for frame in frames if 0 <= frame.time_us <= safety.LONGEST_US]


def _seconds(time_us: int) -> str:
    """Microseconds as decimal seconds, exactly."""
    return f"{time_us // SECOND_US}.{time_us % SECOND_US:06d}" if time_us >= 0 else f"-{_seconds(-time_us)}"
