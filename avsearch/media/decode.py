"""One pass over a file: its keyframes and all its sound, out of one ffmpeg process and in step with each other."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np

from avsearch.errors import MediaError
from avsearch.front_end import SAMPLE_RATE_HZ
from avsearch.media import safety
from avsearch.media.frames import RAW_PICTURES, SHOWN_PTS, TIME_BASE, Frame, scaled, scaled_size
from avsearch.media.pictures import read_picture
from avsearch.media.runner import SECOND_OUTPUT, Running, running
from avsearch.media.sound import (
    BYTES_PER_SAMPLE,
    RAW_SOUND,
    Second,
    is_moment,
    require_plausible,
    resampled,
    waveform,
)
from avsearch.moments import SECOND_US, MediaInfo, MediaKind

APART_TOLERANCE_US = 1_000  # of keyframes once a second some stand 0.9999 s apart
TIMEOUT_S = 120.0
_PATIENCE_PER_SECOND = 10.0
_TIME_WAIT_S = 30.0  # showinfo prints a frame's time before the frame comes
_SOUND_BLOCK = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE


@dataclass(frozen=True)
class Damage:
    """What ffmpeg complained of in a file that it read to its end all the same.

    Attributes:
        words: the first complaint, as it was printed.
        num_errors: how many there were; those that repeat one before count as one.
    """

    words: str
    num_errors: int


def read_pass(
    path: Path, info: MediaInfo, *, short_side: int, gap_us: int | None = None, num_threads: int = 0
) -> Iterator[Frame | Second | Damage]:
    """Keyframes at least a second apart with their true times, and every second of sound, as they come.

    Keyframes decode on their own, so this costs a small part of decoding all frames. Both kinds come in the
    order of time; memory does not grow with the file's length. A still picture is one frame. Decoders that
    know no keyframes (AV1, VP9), and containers without true times, give other frames too, still as far apart.
    Last comes what the decoders complained of, if they did.

    Args:
        path: the file.
        info: what `probe` said of it; streams that it names are read.
        short_side: pixels of a frame's shorter side after scaling.
        gap_us: where no keyframe came for so long, in microseconds, another frame is taken; then all frames are
            decoded. None takes keyframes alone.
        num_threads: of the decoder; 0 lets it choose.

    Raises:
        MediaError: it cannot be decoded.
    """
    size = scaled_size(info.video, short_side) if info.video is not None else (0, 0)
    if info.kind is MediaKind.PICTURE:
        yield Frame(0, read_picture(path, size))
        return
    times = _FrameTimes(info.start_time_us)
    argv = _command(path, info, size, gap_us, num_threads)
    with running(argv, path=path, timeout_s=TIMEOUT_S, on_line=times.hear) as process:
        reached_us = 0
        for read in _demultiplex(process, info, size, times):
            end_us = read.start_us + SECOND_US if isinstance(read, Second) else read.time_us
            if end_us > reached_us:
                process.grant(_PATIENCE_PER_SECOND * (end_us - reached_us) / SECOND_US)
                reached_us = end_us
            yield read
    if complaints := process.complaints():
        yield Damage(complaints[0], len(complaints))


class _FrameTimes:
    """The times of the frames that come, in their order, out of what showinfo prints."""

    def __init__(self, start_time_us: int) -> None:
        self._start_time_us = start_time_us
        self._time_base = Fraction(0)
        self._times_us: queue.SimpleQueue[int] = queue.SimpleQueue()

    def hear(self, line: str) -> None:
        """Take in one line of ffmpeg's."""
        if shown := SHOWN_PTS.search(line):
            self._times_us.put(round(int(shown[1]) * self._time_base * SECOND_US) - self._start_time_us)
        elif configured := TIME_BASE.search(line):
            self._time_base = Fraction(configured[1])

    def next_us(self, path: Path) -> int:
        """The time of the next frame."""
        try:
            return self._times_us.get(timeout=_TIME_WAIT_S)
        except queue.Empty:
            raise MediaError(f"{path}: its frames carry no times.", hint="Try `ffmpeg -i` on it.") from None


def _demultiplex(
    process: Running, info: MediaInfo, size: tuple[int, int], times: _FrameTimes
) -> Iterator[Frame | Second]:
    """Cut the two outputs into frames and seconds as they arrive."""
    picture_output, sound_output = (1, 2) if info.video is not None else (0, 1)
    width, height = size
    pictures, sound = _Cutter(width * height * 3), _Cutter(_SOUND_BLOCK)
    number = 0
    for output, block in process.blocks():
        if output == picture_output:
            for pixels in pictures.cut(block):
                time_us = times.next_us(process.path)
                if 0 <= time_us <= safety.LONGEST_US:
                    yield Frame(time_us, np.frombuffer(pixels, np.uint8).reshape(height, width, 3))
        elif output == sound_output:
            for samples in sound.cut(block):
                require_plausible(process.path, number * SECOND_US)
                yield Second(number * SECOND_US, waveform(samples))
                number += 1
    rest = waveform(sound.rest())
    if is_moment(number, rest.size):
        yield Second(number * SECOND_US, rest)


class _Cutter:
    """Bytes in any portions -> pieces of one length."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._held = bytearray()

    def cut(self, block: bytes) -> Iterator[bytes]:
        self._held += block
        while len(self._held) >= self._length:
            yield bytes(self._held[: self._length])
            del self._held[: self._length]

    def rest(self) -> bytes:
        return bytes(self._held)


def _command(path: Path, info: MediaInfo, size: tuple[int, int], gap_us: int | None, num_threads: int) -> list[str]:
    """Pictures to stdout and sound to the second output; the only one of the two that there is, to stdout."""
    takes_all = gap_us is not None or info.container in safety.WITHOUT_PTS | safety.GUESSED_PTS
    skipping = {} if takes_all else {"skip_frame": "nokey"}
    source = ffmpeg.input(
        safety.graph_file(path), copyts=None, threads=num_threads, **skipping, **safety.INPUT_OPTIONS
    )
    outputs = []
    if info.video is not None:
        frames = source[str(info.video.index)].filter("select", _selection(gap_us))
        outputs.append(ffmpeg.output(scaled(frames, size, info.video.crop), "pipe:", **RAW_PICTURES))
    if info.audio is not None:
        target = SECOND_OUTPUT if outputs else "pipe:"
        sound = resampled(source, path, info, start_us=info.start_time_us)
        outputs.append(ffmpeg.output(sound, target, **RAW_SOUND))
    return safety.ffmpeg_command(ffmpeg.merge_outputs(*outputs), "-nostats", "-loglevel", "level+info")


def _selection(gap_us: int | None) -> str:
    """True for the first frame, and for each that is far enough from the one selected last."""
    apart = f"{(SECOND_US - APART_TOLERANCE_US) / SECOND_US:.6f}"
    if gap_us is not None:
        apart = f"if(key,{apart},{gap_us / SECOND_US:.6f})"
    return f"isnan(prev_selected_t)+gte(t-prev_selected_t,{apart})"
