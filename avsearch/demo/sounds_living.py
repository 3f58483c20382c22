"""Sounds of animals and of nature: dog, bird, rain, fire. Each returns a dry track, (N,) float32."""

from __future__ import annotations

import numpy as np

from avsearch.demo.tones import (
    burst,
    faded,
    filtered,
    harmonics,
    log_uniform,
    noise,
    num_samples,
    place,
    random_times,
    seconds_of,
    steady_times,
    wandering,
)


def dog(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Barks: short rough cries full of harmonics whose pitch rises and falls, with silence between."""
    pitch_hz, long_s = log_uniform(rng, 170, 600), rng.uniform(0.13, 0.2)
    fall = rng.uniform(0.6, 1.4)
    track = np.zeros(num_samples(seconds), np.float32)
    for time_s in steady_times(rng, seconds, rng.uniform(0.32, 0.5), jitter=0.12):
        bark_s = long_s * rng.uniform(0.85, 1.15)
        place(track, time_s, rng.uniform(0.6, 1) * _bark(rng, bark_s, (pitch_hz * rng.uniform(0.9, 1.1), fall)))
    return track


def _bark(rng: np.random.Generator, seconds: float, form: tuple[float, float]) -> np.ndarray:
    """One bark; `form` is (pitch in Hz, how far it falls in octaves)."""
    pitch_hz, fall = form
    t = seconds_of(num_samples(seconds)) / np.float32(seconds)
    arch = np.sin(np.pi * np.minimum(1, t * 0.75 + 0.25))
    voice = harmonics(pitch_hz * 2 ** (fall * (arch - 1)), [1 / n**0.6 for n in range(1, 15)])
    rough = 1 + 0.8 * noise(rng, len(t))
    loudness = np.sin(np.pi * t**0.6) * faded(len(t))
    return np.asarray((voice * rough + 0.3 * noise(rng, len(t))) * loudness)


def bird(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Twitter: quick pure whistles, each of which sweeps over an octave or so, in two alternating shapes."""
    pitch_hz = log_uniform(rng, 900, 4200)
    syllables = [_whistle(rng, pitch_hz * rng.uniform(0.8, 1.25)) for _ in range(2)]
    interval_s = max(len(syllable) for syllable in syllables) / num_samples(1) + rng.uniform(0.02, 0.06)
    track = np.zeros(num_samples(seconds), np.float32)
    for beat, time_s in enumerate(steady_times(rng, seconds, interval_s, jitter=0.03)):
        if rng.random() < 0.9:
            place(track, time_s, rng.uniform(0.6, 1) * syllables[beat % 2])
    return track


def _whistle(rng: np.random.Generator, pitch_hz: float) -> np.ndarray:
    t = seconds_of(num_samples(rng.uniform(0.07, 0.13)))
    along = t / t[-1]
    shape = (along, 1 - along, np.abs(2 * along - 1), 1 - np.abs(2 * along - 1))[int(rng.integers(4))]
    sweep = pitch_hz * 2 ** (rng.uniform(0.8, 1.5) * (shape - 0.5))
    return np.asarray(harmonics(sweep, (1, rng.uniform(0, 0.2))) * np.sin(np.pi * along))


def rain(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A dense hiss, and drops that plink, each rising a little in pitch."""
    samples = num_samples(seconds)
    centre_hz, wide = log_uniform(rng, 800, 6000), rng.uniform(1.2, 2.5)
    hiss = filtered(noise(rng, samples), lambda f: np.exp(-((np.log((f + 1) / centre_hz) / wide) ** 2)))
    track: np.ndarray = hiss * (1 + 0.15 * wandering(rng, samples, 2)) / np.std(hiss)
    lowest_hz, loud = log_uniform(rng, 350, 1400), rng.uniform(2.5, 5)
    for time_s in random_times(rng, seconds, rng.uniform(25, 45)):
        place(track, time_s, loud * rng.uniform(0.3, 1) * _drop(rng, lowest_hz * 2 ** rng.uniform(0, 3)))
    return track


def _drop(rng: np.random.Generator, pitch_hz: float) -> np.ndarray:
    t = seconds_of(num_samples(rng.uniform(0.02, 0.05)))
    return np.asarray(harmonics(pitch_hz * (1 + 8 * t), (1,)) * np.exp(-5 * t / t[-1]) * faded(len(t)))


def fire(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A fluttering roar, and crackles without any beat, most of them faint and some loud."""
    samples = num_samples(seconds)
    centre_hz, wide = log_uniform(rng, 100, 1200), rng.uniform(0.8, 1.6)
    roar = filtered(noise(rng, samples), lambda f: np.exp(-((np.log((f + 1) / centre_hz) / wide) ** 2)))
    track: np.ndarray = roar / np.std(roar) * np.exp(1.1 * wandering(rng, samples, rng.uniform(9, 14)))
    loud = rng.uniform(2, 4)
    for time_s in random_times(rng, seconds, rng.uniform(12, 22)):
        place(track, time_s, loud * rng.lognormal(0, 0.7) * burst(rng, rng.uniform(0.0006, 0.003)))
    return track
