"""Sound as 48 kHz mono, every sample at its true time since the file's start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import numpy as np

from avsearch.errors import MediaError
from avsearch.front_end import SAMPLE_RATE_HZ
from avsearch.media import safety
from avsearch.media.runner import running
from avsearch.moments import SECOND_US, MediaInfo, Span

SHORTEST_TAIL = SAMPLE_RATE_HZ // 10
DECODE_TIMEOUT_S = 120.0
_PREROLL_US = SECOND_US  # decoded and thrown away: codecs need the packets before a cut to get it right
_BYTES_PER_SAMPLE = 4


def num_samples(time_us: int) -> int:
    """Microseconds -> samples at 48 kHz, rounded."""
    return (time_us * SAMPLE_RATE_HZ + SECOND_US // 2) // SECOND_US


@dataclass(frozen=True)
class Second:
    """A second of sound: `waveform` is (N <= 48000,) float32, shorter only at the end of the file."""

    start_us: int
    waveform: np.ndarray


def sound_seconds(path: Path, info: MediaInfo, span: Span | None = None) -> Iterator[Second]:
    """One second after the other, of the whole file or of a span; the last one may be shorter.

    A rest of less than a tenth of a second is no moment of its own, unless it is all there is: codecs pad
    their last packet.

    Raises:
        MediaError: the file has no sound, or it cannot be decoded.
    """
    first_us = span.start_us if span else 0
    for number, waveform in enumerate(sound_blocks(path, info, start_us=first_us)):
        start_us = first_us + number * SECOND_US
        if span is not None:
            waveform = waveform[: max(num_samples(span.end_us - start_us), 0)]  # noqa: PLW2901
        if waveform.size >= SHORTEST_TAIL or (number == 0 and waveform.size):
            yield Second(start_us, waveform)
        if span is not None and start_us + SECOND_US >= span.end_us:
            return


def read_sound(path: Path, info: MediaInfo, span: Span) -> np.ndarray:
    """The sound of [start, end): (N,) float32 in [-1, 1]; shorter than the span where the sound ends.

    Raises:
        MediaError: the file has no sound, or it cannot be decoded.
    """
    wanted = num_samples(span.end_us) - num_samples(span.start_us)
    return next(sound_blocks(path, info, block_samples=wanted, start_us=span.start_us), np.zeros(0, np.float32))


def sound_blocks(
    path: Path, info: MediaInfo, *, block_samples: int = SAMPLE_RATE_HZ, start_us: int = 0
) -> Iterator[np.ndarray]:
    """All sound from `start_us` on, in blocks of (block_samples,) float32, the last one shorter.

    Silence fills what the stream leaves out, so that sample n lies at `start_us` + n / 48000 s.

    Raises:
        MediaError: the file has no sound, or it cannot be decoded.
    """
    seek_us = 0 if info.container in safety.UNTIMED_CONTAINERS else max(start_us - _PREROLL_US, 0)
    argv = _decode_command(path, info, seek_us)
    with running(argv, path=path, timeout_s=DECODE_TIMEOUT_S + info.duration_us / SECOND_US) as process:
        process.skip((num_samples(start_us) - num_samples(seek_us)) * _BYTES_PER_SAMPLE)
        while block := process.read(block_samples * _BYTES_PER_SAMPLE):
            samples = np.frombuffer(block[: len(block) // _BYTES_PER_SAMPLE * _BYTES_PER_SAMPLE], "<f4")
            yield np.clip(np.nan_to_num(samples), -1, 1)


def _decode_command(path: Path, info: MediaInfo, start_us: int) -> list[str]:
    if info.audio is None:
        raise MediaError(f"{path}: has no sound.", hint="Ask with its pictures instead.")
    seek = {"ss": f"{start_us / SECOND_US:.6f}"} if start_us else {}
    source = ffmpeg.input(safety.file_url(path), **seek, **safety.INPUT_OPTIONS)
    timed = source[str(info.audio.index)].filter("aresample", SAMPLE_RATE_HZ, **{"async": 1, "first_pts": 0})
    output = ffmpeg.output(timed, "pipe:", format="f32le", ac=1, ar=SAMPLE_RATE_HZ, loglevel="level+error")
    return [str(part) for part in output.global_args(*safety.GLOBAL_OPTIONS).compile()]
