"""Sounds of the instruments: bell, drum, guitar, flute. Each returns a dry track, (N,) float32."""

from __future__ import annotations

import numpy as np

from avsearch.demo.tones import (
    burst,
    filtered,
    harmonics,
    log_uniform,
    noise,
    num_samples,
    place,
    seconds_of,
    steady_times,
    struck,
    wandering,
)

BELL_RATIOS = (0.5, 1.0, 1.19, 1.5, 2.0, 2.67, 3.76, 5.2)
PENTATONIC = (0, 2, 4, 7, 9, 12, 14, 16)  # semitones


def bell(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """One pitch struck about twice a second: inharmonic partials that ring on."""
    pitch_hz, ring_s = log_uniform(rng, 220, 1300), rng.uniform(0.35, 0.9)
    partials = [
        (pitch_hz * ratio * rng.uniform(0.97, 1.03), rng.uniform(0.3, 1) / ratio**0.3, ring_s / ratio**0.5)
        for ratio in BELL_RATIOS
    ]
    strike = struck(partials, 4 * ring_s)
    place(strike, 0, rng.uniform(0.2, 0.8) * burst(rng, 0.004))
    track = np.zeros(num_samples(seconds), np.float32)
    for time_s in steady_times(rng, seconds, rng.uniform(0.36, 0.62), jitter=0.03):
        place(track, time_s, rng.uniform(0.5, 1) * strike)
    return track


def drum(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Rolls of thuds, high and low, whose pitch drops."""
    thuds = [_thud(rng, log_uniform(rng, low, 2.5 * low)) for low in (70, 180)]
    track = np.zeros(num_samples(seconds), np.float32)
    share = rng.uniform(0.3, 0.7)
    for time_s in steady_times(rng, seconds, rng.uniform(0.1, 0.16), jitter=0.04):
        if rng.random() < 0.82:
            place(track, time_s, rng.uniform(0.4, 1) * thuds[int(rng.random() < share)])
    return track


def _thud(rng: np.random.Generator, pitch_hz: float) -> np.ndarray:
    decay_s = rng.uniform(0.03, 0.07)
    t = seconds_of(num_samples(6 * decay_s))
    pitch = pitch_hz * (1 + rng.uniform(1, 3) * np.exp(-t / 0.02))
    tone = harmonics(pitch, (1, 0.3, 0.15)) * np.exp(-t / np.float32(decay_s))
    place(tone, 0, rng.uniform(0.15, 0.5) * burst(rng, rng.uniform(0.008, 0.03)))
    return tone


def guitar(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A quick run of plucked notes, each of another pitch: many harmonics, the high ones die first."""
    lowest_hz, pluck_at = log_uniform(rng, 90, 420), rng.uniform(0.1, 0.35)
    ring_s = rng.uniform(0.25, 0.5)
    orders = np.arange(1, 15)
    gains = np.abs(np.sin(np.pi * orders * pluck_at)) / orders ** rng.uniform(0.5, 1)
    plucks = [
        struck(
            [
                (lowest_hz * 2 ** (step / 12) * n, g, ring_s / (1 + 0.25 * n))
                for n, g in zip(orders, gains, strict=True)
            ],
            1.2 * ring_s,
        )
        for step in PENTATONIC
    ]
    track = np.zeros(num_samples(seconds), np.float32)
    for time_s in steady_times(rng, seconds, rng.uniform(0.15, 0.24), jitter=0.05):
        place(track, time_s, rng.uniform(0.6, 1) * plucks[int(rng.integers(len(plucks)))])
        place(track, time_s, 0.2 * burst(rng, 0.003))
    return track


def flute(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Long soft notes with vibrato and breath, bound to each other."""
    samples = num_samples(seconds)
    changes = np.concatenate([[0], steady_times(rng, seconds, rng.uniform(0.3, 0.6), jitter=0.3)])
    steps = np.zeros(samples, np.float32)
    for time_s in changes:
        steps[max(0, round(time_s * samples / seconds)) :] = PENTATONIC[int(rng.integers(len(PENTATONIC)))]
    steps = _smoothed(steps, num_samples(0.03))
    shake = np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * seconds_of(samples))
    pitch_hz = log_uniform(rng, 280, 1300) * 2 ** ((steps + rng.uniform(0.15, 0.4) * shake) / 12)
    tone = harmonics(pitch_hz, (1, rng.uniform(0.1, 0.5), rng.uniform(0.05, 0.25), 0.05))
    centre_hz, wide = log_uniform(rng, 800, 5000), rng.uniform(0.5, 1.2)
    breath = filtered(noise(rng, samples), lambda f: np.exp(-((np.log((f + 1) / centre_hz) / wide) ** 2)))
    loud = 0.8 + 0.1 * shake + 0.1 * wandering(rng, samples, 3)
    return (loud * (tone + rng.uniform(0.05, 0.3) * breath)).astype(np.float32)


def _smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """(N,) -> (N,) moving average over `window` samples."""
    total = np.cumsum(np.concatenate([np.full(window, values[0]), values]), dtype=np.float64)
    return ((total[window:] - total[:-window]) / window).astype(np.float32)
