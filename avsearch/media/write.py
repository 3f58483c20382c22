"""Write one ordinary clip: H.264 pictures and AAC sound in an MP4."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np

from avsearch.front_end import SAMPLE_RATE_HZ
from avsearch.media import safety
from avsearch.media.runner import run

ENCODE_TIMEOUT_S = 120.0
PCM_PEAK = 32767
SOUND_BITRATE = "192k"  # at 128k ffmpeg's AAC leaves holes in high bands, and other ones in tones than in noise
ASIDE_PREFIX = ".writing-"  # what is not complete yet; may be deleted when nobody writes


def write_clip(
    path: Path,
    frames: Iterable[np.ndarray],
    sound: np.ndarray,
    *,
    frames_per_second: Fraction | int,
    keyframe_every_s: float = 1.0,
) -> None:
    """Encode frames and sound into `path`, which appears only when it is complete.

    Args:
        path: the MP4 to write; its folder exists.
        frames: pictures (H, W, 3) uint8 RGB, all of one size, H and W even; at least one.
        sound: (N,) float32 in [-1, 1] at 48 kHz, mono.
        frames_per_second: the constant frame rate.
        keyframe_every_s: seconds from one keyframe to the next.

    Raises:
        MediaError: ffmpeg is missing or fails.
        ValueError: frames or sound are not as above.
    """
    rate = Fraction(frames_per_second)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=ASIDE_PREFIX) as folder:
        raw, wav, clip = (Path(folder) / name for name in ("frames.rgb", "sound.wav", "clip.mp4"))
        size = _write_frames(raw, frames)
        _write_wav(wav, sound)
        argv = _command(
            _inputs(raw, wav, size=size, rate=rate), clip, num_between_keys=round(rate * keyframe_every_s)
        )
        run(argv, path=path, timeout_s=ENCODE_TIMEOUT_S)
        clip.replace(path)


def _write_frames(raw: Path, frames: Iterable[np.ndarray]) -> tuple[int, int]:
    """Write the pixels one frame after the other; return their (width, height)."""
    shape: tuple[int, ...] | None = None
    with raw.open("wb") as file:
        for frame in frames:
            shape = shape or frame.shape
            _check_frame(frame, shape)
            file.write(np.ascontiguousarray(frame).data)
    if shape is None:
        raise ValueError("a clip needs at least one frame")
    return shape[1], shape[0]


def _check_frame(frame: np.ndarray, shape: tuple[int, ...]) -> None:
    if frame.dtype != np.uint8 or frame.shape != shape or len(shape) != 3 or shape[2] != 3:
        raise ValueError(f"expected frames (H, W, 3) uint8 of one size, got {frame.shape} {frame.dtype}")
    if shape[0] % 2 or shape[1] % 2:
        raise ValueError(f"H.264 in 4:2:0 needs an even height and width, got {shape[:2]}")


def _write_wav(wav: Path, sound: np.ndarray) -> None:
    if sound.ndim != 1 or sound.dtype != np.float32:
        raise ValueError(f"expected sound (N,) float32, got {sound.shape} {sound.dtype}")
    with wave.open(str(wav), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.round(np.clip(sound, -1, 1) * PCM_PEAK).astype("<i2").tobytes())


def _inputs(raw: Path, wav: Path, *, size: tuple[int, int], rate: Fraction) -> list[ffmpeg.nodes.FilterableStream]:
    pictures = ffmpeg.input(
        safety.graph_file(raw),
        protocol_whitelist="file",
        format="rawvideo",
        pixel_format="rgb24",
        video_size=size,
        framerate=str(rate),
    )
    return [pictures.video, ffmpeg.input(safety.graph_file(wav), protocol_whitelist="file", format="wav").audio]


def _command(inputs: list[ffmpeg.nodes.FilterableStream], clip: Path, *, num_between_keys: int) -> list[str]:
    output = ffmpeg.output(
        *inputs,
        safety.graph_file(clip),
        format="mp4",
        vcodec="libx264",
        preset="veryfast",
        crf=23,
        pix_fmt="yuv420p",
        g=max(num_between_keys, 1),
        sc_threshold=0,
        threads=1,
        acodec="aac",
        ar=SAMPLE_RATE_HZ,
        ac=1,
        audio_bitrate=SOUND_BITRATE,
        movflags="+faststart",
        loglevel="level+error",
    )
    return safety.ffmpeg_command(output)
