import numpy as np
import pytest
import scipy.signal

from avsearch.demo import tones
from avsearch.demo.kinds import KINDS
from avsearch.demo.plan import plan_clip
from avsearch.demo.synthesis import SOUNDS, Recording, record_sound

RATE = 48_000


def recording(kind, number=0, seed=0):
    return record_sound(kind, plan_clip(kind, number, seed=seed).sound_rng(), seconds=3.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_is_three_seconds_of_bounded_float32(kind):
    waveform = recording(kind).waveform
    assert waveform.shape == (3 * RATE,)
    assert waveform.dtype == np.float32
    assert 0.001 < np.abs(waveform).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_second_of_a_clip_holds_its_sound(kind):
    for number in range(4):
        dry = recording(kind, number).dry.astype(float)
        power = np.array([np.mean(dry[start : start + RATE] ** 2) for start in range(0, 2 * RATE + 1, RATE // 4)])
        assert power.min() > 0.05 * np.mean(dry**2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_sound_and_another_number_gives_another(kind):
    assert recording(kind).waveform.tobytes() == recording(kind).waveform.tobytes()
    assert recording(kind).waveform.tobytes() != recording(kind, 1).waveform.tobytes()


def test_loudness_is_drawn_alike_for_all_kinds():
    levels_db = np.array(
        [
            [20 * np.log10(np.std(recording(kind, n).waveform)) for n in range(6)]
            for kind in ("bell", "rain", "clock")
        ]
    )
    assert np.all(np.ptp(levels_db, axis=1) > 8)


def test_activity_follows_the_loudness_of_the_object():
    dry = np.zeros(3 * RATE, np.float32)
    dry[RATE : 2 * RATE] = 1
    activity = Recording(waveform=dry, dry=dry).activity(np.array([0.2, 1.5, 2.5, 2.999]))
    assert activity.tolist() == [0, 1, 0, 0]


def test_a_tone_has_its_harmonics_where_they_belong():
    tone = tones.harmonics(np.full(RATE, 400.0), (1, 0, 0.5))
    spectrum = np.abs(np.fft.rfft(tone)) / (RATE / 2)
    assert np.flatnonzero(spectrum > 0.1).tolist() == [400, 1200]
    assert spectrum[[400, 1200]] == pytest.approx([1, 0.5], abs=0.01)


def test_harmonics_beyond_the_nyquist_frequency_are_left_out():
    tone = tones.harmonics(np.full(RATE, 20_000.0), (0, 1))
    assert np.abs(tone).max() == 0


def test_a_sound_placed_over_the_edges_of_a_track_is_cut():
    track = np.zeros(100, np.float32)
    tones.place(track, -10 / RATE, np.arange(30, dtype=np.float32))
    tones.place(track, 90 / RATE, np.ones(30, np.float32))
    tones.place(track, 5.0, np.ones(30, np.float32))
    assert track.tolist() == [*range(10, 30), *[0] * 70, *[1] * 10]


def test_a_steady_beat_keeps_its_interval():
    times = tones.steady_times(np.random.default_rng(0), 3.0, 0.25)
    assert np.diff(times) == pytest.approx(0.25)
    assert times[0] <= 0
    assert times[-1] >= 2.75


def test_wandering_stays_within_one_and_has_no_jumps():
    values = tones.wandering(np.random.default_rng(0), RATE, 10)
    assert np.abs(values).max() <= 1
    assert np.abs(np.diff(values)).max() < 0.001


def test_a_filter_scales_each_frequency_by_its_gain():
    tone = tones.harmonics(np.full(RATE, 500.0), (1, 1))
    quiet = tones.filtered(tone, lambda f: np.where(f < 700, 0.25, 1.0))
    spectrum = np.abs(np.fft.rfft(quiet)) / (RATE / 2)
    assert spectrum[[500, 1000]] == pytest.approx([0.25, 1], abs=0.01)


@pytest.mark.parametrize(("kind", "slowest_hz", "fastest_hz"), [("clock", 2.8, 5.1), ("car", 8, 25)])
def test_machines_keep_their_rhythm(kind, slowest_hz, fastest_hz):
    """The beat is read off the autocorrelation of the envelope."""
    dry = SOUNDS[kind](np.random.default_rng(3), 3.0)
    envelope = scipy.signal.decimate(np.abs(dry), 12, ftype="fir")
    envelope = scipy.signal.sosfiltfilt(scipy.signal.butter(2, 60, fs=4000, output="sos"), envelope)
    correlation = scipy.signal.correlate(envelope - envelope.mean(), envelope - envelope.mean())[len(envelope) :]
    lags = np.arange(1, len(correlation) + 1) / 4000
    allowed = (lags > 1 / fastest_hz) & (lags < 1 / slowest_hz)
    peak = lags[allowed][np.argmax(correlation[allowed])]
    assert correlation[allowed].max() > 0.3 * np.sum((envelope - envelope.mean()) ** 2)
    assert slowest_hz < 1 / peak < fastest_hz
