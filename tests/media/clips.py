"""Clips whose every frame and second says which one it is, made with ffmpeg itself."""

from __future__ import annotations

import subprocess
import wave
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

RATE = 48_000
BITS = 8


def numbered_frames(count, width=320, height=240):
    """Frame n shows n in binary: eight columns, black or white."""
    bits = (np.arange(count)[:, None] >> np.arange(BITS)) & 1
    columns = np.repeat(bits * 255, width // BITS, axis=1)
    columns = np.pad(columns, ((0, 0), (0, width - columns.shape[1])), mode="edge")
    return np.broadcast_to(columns[:, None, :, None], (count, height, width, 3)).astype(np.uint8)


def number_of(rgb):
    """Read the number back from a decoded frame."""
    edges = np.linspace(0, rgb.shape[1], BITS + 1)
    centres = ((edges[:-1] + edges[1:]) / 2).astype(int)
    return int(sum(1 << bit for bit, x in enumerate(centres) if rgb[rgb.shape[0] // 2, x].mean() > 127))


def tones(seconds, rate=RATE):
    """Second k is a tone of 300 (k + 1) Hz."""
    t = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 300 * (np.floor(t) + 1) * t)).astype(np.float32)


def tone_of(waveform):
    """The strongest frequency of a waveform at 48 kHz, in Hz."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(waveform.size)))
    return float(np.fft.rfftfreq(waveform.size, 1 / RATE)[spectrum.argmax()])


def write_wav(path, waveform, rate=RATE):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((waveform * 32767).astype("<i2").tobytes())
    return path


def ffmpeg(*arguments, stdin=None):
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *map(str, arguments)]
    if stdin is not None:
        command.remove("-nostdin")
    subprocess.run(command, input=stdin, check=True)


def make_clip(path: Path, *, frames=50, rate="25", seconds=None, size=(320, 240), gop=12, options=()):
    """H.264 of numbered frames and, with `seconds`, the tones; `options` go before the output."""
    sound = write_wav(path.with_suffix(".tones.wav"), tones(seconds)).read_bytes() if seconds else None
    path.write_bytes(_encoded(path.suffix, frames, rate, sound, size, gop, tuple(map(str, options))))
    return path


@lru_cache(256)
def _encoded(suffix, frames, rate, sound, size, gop, options):
    """The bytes of such a clip: tests that each make the same one need ffmpeg once."""
    width, height = size
    inputs = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "pipe:0"]
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", str(gop), "-bf", "2"]
    with TemporaryDirectory() as folder:
        made = Path(folder, f"clip{suffix}")
        if sound is not None:
            heard = made.with_name("tones.wav")
            heard.write_bytes(sound)
            inputs += ["-i", heard]
        ffmpeg(*inputs, *codec, *options, made, stdin=numbered_frames(frames, width, height).tobytes())
        return made.read_bytes()
