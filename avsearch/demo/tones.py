"""The building blocks of the demo's sounds: all at 48 kHz, all float32, made from numbers alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from avsearch.media import SAMPLE_RATE_HZ

NYQUIST_HZ = SAMPLE_RATE_HZ / 2
FADE_S = 0.002


def num_samples(seconds: float) -> int:
    """Seconds -> samples at 48 kHz."""
    return round(seconds * SAMPLE_RATE_HZ)


def seconds_of(samples: int) -> np.ndarray:
    """(N,) float32: the time of each sample in seconds."""
    return np.arange(samples, dtype=np.float32) / SAMPLE_RATE_HZ


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is spread evenly over the range."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def harmonics(frequency_hz: np.ndarray, gains: Sequence[float]) -> np.ndarray:
    """A tone whose pitch follows (N,) `frequency_hz`, with one gain a harmonic: (N,) float32.

    Harmonics fade out towards the Nyquist frequency.
    """
    phase = 2 * math.pi * np.cumsum(frequency_hz, dtype=np.float64) / SAMPLE_RATE_HZ
    turns = np.exp(1j * phase).astype(np.complex64)
    power, tone = np.ones_like(turns), np.zeros(len(turns), np.float32)
    for order, gain in enumerate(gains, start=1):
        power = power * turns
        top_hz = float(np.max(frequency_hz)) * order
        tone += np.float32(gain * max(0.0, min(1.0, 4 * (1 - top_hz / NYQUIST_HZ)))) * power.imag
    return tone


def struck(partials: Iterable[tuple[float, float, float]], seconds: float) -> np.ndarray:
    """Decaying sines, one for each (frequency in Hz, gain, time constant in s): (N,) float32."""
    t = seconds_of(num_samples(seconds))
    tone: np.ndarray = np.zeros(len(t), np.float32)
    for frequency_hz, gain, decay_s in partials:
        if frequency_hz < 0.9 * NYQUIST_HZ:
            tone += np.float32(gain) * np.exp(-t / np.float32(decay_s)) * np.sin(2 * math.pi * frequency_hz * t)
    return np.asarray(tone * faded(len(t)))


def noise(rng: np.random.Generator, samples: int) -> np.ndarray:
    """White noise of unit power: (N,) float32."""
    return rng.standard_normal(samples, dtype=np.float32)


def burst(rng: np.random.Generator, decay_s: float) -> np.ndarray:
    """Noise that dies away: (N,) float32."""
    samples = num_samples(6 * decay_s)
    return noise(rng, samples) * np.exp(-seconds_of(samples) / np.float32(decay_s))


def faded(samples: int) -> np.ndarray:
    """(N,) float32: 1, with 2 ms ramps at both ends."""
    from_edge = np.minimum(np.arange(samples), np.arange(samples)[::-1])
    return np.minimum(1, from_edge / num_samples(FADE_S)).astype(np.float32)


def steady_times(rng: np.random.Generator, seconds: float, interval_s: float, *, jitter: float = 0.0) -> np.ndarray:
    """Times of a beat, from a random start; `jitter` is the spread of each as a part of the interval."""
    times = np.arange(rng.uniform(-interval_s, 0), seconds, interval_s)
    return times + jitter * interval_s * rng.uniform(-1, 1, len(times))


def random_times(rng: np.random.Generator, seconds: float, rate_hz: float) -> np.ndarray:
    """Times without any beat (a Poisson process)."""
    return np.sort(rng.uniform(0, seconds, rng.poisson(rate_hz * seconds)))


def place(track: np.ndarray, start_s: float, sound: np.ndarray) -> None:
    """Add a sound to a track in place; what lies outside of the track is left out."""
    start = round(start_s * SAMPLE_RATE_HZ)
    first, last = max(0, -start), min(len(sound), len(track) - start)
    if last > first:
        track[start + first : start + last] += sound[first:last]


def filtered(sound: np.ndarray, gain_at: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(N,) float32 through a filter without delay; `gain_at` maps (F,) Hz to (F,) gains."""
    spectrum = np.fft.rfft(sound)
    frequencies_hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    return np.fft.irfft(spectrum * gain_at(frequencies_hz), len(sound)).astype(np.float32)


def wandering(rng: np.random.Generator, samples: int, rate_hz: float) -> np.ndarray:
    """(N,) float32 that wanders smoothly over [-1, 1], with about `rate_hz` changes of direction a second."""
    points = max(2, round(samples / SAMPLE_RATE_HZ * rate_hz) + 2)
    knots = rng.uniform(-1, 1, points)
    place_of = np.linspace(0, points - 1.001, samples)
    index = place_of.astype(np.int64)
    part = 0.5 - 0.5 * np.cos(math.pi * (place_of - index))
    return (knots[index] * (1 - part) + knots[index + 1] * part).astype(np.float32)
