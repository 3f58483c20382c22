"""Sound as 48 kHz mono, every sample at its true time since the file's start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import numpy as np

from avsearch.errors import MediaError
from avsearch.front_end import SAMPLE_RATE_HZ, num_samples
from avsearch.media import safety
from avsearch.media.runner import running
from avsearch.moments import SECOND_US, MediaInfo, Span

SHORTEST_TAIL = SAMPLE_RATE_HZ // 10
DECODE_TIMEOUT_S = 120.0
_PREROLL_US = SECOND_US  # decoded and thrown away: codecs need the packets before a cut to get it right
BYTES_PER_SAMPLE = 4
RAW_SOUND = {"format": "f32le", "ac": 1, "ar": SAMPLE_RATE_HZ, "flush_packets": 0}
"""How ffmpeg puts it out: in full buffers, since a reader that is woken for every packet is mostly waking up."""


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
    for second in seconds_of(sound_blocks(path, info, start_us=first_us), first_us=first_us):
        if span is None:
            yield second
            continue
        left = max(num_samples(span.end_us - second.start_us), 0)
        if left >= SHORTEST_TAIL or second.start_us == first_us:
            yield Second(second.start_us, second.waveform[:left])
        if second.start_us + SECOND_US >= span.end_us:
            return


def seconds_of(blocks: Iterable[np.ndarray], *, first_us: int = 0) -> Iterator[Second]:
    """Blocks of (48000,) samples, the last one shorter -> seconds, without a short rest (`sound_seconds`)."""
    for number, block in enumerate(blocks):
        if is_moment(number, block.size):
            yield Second(first_us + number * SECOND_US, block)


def is_moment(number: int, size: int) -> bool:
    """Whether the samples of the second with this number, counted from 0, are enough for a moment."""
    return size >= SHORTEST_TAIL or (number == 0 and size > 0)


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
    with running(argv, path=path, timeout_s=DECODE_TIMEOUT_S + start_us / SECOND_US) as process:
        process.skip((num_samples(start_us) - num_samples(seek_us)) * BYTES_PER_SAMPLE)
        at_us = start_us
        while block := process.read(block_samples * BYTES_PER_SAMPLE):
            require_plausible(path, at_us)
            yield waveform(block)
            at_us += block_samples * SECOND_US // SAMPLE_RATE_HZ
            process.grant(block_samples / SAMPLE_RATE_HZ)


def require_plausible(path: Path, time_us: int) -> None:
    """Refuse sound that goes on for ever.

    Raises:
        MediaError: the time is further on than any file lasts.
    """
    if time_us > safety.LONGEST_US:
        raise MediaError(f"{path}: its sound lasts for more than a week.", hint="Cut it into shorter files.")


def waveform(block: bytes) -> np.ndarray:
    """Bytes as ffmpeg puts them out -> (N,) float32 in [-1, 1]; what is no number is silence."""
    samples = np.frombuffer(block[: len(block) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE], "<f4")
    return np.asarray(np.clip(np.nan_to_num(samples), -1, 1), np.float32)


def resampled(
    source: ffmpeg.nodes.FilterableStream, path: Path, info: MediaInfo, *, start_us: int = 0
) -> ffmpeg.nodes.FilterableStream:
    """The stream of sound at 48 kHz from `start_us` of its clock on, with silence where it leaves something out.

    The channels of uncompressed sound may be tracks of a recorder and no loudspeakers: each counts the same. ffmpeg
    alone would take the fourth of six for a subwoofer and drop it, and fail on 9 to 15 channels.

    Raises:
        MediaError: the file has no sound.
    """
    if info.audio is None:
        raise MediaError(f"{path}: has no sound.", hint="Ask with its pictures instead.")
    stream = source[str(info.audio.index)]
    if info.audio.codec.startswith("pcm_") and info.audio.num_channels > 2:
        stream = stream.filter("pan", f"mono|c0<{'+'.join(f'c{it}' for it in range(info.audio.num_channels))}")
    if start_us:
        stream = stream.filter("asetpts", f"PTS-({start_us / SECOND_US:.6f})/TB")
    return stream.filter("aresample", SAMPLE_RATE_HZ, **{"async": 1, "first_pts": 0})


def _decode_command(path: Path, info: MediaInfo, start_us: int) -> list[str]:
    seek = {"ss": f"{start_us / SECOND_US:.6f}"} if start_us else {}
    source = ffmpeg.input(safety.graph_file(path), **seek, **safety.INPUT_OPTIONS)
    output = ffmpeg.output(resampled(source, path, info), "pipe:", loglevel="level+error", **RAW_SOUND)
    return safety.ffmpeg_command(output)
