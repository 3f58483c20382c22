"""Truth here: ffprobe, frames that show their own number, and the localizer asked frame by frame."""

import json
import subprocess
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from avsearch.errors import MediaError
from avsearch.front_end import padded_second
from avsearch.localize import film, heat_map, load_localizer
from avsearch.localize.film import localize_film, seconds_around
from avsearch.localize.job import LocalizeJob
from avsearch.localize.parts import Part
from avsearch.media import probe, read_frames, read_sound
from avsearch.moments import SECOND_US, Silent, Span
from tests.media.clips import make_clip, tone_of
from tests.models import tiny


class Counting(Silent):
    """A progress that counts."""

    def __init__(self):
        self.total, self.done = None, 0

    def stage(self, name, total, unit):
        assert (name, unit) == ("localize", "frame")
        self.total = total

    def advance(self, amount=1, note=""):  # noqa: ARG002  (as a `Progress` has it)
        self.done += amount


@pytest.fixture
def localized(tmp_path, localizer_weights):
    """Make the film; returns what was made, the map of each frame, and the path."""

    def run(part):
        told, progress, out = [], Counting(), tmp_path / "map.mp4"
        done = localize_film(LocalizeJob(part, None, localizer_weights, out, "cpu"), progress, told.append)
        assert done.num_frames == len(told) == progress.done
        assert progress.total == pytest.approx(progress.done, abs=2)
        return done, told, out

    return run


def probed(path):
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(path)]
    report = json.loads(subprocess.check_output(command))
    streams = {stream["codec_type"]: stream for stream in report["streams"]}
    return streams["video"], streams["audio"], float(report["format"]["duration"])


def decoded(path, *options):
    return subprocess.check_output(["ffmpeg", "-v", "error", "-i", str(path), *options, "-"])


def test_a_film_has_every_frame_and_all_of_the_sound(localized, clip):
    done, _, out = localized(Part(clip))
    video, audio, duration_s = probed(out)
    assert (done.num_frames, done.rate, done.size) == (100, 25, (320, 240))
    assert (int(video["nb_frames"]), Fraction(video["r_frame_rate"])) == (100, 25)
    assert (video["codec_name"], audio["codec_name"]) == ("h264", "aac")
    assert (video["width"], video["height"]) == (320, 240)
    assert float(video["start_time"]) == float(audio["start_time"]) == 0
    assert duration_s == pytest.approx(4.0, abs=0.05)
    sound = np.frombuffer(decoded(out, "-f", "f32le", "-ac", "1", "-ar", "48000"), np.float32)
    for second in range(4):
        heard = sound[second * 48_000 + 4_800 : (second + 1) * 48_000 - 4_800]
        assert tone_of(heard) == pytest.approx(300 * (second + 1), abs=5)


def test_pictures_and_sound_of_a_stretch_keep_step(localized, clip):
    """From 1.5 s on: frames 38 to 87 at 1.52 s and after, and the tone changes after half a second."""
    done, told, out = localized(Part(clip, 1_500_000, 3_500_000))
    assert done.num_frames == 50
    assert [it.time_us for it in told] == [1_500_000 + 40_000 * number for number in range(50)]
    assert probed(out)[2] == pytest.approx(2.0, abs=0.03)
    pixels = np.frombuffer(decoded(out, "-f", "rawvideo", "-pix_fmt", "rgb24"), np.uint8).reshape(-1, 240, 320, 3)
    source = np.frombuffer(decoded(clip, "-f", "rawvideo", "-pix_fmt", "rgb24"), np.uint8).reshape(-1, 240, 320, 3)
    apart = [np.abs(source[:, ::8, ::8].astype(int) - it[::8, ::8]).mean(axis=(1, 2, 3)) for it in pixels]
    assert set(np.argmin(apart, axis=1) - np.arange(50)) <= {37, 38}
    sound = np.frombuffer(decoded(out, "-f", "f32le", "-ac", "1", "-ar", "48000"), np.float32)
    assert [tone_of(sound[at : at + 14_400]) for at in (4_800, 26_400, 75_000)] == pytest.approx(
        [600, 900, 1200], abs=6
    )


def test_each_frame_is_asked_with_the_second_around_it(localized, clip, localizer_weights):
    _, told, _ = localized(Part(clip, 1_000_000, 2_000_000))
    localizer, info = load_localizer(localizer_weights, "cpu"), probe(clip)
    times_us = [it.time_us for it in told]
    frames = {it.time_us: it.rgb for it in read_frames(clip, info, times_us, short_side=tiny.FRONT_END.short_side)}
    assert list(frames) == times_us
    for it in told[::6]:
        start_us = it.time_us - SECOND_US // 2
        second = padded_second(read_sound(clip, info, Span(start_us, start_us + SECOND_US)))
        heat = heat_map(localizer, frames[it.time_us], second)
        np.testing.assert_allclose(it.heat.probabilities, heat.probabilities, atol=0.02)
    assert np.ptp([it.heat.probability for it in told]) > 0.001


@pytest.mark.slow
def test_a_film_is_no_larger_than_it_is_good_to_look_at_and_even(localized, tmp_path):
    large = make_clip(tmp_path / "large.mp4", frames=6, seconds=1, size=(1922, 1082), rate="6")
    done, told, out = localized(Part(large))
    assert done.size == (1280, 720)
    assert (done.rate, len(told)) == (12, 12)
    assert probed(out)[0]["width"] == 1280


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path, localizer_weights, monkeypatch):
    """A hundred frames more would be 23 MB."""
    monkeypatch.setattr(film, "_BATCH", 4)

    def highest(frames):
        path = make_clip(tmp_path / f"{frames}.mp4", frames=frames, seconds=frames / 25)
        job = LocalizeJob(Part(path), None, localizer_weights, tmp_path / "map.mp4", "cpu")
        tracemalloc.start()
        localize_film(job, Silent(), lambda _: None)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    highest(25)
    assert highest(150) < highest(50) + 4_000_000


def test_a_film_without_a_side_is_refused_and_nothing_is_left(localized, tmp_path, clip):
    silent = make_clip(tmp_path / "silent.mp4", frames=25)
    with pytest.raises(MediaError, match=r"silent\.mp4: has no sound"):
        localized(Part(silent))
    with pytest.raises(MediaError, match=r"wav: has no pictures"):
        localized(Part(clip.with_suffix(".tones.wav")))
    with pytest.raises(MediaError, match="no frame can be decoded here"):
        localized(Part(clip, 20 * SECOND_US, 30 * SECOND_US))
    assert [it.name for it in tmp_path.iterdir()] == ["silent.mp4"]


def test_a_run_that_is_stopped_leaves_nothing(tmp_path, localizer_weights, clip):
    def stop(frame):
        if frame.time_us > 500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        localize_film(LocalizeJob(Part(clip), None, localizer_weights, tmp_path / "map.mp4", "cpu"), Silent(), stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("block", [7_000, 48_000, 500_000])
def test_the_second_around_an_instant_is_cut_from_the_whole_sound(block):
    sound = np.arange(1, 200_001, dtype=np.float32)
    centres = [0, 1, 10_000, 24_000, 24_001, 90_000, 90_000, 180_000, 199_999, 200_000, 230_000, 999_999]
    blocks = (sound[first : first + block] for first in range(0, len(sound), block))
    around = np.pad(sound, (24_000, 2_000_000))
    for centre, second in zip(centres, seconds_around(blocks, centres), strict=True):
        np.testing.assert_array_equal(second, around[centre : centre + 48_000])
