"""Truth here: frames that show their number, seconds that sound as high as theirs, files written by Pillow."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avsearch.errors import MediaError
from avsearch.media.shown import (
    SOUND_RATE_HZ,
    THUMBNAIL_PX,
    Wanted,
    lowered,
    read_shown,
    wav_of,
    why,
)
from avsearch.moments import Modality, Silent
from tests.media.clips import make_clip, number_of, tones, write_wav

FRAME, SECOND = Modality.IMAGE, Modality.AUDIO


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=75, seconds=3)


def read(*wanted):
    found = read_shown(wanted, Silent())
    return [found[it] for it in wanted]


def pixels(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def samples(data):
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SOUND_RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767


def strongest_hz(signal):
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(signal.size)))
    return float(np.fft.rfftfreq(signal.size, 1 / SOUND_RATE_HZ)[spectrum.argmax()])


def test_a_frame_is_the_one_shown_at_its_time(clip):
    shown = read(*(Wanted(clip, FRAME, number * 40_000) for number in (50, 7, 8)))
    assert [number_of(pixels(it.jpeg)) for it in shown] == [50, 7, 8]
    assert {min(pixels(it.jpeg).shape[:2]) for it in shown} == {THUMBNAIL_PX}
    assert all(it.wav is None and not it.failure for it in shown)


def test_a_second_is_the_one_that_begins_there_and_the_picture_beside_it_its_middle(clip):
    shown = read(*(Wanted(clip, SECOND, start_s * 1_000_000) for start_s in range(3)))
    assert [strongest_hz(samples(it.wav)) for it in shown] == pytest.approx([300, 600, 900], abs=3)
    assert [samples(it.wav).size for it in shown] == [SOUND_RATE_HZ] * 3
    assert [number_of(pixels(it.jpeg)) for it in shown] == pytest.approx([13, 38, 63], abs=1)


def test_the_last_second_is_filled_with_silence(clip):
    (shown,) = read(Wanted(clip, SECOND, 2_500_000))
    loud, rest = np.split(samples(shown.wav), [SOUND_RATE_HZ // 2])
    assert np.sqrt(np.mean(loud**2)) > 0.2
    assert np.abs(rest[SOUND_RATE_HZ // 10 :]).max() < 0.01


def test_a_sound_file_has_no_picture_and_a_picture_no_sound(tmp_path):
    sound = write_wav(tmp_path / "tones.wav", tones(2))
    picture = tmp_path / "grey.png"
    Image.new("RGB", (200, 100), (90, 90, 90)).save(picture)
    heard, seen = read(Wanted(sound, SECOND, 1_000_000), Wanted(picture, FRAME, 0))
    assert heard.jpeg is None
    assert strongest_hz(samples(heard.wav)) == pytest.approx(600, abs=3)
    assert seen.wav is None
    assert pixels(seen.jpeg).shape == (THUMBNAIL_PX, 2 * THUMBNAIL_PX, 3)


def test_what_cannot_be_read_says_why_without_its_folder(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film" * 100)
    gone, bad = read(Wanted(tmp_path / "gone.mp4", FRAME, 0), Wanted(broken, SECOND, 0))
    for shown in (gone, bad):
        assert shown.failure
        assert shown.jpeg is None
        assert shown.wav is None
        assert str(tmp_path) not in shown.failure
    assert gone.failure == "there is no such file."


def test_a_reason_keeps_the_name_and_loses_the_folder():
    error = MediaError("/media/me/a.mp4: its index names /media/me/a.mp4 twice.")
    assert why(error, Path("/media/me/a.mp4")) == "its index names a.mp4 twice."
    assert why(PermissionError(13, "Permission denied", "/media/me/a.mp4"), Path("a.mp4")) == "Permission denied"


def test_what_a_lower_rate_cannot_hold_is_cut_off_and_does_not_fold_over():
    t = np.arange(48_000) / 48_000
    low, high = (np.sin(2 * np.pi * hz * t).astype(np.float32) for hz in (1000, 11_000))
    assert np.sqrt(np.mean(lowered(low) ** 2)) == pytest.approx(np.sqrt(0.5), rel=0.01)
    assert np.sqrt(np.mean(lowered(high) ** 2)) < 0.01


def test_a_sound_at_full_scale_is_not_wrapped_around():
    assert samples(wav_of(np.ones(48_000, np.float32)))[1000:-1000].min() > 0.99
