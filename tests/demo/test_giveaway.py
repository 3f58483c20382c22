"""What is easy to measure must not tell the kinds apart; how things look and move must.

The truth is the collection itself: five nearest neighbours by hand, over averages that know nothing of order.
"""

import itertools
import subprocess

import numpy as np
import pytest
import scipy.signal

from avsearch.demo.collection import make_collection
from avsearch.demo.plan import CLIP_SECONDS, plan_collection
from avsearch.demo.scene import compose_scene
from avsearch.demo.synthesis import record_sound
from avsearch.manifest import read_manifest
from avsearch.moments import Silent

LIMIT = 0.4
RATE = 48_000
BANDS = 64


def log_bands(waveform, spacing):
    """(N,) -> (64, T) log magnitudes in bands spaced evenly in frequency or in its logarithm."""
    frequencies, _, spectrum = scipy.signal.stft(
        waveform, RATE, nperseg=1024, noverlap=544, nfft=4096, padded=False
    )
    edges = {"linear": np.linspace(20, 24_000, BANDS + 1), "log": np.geomspace(60, 24_000, BANDS + 1)}[spacing]
    starts = np.searchsorted(frequencies, edges[:-1])
    return np.log(np.add.reduceat(np.abs(spectrum), starts, axis=0) + 1e-6)


def spectrum_features(waveform):
    """Averages over time, in the forms that a mean spectrum is usually given."""
    features = {}
    for spacing in ("linear", "log"):
        bands = log_bands(waveform, spacing)
        mean, log_of_mean = bands.mean(axis=1), np.log(np.exp(bands).mean(axis=1))
        features |= {f"{spacing}": mean, f"{spacing}, level taken off": mean - mean.mean()}
        features |= {f"{spacing}, of magnitudes": log_of_mean}
    return features


def movement(waveform):
    """A second's modulation spectrum: what averages leave out."""
    bands = log_bands(waveform[RATE : 2 * RATE], "log")
    spread = np.abs(np.fft.fft2(bands - bands.mean(axis=1, keepdims=True)))[: BANDS // 2, :48]
    coarse = np.log(1 + spread.reshape(BANDS // 4, 2, 24, 2).mean(axis=(1, 3)))
    return (coarse - coarse.mean()).ravel()


def neighbours_agree(features, kinds, *, queries=None, candidates=None):
    """Accuracy of 5 nearest neighbours, never the item itself; the better of raw and standardised features."""
    features, kinds = np.stack(features), np.array(kinds)
    queries = np.ones(len(kinds), bool) if queries is None else queries
    candidates = np.ones(len(kinds), bool) if candidates is None else candidates
    accuracies = []
    for scaled in (features, (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)):
        distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
        np.fill_diagonal(distance, np.inf)
        distance[:, ~candidates] = np.inf
        nearest = kinds[np.argsort(distance, axis=1)[:, :5]]
        votes = (nearest[:, :, None] == nearest[:, None, :]).sum(axis=2)
        guesses = nearest[np.arange(len(kinds)), votes.argmax(axis=1)]
        accuracies.append(np.mean(guesses[queries] == kinds[queries]))
    return max(accuracies)


@pytest.fixture(scope="module")
def sounds():
    plans = plan_collection(16, seed=0)
    waveforms = [record_sound(plan.kind, plan.sound_rng(), seconds=CLIP_SECONDS).waveform for plan in plans]
    return [plan.kind for plan in plans], waveforms


@pytest.mark.slow
def test_the_mean_spectrum_does_not_give_the_kind_away(sounds):
    kinds, waveforms = sounds
    features = [spectrum_features(waveform) for waveform in waveforms]
    accuracies = {name: neighbours_agree([f[name] for f in features], kinds) for name in features[0]}
    assert max(accuracies.values()) < LIMIT, accuracies


def test_how_a_sound_moves_within_a_second_tells_its_kind(sounds):
    kinds, waveforms = sounds
    assert neighbours_agree([movement(waveform) for waveform in waveforms], kinds) > 0.65


@pytest.mark.slow
def test_the_mean_colour_does_not_give_the_kind_away():
    plans = plan_collection(10, seed=0)
    colours = []
    for plan in plans:
        frames = compose_scene(plan, np.ones(len(plan.frame_times_s))).frames()
        colours.append(np.mean([frame.mean(axis=(0, 1)) for frame in itertools.islice(frames, 0, None, 9)], axis=0))
    assert neighbours_agree(colours, [plan.kind for plan in plans]) < LIMIT


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_files_of_the_whole_collection_give_nothing_away_either(tmp_path):
    rows = read_manifest(make_collection(tmp_path, progress=Silent())).rows
    kinds = [row.columns["kind"] for row in rows]
    is_test = np.array([row.split == "test" for row in rows])
    features = [spectrum_features(heard(row.path)) for row in rows]
    by_name = {name: [f[name] for f in features] for name in features[0]} | {
        "colour": [seen(row.path).mean(axis=(0, 1, 2)) for row in rows]
    }
    for name, values in by_name.items():
        assert neighbours_agree(values, kinds) < LIMIT, name
        assert neighbours_agree(values, kinds, queries=is_test, candidates=~is_test) < LIMIT, name
        assert neighbours_agree(values, kinds, queries=is_test, candidates=is_test) < LIMIT, name


def heard(path):
    return np.frombuffer(decoded(path, "-f", "f32le", "-ac", "1", "-ar", str(RATE)), np.float32)


def seen(path):
    """(T, 24, 32, 3) uint8: every frame, small."""
    scaled = ("-an", "-vf", "scale=32:24:flags=area", "-f", "rawvideo", "-pix_fmt", "rgb24")
    return np.frombuffer(decoded(path, *scaled), np.uint8).reshape(-1, 24, 32, 3)


def decoded(path, *options):
    command = ["ffmpeg", "-v", "error", "-i", str(path), *options, "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout
