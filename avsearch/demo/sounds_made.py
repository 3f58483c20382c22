"""Sounds of machines and signals: clock, car, siren, telephone. Each returns a dry track, (N,) float32."""

from __future__ import annotations

import numpy as np

from avsearch.demo.tones import (
    burst,
    faded,
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
from avsearch.media import SAMPLE_RATE_HZ


def clock(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Tick, tock: very short clicks on an exact beat, in two timbres that alternate."""
    clicks = [_click(rng) for _ in range(2)]
    track = np.zeros(num_samples(seconds), np.float32)
    for beat, time_s in enumerate(steady_times(rng, seconds, rng.uniform(0.2, 0.34))):
        place(track, time_s, rng.uniform(0.9, 1) * clicks[beat % 2])
    return track


def _click(rng: np.random.Generator) -> np.ndarray:
    partials = [(log_uniform(rng, 300, 7000), rng.uniform(0.3, 1), rng.uniform(0.002, 0.008)) for _ in range(4)]
    click = struck(partials, 0.05)
    place(click, 0, rng.uniform(0.3, 1) * burst(rng, 0.002))
    return click


def car(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A motor: puffs in quick succession, now faster, now slower, some cylinders louder than others."""
    samples = num_samples(seconds)
    rate_hz = log_uniform(rng, 11, 19) * 2 ** (0.3 * wandering(rng, samples, rng.uniform(0.8, 2)))
    turns = np.cumsum(rate_hz) / SAMPLE_RATE_HZ
    firings = np.flatnonzero(np.diff(np.floor(turns)) > 0)
    cylinders = rng.uniform(0.5, 1, 4)
    pitch_hz, rough = log_uniform(rng, 60, 400), rng.uniform(0.3, 1.2)
    track = np.zeros(samples, np.float32)
    for count, firing in enumerate(firings):
        puff = struck([(pitch_hz, 1, 0.012), (2.3 * pitch_hz, 0.6, 0.01), (5.1 * pitch_hz, 0.4, 0.008)], 0.05)
        place(puff, 0, rough * burst(rng, 0.007))
        place(track, firing / SAMPLE_RATE_HZ, cylinders[count % 4] * puff)
    return track + 0.05 * noise(rng, samples)


def siren(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A wail that never stops: its pitch goes up and down over an octave, more than once a second."""
    t = seconds_of(num_samples(seconds))
    turn = (t * rng.uniform(1.1, 2.6) + rng.random()) % 1
    lean = rng.uniform(0.3, 0.7)
    rise = np.where(turn < lean, turn / lean, (1 - turn) / (1 - lean))
    height = rise if rng.random() < 0.5 else 0.5 - 0.5 * np.cos(np.pi * rise)
    pitch_hz = log_uniform(rng, 280, 1200) * 2 ** (rng.uniform(0.8, 1.5) * height)
    falloff = rng.uniform(0.7, 1.6)
    return harmonics(pitch_hz, [1 / n**falloff for n in range(1, 9)])


def telephone(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Rings with pauses; a ring flutters between two pitches."""
    ring_s, pause_s = rng.uniform(0.3, 0.5), rng.uniform(0.12, 0.22)
    pitch_hz, interval = log_uniform(rng, 400, 2200), rng.uniform(1.2, 1.45)
    t = seconds_of(num_samples(ring_s))
    is_high = (t * rng.uniform(9, 13)) % 1 < 0.5
    gains = (1, rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.6), 0.1, rng.uniform(0.1, 0.3))
    ring = harmonics(np.where(is_high, interval, 1) * pitch_hz, gains) * faded(len(t))
    track = np.zeros(num_samples(seconds), np.float32)
    for time_s in steady_times(rng, seconds, ring_s + pause_s):
        place(track, time_s, ring)
    return track
