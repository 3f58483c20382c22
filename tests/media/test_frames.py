import json
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from avsearch import media
from avsearch.errors import MediaError
from avsearch.moments import MediaKind, VideoStream
from tests.media.clips import ffmpeg, make_clip, number_of


def ffprobe_frame_times(path):
    """Truth: what ffprobe's own decoder says about every frame, in microseconds since the file's start."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-select_streams", "v:0"]
    command += ["-show_entries", "frame=best_effort_timestamp_time:format=start_time", str(path)]
    report = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    start = float(report["format"]["start_time"])
    return [round((float(frame["best_effort_timestamp_time"]) - start) * 1e6) for frame in report["frames"]]


@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "15"])
def test_a_frame_asked_for_by_its_time_is_that_frame_at_any_rate(tmp_path, rate):
    clip = make_clip(tmp_path / "a.mp4", frames=60, rate=rate)
    info = media.probe(clip)
    times = media.frame_times(clip, info).times_us
    assert times.tolist() == pytest.approx(ffprobe_frame_times(clip), abs=1)
    chosen = [0, 1, 17, 18, 41, 59]
    frames = list(media.read_frames(clip, info, times[chosen].tolist(), short_side=120))
    assert [number_of(frame.rgb) for frame in frames] == chosen
    assert [frame.time_us for frame in frames] == times[chosen].tolist()
    assert frames[0].rgb.shape == (120, 160, 3)


def test_hundreds_of_frames_come_in_order_and_once(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=250)
    info = media.probe(clip)
    times = media.frame_times(clip, info).times_us
    assert [number_of(frame.rgb) for frame in media.read_frames(clip, info, times.tolist(), short_side=64)] == [
        *range(250)
    ]


def test_variable_frame_rate_keeps_true_times(tmp_path):
    steady = make_clip(tmp_path / "steady.mp4", frames=60)
    clip = tmp_path / "vfr.mkv"
    ffmpeg("-i", steady, "-vf", "select=not(mod(n\\,7))+between(n\\,20\\,30)", "-fps_mode", "vfr", clip)
    info = media.probe(clip)
    times = media.frame_times(clip, info).times_us
    assert times.tolist() == pytest.approx(ffprobe_frame_times(clip), abs=1)
    kept = [n for n in range(60) if n % 7 == 0 or 20 <= n <= 30]
    frames = list(media.read_frames(clip, info, times.tolist(), short_side=64))
    assert [number_of(frame.rgb) for frame in frames] == kept
    assert [frame.time_us for frame in frames] == pytest.approx([n * 40_000 for n in kept], abs=1000)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_times_count_from_a_start_time_other_than_zero(tmp_path, suffix):
    clip = make_clip(tmp_path / f"late{suffix}", frames=60, options=["-output_ts_offset", "7.5"])
    info = media.probe(clip)
    assert info.start_time_us >= 7_000_000
    times = media.frame_times(clip, info).times_us
    assert times[0] == 0
    frame = next(media.read_frames(clip, info, [int(times[33])], short_side=64))
    assert number_of(frame.rgb) == 33
    assert frame.time_us == pytest.approx(33 * 40_000, abs=1000)


def test_a_rotated_video_is_read_upright(tmp_path):
    steady = make_clip(tmp_path / "steady.mp4")
    clip = tmp_path / "turned.mp4"
    ffmpeg(
        "-i", steady, "-c", "copy", "-metadata:s:v:0", "rotate=90", clip
    )  # ffmpeg 5.1 writes a counter-clockwise matrix
    info = media.probe(clip)
    assert info.video is not None
    assert (info.video.width, info.video.height, info.video.rotation) == (240, 320, 270)
    frame = next(media.read_frames(clip, info, [5 * 40_000], short_side=240))
    assert frame.rgb.shape == (320, 240, 3)
    assert number_of(np.rot90(frame.rgb, -1)) == 5  # turned back it is the stored picture


def test_pixels_that_are_not_square_are_made_square(tmp_path):
    clip = make_clip(tmp_path / "wide.mp4", options=["-vf", "setsar=2/1"])
    info = media.probe(clip)
    assert info.video is not None
    assert (info.video.width, info.video.height) == (640, 240)
    assert next(media.read_frames(clip, info, [0], short_side=60)).rgb.shape == (60, 160, 3)


def test_odd_sizes_are_read(tmp_path):
    clip = tmp_path / "odd.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=321x241:rate=10:duration=1", "-c:v", "ffv1", clip)
    info = media.probe(clip)
    frames = list(media.read_frames(clip, info, [0, 500_000], short_side=100))
    assert [frame.rgb.shape for frame in frames] == [(100, 133, 3)] * 2


def test_keyframes_are_those_that_the_encoder_made(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=50, gop=10, options=["-sc_threshold", "0"])
    times = media.frame_times(clip, media.probe(clip))
    assert times.times_us[times.is_key].tolist() == [0, 400_000, 800_000, 1_200_000, 1_600_000]


def test_a_picture_is_one_frame_turned_as_the_camera_says(tmp_path):
    picture = Image.new("RGB", (80, 40), "blue")
    picture.paste("red", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # the top row is at the right: turn clockwise
    picture.save(tmp_path / "a.png", exif=exif)
    info = media.probe(tmp_path / "a.png")
    assert (info.kind, info.video and (info.video.width, info.video.height)) == (MediaKind.PICTURE, (40, 80))
    frame = next(media.read_frames(tmp_path / "a.png", info, [0], short_side=40))
    assert frame.rgb.shape == (80, 40, 3)
    assert frame.rgb[10, 20].tolist() == [255, 0, 0]
    assert frame.rgb[70, 20].tolist() == [0, 0, 255]


def test_a_file_without_pictures_says_so(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "a.wav")
    info = media.probe(tmp_path / "a.wav")
    with pytest.raises(MediaError, match="no pictures"):
        media.frame_times(tmp_path / "a.wav", info)


@given(gaps=st.lists(st.integers(1, 10**6), min_size=1, max_size=50), time_us=st.integers(0, 10**7))
def test_the_frame_shown_is_the_last_one_not_after_the_time(gaps, time_us):
    times = np.cumsum(gaps)
    shown = media.FrameTimes(times, np.ones(len(times), bool)).shown_at(time_us)
    assert shown == max((t for t in times.tolist() if t <= time_us), default=times[0])


@given(width=st.integers(1, 9000), height=st.integers(1, 9000), side=st.integers(8, 512))
def test_scaled_sizes_have_the_short_side_asked_for_and_a_bounded_long_side(width, height, side):
    scaled = media.scaled_size(VideoStream(0, "h264", width, height, 0, 25.0), side)
    assert min(scaled) == side
    assert max(scaled) <= 4 * side
    if max(width, height) <= 4 * min(width, height):
        assert max(scaled) / side == pytest.approx(max(width, height) / min(width, height), abs=0.51 / side + 1e-9)
