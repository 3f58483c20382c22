"""A kind -> its sound in a room, over some noise, through some microphone.

What a recording adds (a random equaliser, echo, noise floor and loudness) is drawn alike for all kinds, so that the
average spectrum says little; what a kind is shows in how its sound moves within a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from avsearch.demo import sounds_living, sounds_made, sounds_played
from avsearch.demo.tones import filtered, noise, num_samples, seconds_of
from avsearch.media import SAMPLE_RATE_HZ

Synthesise = Callable[[np.random.Generator, float], np.ndarray]

SOUNDS: Mapping[str, Synthesise] = {
    "bell": sounds_played.bell,
    "drum": sounds_played.drum,
    "guitar": sounds_played.guitar,
    "flute": sounds_played.flute,
    "dog": sounds_living.dog,
    "bird": sounds_living.bird,
    "clock": sounds_made.clock,
    "car": sounds_made.car,
    "siren": sounds_made.siren,
    "telephone": sounds_made.telephone,
    "rain": sounds_living.rain,
    "fire": sounds_living.fire,
}

PIVOT_HZ = 1000.0
LOUDNESS_DB = (-40.0, -14.0)
NOISE_BELOW_DB = (8.0, 34.0)
PEAK = 0.98
ACTIVITY_WINDOW_S = 0.04


@dataclass(frozen=True)
class Recording:
    """A sound and when it is loud.

    Attributes:
        waveform: (N,) float32 in [-1, 1] at 48 kHz, with room and noise.
        dry: (N,) float32: the object alone, of any scale.
    """

    waveform: np.ndarray
    dry: np.ndarray

    def activity(self, times_s: np.ndarray) -> np.ndarray:
        """How loud the object is at (T,) times: (T,) float32 in [0, 1], relative to its own loud moments."""
        window = num_samples(ACTIVITY_WINDOW_S)
        energy = np.concatenate([[0.0], np.cumsum(self.dry.astype(np.float64) ** 2)])
        starts = np.clip(np.round(times_s * SAMPLE_RATE_HZ).astype(np.int64), 0, len(self.dry) - window)
        loudness = np.sqrt(np.maximum(energy[starts + window] - energy[starts], 0))
        relative = loudness / (np.quantile(loudness, 0.9) + 1e-9)
        return np.asarray(np.clip(relative, 0, 1), dtype=np.float32)


def record_sound(kind: str, rng: np.random.Generator, *, seconds: float) -> Recording:
    """Synthesise one sound of a kind as a microphone would have recorded it."""
    dry = SOUNDS[kind](rng, seconds)
    heard = _unit_power(filtered(_in_a_room(rng, dry), _random_equaliser(rng)))
    floor = _unit_power(filtered(noise(rng, len(dry)), _random_equaliser(rng)))
    mixed = heard + floor * 10 ** (-rng.uniform(*NOISE_BELOW_DB) / 20)
    loud = _unit_power(mixed) * 10 ** (rng.uniform(*LOUDNESS_DB) / 20)
    peak = float(np.max(np.abs(loud)))
    return Recording(waveform=(loud * min(1.0, PEAK / peak)).astype(np.float32), dry=dry)


def _in_a_room(rng: np.random.Generator, dry: np.ndarray) -> np.ndarray:
    """Add an echo that dies away within 0.1 to 0.6 s."""
    tail_s, wet = rng.uniform(0.1, 0.6), rng.uniform(0, 0.35)
    samples = num_samples(tail_s)
    tail = noise(rng, samples) * np.exp(-6.9 * seconds_of(samples) / tail_s)
    size = len(dry) + num_samples(1)
    echo = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(tail / np.linalg.norm(tail), size), size)
    return ((1 - wet) * dry + wet * echo[: len(dry)]).astype(np.float32)


def _random_equaliser(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A smooth filter: a tilt of up to 6 dB an octave, and seven bumps or dips of up to 15 dB."""
    tilt_db, bumps_db = rng.uniform(-6, 6), rng.uniform(-15, 15, 7)
    centres, widths = rng.uniform(-4, 4, 7), rng.uniform(0.2, 1.2, 7)  # octaves about the pivot

    def gain_at(frequencies_hz: np.ndarray) -> np.ndarray:
        octaves = np.log2(np.maximum(frequencies_hz, 30) / PIVOT_HZ)
        gain_db = tilt_db * octaves
        for bump_db, centre, width in zip(bumps_db, centres, widths, strict=True):
            gain_db = gain_db + bump_db * np.exp(-(((octaves - centre) / width) ** 2))
        return np.asarray(10 ** (gain_db / 20))

    return gain_at


def _unit_power(sound: np.ndarray) -> np.ndarray:
    power = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))
    return (sound / (power + 1e-9)).astype(np.float32)
