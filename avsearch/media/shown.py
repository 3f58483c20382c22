"""Frames and seconds of sound for pages: decoded a few files at once, and small enough to stand inside them."""

from __future__ import annotations

import base64
import io
import os
import wave
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsearch.errors import AvsearchError, MediaError, StorageError
from avsearch.front_end import SAMPLE_RATE_HZ, padded_second
from avsearch.media.frames import Frame, read_frames
from avsearch.media.probe import probe
from avsearch.media.sound import read_sound
from avsearch.moments import SECOND_US, MediaInfo, Modality, Progress, Span
from avsearch.remote import address, read_here

THUMBNAIL_PX = 128  # the short side
JPEG_QUALITY = 70
SOUND_RATE_HZ = 16_000
_STEP = SAMPLE_RATE_HZ // SOUND_RATE_HZ


@dataclass(frozen=True, order=True)
class Wanted:
    """A moment to show."""

    path: Path
    modality: Modality
    start_us: int

    @property
    def frame_us(self) -> int:
        """Of a second of sound its middle is looked at."""
        return self.start_us + (SECOND_US // 2 if self.modality is Modality.AUDIO else 0)


@dataclass(frozen=True)
class ShownMedia:
    """What could be read of a moment.

    Attributes:
        jpeg: its frame, or the frame in the middle of its second; None where the file has no picture.
        wav: its second; None for a frame.
        failure: why it cannot be shown; empty if it can.
    """

    jpeg: bytes | None = None
    wav: bytes | None = None
    failure: str = ""


def read_shown(wanted: Iterable[Wanted], progress: Progress) -> dict[Wanted, ShownMedia]:
    """Read each moment once; what cannot be read says why."""
    files = [list(of_file) for _, of_file in groupby(sorted(set(wanted)), key=lambda it: it.path)]
    progress.stage("gallery", len(files), "file")
    found: dict[Wanted, ShownMedia] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for of_file in pool.map(_read_file, files):
            found |= of_file
            progress.advance()
    return found


def jpeg_of(rgb: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 as a small JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def wav_of(waveform: NDArray[np.float32]) -> bytes:
    """(N,) float32 in [-1, 1] at 48 kHz as a WAV file of 16 kHz, 16 bits, mono."""
    samples = np.clip(np.round(lowered(waveform) * 32767.0), -32768, 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE_HZ)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def lowered(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) at 48 kHz -> (ceil(N / 3),) at 16 kHz: every third sample, after what would fold over was cut off."""
    from scipy.signal import resample_poly  # noqa: PLC0415  (a second that no other command needs)

    lower: NDArray[np.float32] = resample_poly(waveform, 1, _STEP).astype(np.float32)
    return lower


def data_uri(kind: str, data: bytes) -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def why(error: MediaError | StorageError | OSError, path: Path) -> str:
    """A reason for people, without a path of this machine."""
    told = error.message if isinstance(error, AvsearchError) else error.strerror or type(error).__name__
    return told.removeprefix(f"{address(path)}: ").replace(str(path), path.name)


def _read_file(wanted: Sequence[Wanted]) -> dict[Wanted, ShownMedia]:
    try:
        with read_here(wanted[0].path) as path:
            info = probe(path)
            frames = _frames(path, info, sorted({it.frame_us for it in wanted}))
            return {it: _shown(replace(it, path=path), info, frames) for it in wanted}
    except (MediaError, StorageError, OSError) as error:
        return dict.fromkeys(wanted, ShownMedia(failure=why(error, wanted[0].path)))


def _frames(path: Path, info: MediaInfo, times_us: Sequence[int]) -> Mapping[int, bytes]:
    """For each time the frame shown from there on, or the last one; none for a file without pictures."""
    if info.video is None:
        return {}
    frames = list(read_frames(path, info, times_us, short_side=THUMBNAIL_PX, num_threads=1))
    if not frames:
        return {}
    chosen = {time_us: _from(frames, time_us) for time_us in times_us}
    files = {frame.time_us: jpeg_of(frame.rgb) for frame in chosen.values()}
    return {time_us: files[frame.time_us] for time_us, frame in chosen.items()}


def _from(frames: Sequence[Frame], time_us: int) -> Frame:
    return next((frame for frame in frames if frame.time_us >= time_us), frames[-1])


def _shown(wanted: Wanted, info: MediaInfo, frames: Mapping[int, bytes]) -> ShownMedia:
    jpeg = frames.get(wanted.frame_us)
    if wanted.modality is Modality.IMAGE:
        return ShownMedia(jpeg, failure="" if jpeg else "no frame can be decoded here")
    try:
        waveform = read_sound(wanted.path, info, Span(wanted.start_us, wanted.start_us + SECOND_US))
    except (MediaError, OSError) as error:
        return ShownMedia(jpeg, failure=why(error, wanted.path))
    return ShownMedia(jpeg, wav_of(padded_second(waveform)))
