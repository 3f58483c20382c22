import json
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from avsearch.errors import MediaError
from avsearch.media import write
from avsearch.media.write import write_clip

RATE = 48_000
COLOURS = ((200, 40, 40), (40, 180, 60), (50, 70, 210))


def frames_of(num_frames, size=(96, 64)):
    """Each third of the clip has its own colour."""
    width, height = size
    for index in range(num_frames):
        yield np.full((height, width, 3), COLOURS[3 * index // num_frames], np.uint8)


def beep_at(start_s, seconds=3.0):
    t = np.arange(round(seconds * RATE)) / RATE
    return np.where((t >= start_s) & (t < start_s + 0.5), 0.5 * np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)


def probed(path):
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_packets", str(path)]
    report = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {stream["codec_type"]: stream for stream in report["streams"]}, report


def decoded(path, *options):
    command = ["ffmpeg", "-v", "error", "-i", str(path), *options, "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize("rate", [12, 25, Fraction(24000, 1001)])
def test_a_clip_has_the_streams_that_were_asked_for(tmp_path, rate):
    write_clip(tmp_path / "a.mp4", frames_of(round(3 * rate)), beep_at(1), frames_per_second=rate)
    streams, report = probed(tmp_path / "a.mp4")
    video, audio = streams["video"], streams["audio"]
    assert (video["codec_name"], video["pix_fmt"], video["width"], video["height"]) == ("h264", "yuv420p", 96, 64)
    assert Fraction(video["r_frame_rate"]) == rate
    assert int(video["nb_frames"]) == round(3 * rate)
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 1)
    assert float(report["format"]["duration"]) == pytest.approx(3.0, abs=0.03)
    assert float(video["start_time"]) == float(audio["start_time"]) == 0


@pytest.mark.parametrize(("every_s", "expected_s"), [(1.0, [0, 1, 2]), (1.5, [0, 1.5])])
def test_keyframes_come_as_often_as_asked(tmp_path, every_s, expected_s):
    write_clip(tmp_path / "a.mp4", frames_of(72), beep_at(1), frames_per_second=24, keyframe_every_s=every_s)
    _, report = probed(tmp_path / "a.mp4")
    keys = [float(p["pts_time"]) for p in report["packets"] if p["codec_type"] == "video" and "K" in p["flags"]]
    assert keys == pytest.approx(expected_s)


def test_pixels_come_back_in_their_order_and_colours(tmp_path):
    write_clip(tmp_path / "a.mp4", frames_of(36), beep_at(1), frames_per_second=12)
    pixels = np.frombuffer(decoded(tmp_path / "a.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24"), np.uint8)
    means = pixels.reshape(36, -1, 3).mean(axis=1)
    assert means == pytest.approx(np.repeat(np.array(COLOURS, float), 12, axis=0), abs=6)


def test_sound_comes_back_at_its_time_and_loudness(tmp_path):
    sound = beep_at(1.25)
    write_clip(tmp_path / "a.mp4", frames_of(36), sound, frames_per_second=12)
    heard = np.frombuffer(decoded(tmp_path / "a.mp4", "-f", "f32le"), np.float32)
    assert abs(len(heard) - len(sound)) <= 1024  # an AAC frame
    lags = np.correlate(np.pad(heard, 100)[: len(sound) + 200], sound, mode="valid")
    assert np.argmax(lags) == 100
    assert lags.max() == pytest.approx(np.sum(sound**2), rel=0.05)


@pytest.mark.parametrize(
    "name", ["with space.mp4", "per%03dcent.mp4", "-dash.mp4", "colon:quote'.mp4", "übung.mp4"]
)
def test_any_name_will_do(tmp_path, name):
    write_clip(tmp_path / name, frames_of(12), beep_at(0, 1.0), frames_per_second=12)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).stat().st_size > 1000


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "at least one frame"),
        ([np.zeros((64, 95, 3), np.uint8)], "even"),
        ([np.zeros((64, 96, 3), np.float32)], "uint8"),
        ([np.zeros((64, 96, 3), np.uint8), np.zeros((64, 98, 3), np.uint8)], "one size"),
    ],
)
def test_frames_of_another_form_are_refused_and_leave_nothing(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        write_clip(tmp_path / "a.mp4", frames, beep_at(0), frames_per_second=12)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sound", [np.zeros((10, 2), np.float32), np.zeros(10, np.float64)])
def test_sound_of_another_form_is_refused(tmp_path, sound):
    with pytest.raises(ValueError, match="float32"):
        write_clip(tmp_path / "a.mp4", frames_of(12), sound, frames_per_second=12)


def test_a_failure_keeps_the_old_clip_and_leaves_nothing_beside_it(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"old")
    monkeypatch.setattr(write.safety, "GLOBAL_OPTIONS", ("-no-such-option", "1"))
    with pytest.raises(MediaError, match="no-such-option"):
        write_clip(tmp_path / "a.mp4", frames_of(12), beep_at(0), frames_per_second=12)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_sound_beyond_full_scale_is_clipped_instead_of_wrapped(tmp_path):
    loud = 2 * beep_at(0, 1.0)
    write_clip(tmp_path / "a.mp4", frames_of(12), 2 * loud, frames_per_second=12)
    heard = np.frombuffer(decoded(tmp_path / "a.mp4", "-f", "f32le"), np.float32)[: len(loud)]
    assert np.corrcoef(heard, loud[: len(heard)])[0, 1] > 0.9
