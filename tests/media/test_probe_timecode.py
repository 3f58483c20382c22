import numpy as np
import pytest

from avsearch import media
from avsearch.media.timecode import start_timecode
from tests.media.clips import ffmpeg, write_wav

PICTURES = ["-f", "lavfi", "-i", "testsrc=size=720x576:rate=25:duration=1"]
NTSC = ["-f", "lavfi", "-i", "testsrc=size=720x480:rate=30000/1001:duration=1"]
DV = ["-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-ar", "48000", "-ac", "2", "-c:a", "pcm_s16le"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mov", ["-c:v", "prores_ks"]),
        ("a.mov", ["-c:v", "mjpeg"]),
        ("a.mp4", ["-c:v", "libx264", "-preset", "ultrafast"]),
        ("a.mxf", ["-c:v", "mpeg2video"]),
        ("a.avi", ["-c:v", "mjpeg"]),
        ("a.mkv", ["-c:v", "ffv1"]),
        ("a.dv", DV),
        ("a.gxf", ["-c:v", "mpeg2video"]),
    ],
)
def test_the_timecode_at_which_a_file_begins_is_read(tmp_path, name, options):
    sound = ["-f", "lavfi", "-i", "sine=duration=1"] if name == "a.dv" else []
    ffmpeg(*PICTURES, *sound, *options, "-timecode", "10:59:58:24", tmp_path / name)
    assert media.probe(tmp_path / name).timecode == "10:59:58:24"


@pytest.mark.parametrize(("name", "codec"), [("a.mov", "prores_ks"), ("a.mp4", "mpeg4"), ("a.mxf", "mpeg2video")])
def test_a_timecode_that_drops_frames_keeps_its_semicolon(tmp_path, name, codec):
    ffmpeg(*NTSC, "-c:v", codec, "-timecode", "01:00:00;02", tmp_path / name)
    assert media.probe(tmp_path / name).timecode == "01:00:00;02"


def test_a_file_without_timecode_has_none(tmp_path):
    ffmpeg(*PICTURES, "-c:v", "mpeg4", tmp_path / "a.mp4")
    assert media.probe(tmp_path / "a.mp4").timecode == ""


def write_bwf(path, reference, *options):
    """A broadcast WAV at 44.1 kHz that begins `reference` samples after midnight."""
    source = write_wav(path.with_suffix(".plain.wav"), np.zeros(44_100, np.float32), rate=44_100)
    ffmpeg("-i", source, *options, "-write_bext", "1", "-metadata", f"time_reference={reference}", path)
    return path


@pytest.mark.parametrize("options", [[], ["-rf64", "always"]])
def test_a_broadcast_wav_says_its_time_of_day_to_the_microsecond(tmp_path, options):
    after_midnight = 44_100 * (13 * 3600 + 7 * 60 + 9) + 11_025
    path = write_bwf(tmp_path / "a.wav", after_midnight, *options)
    assert media.probe(path).timecode == "13:07:09.250000"


@pytest.mark.parametrize("reference", [0, 44_100 * 24 * 3600, "soon"])
def test_a_broadcast_wav_whose_clock_was_not_set_has_no_time_of_day(tmp_path, reference):
    assert media.probe(write_bwf(tmp_path / "a.wav", reference)).timecode == ""


def test_in_a_broadcast_wav_a_timecode_of_frames_comes_first(tmp_path):
    path = write_bwf(tmp_path / "a.wav", 44_100, "-metadata", "timecode=01:00:00:00")
    assert media.probe(path).timecode == "01:00:00:00"


def stream(index, timecode=None):
    return {"index": index, "tags": {} if timecode is None else {"timecode": timecode}}


def test_mxf_takes_it_from_the_material_package_and_others_from_the_stream_that_is_read():
    streams = [stream(0), stream(1, "01:00:00:00"), stream(2, "02:00:00:00")]
    for format_name, expected in (("mxf", "03:00:00:00"), ("mov,mp4,m4a,3gp,3g2,mj2", "02:00:00:00")):
        container = {"format_name": format_name, "tags": {"TIMECODE": "03:00:00:00"}}
        assert start_timecode({"format": container, "streams": streams}, 2) == expected


@pytest.mark.parametrize(
    "told", ["01:00:00", "25 frames", "1:2:3:4", "01:61:00:00", "-1:00:00:00", "1 01:00:00:00"]
)
def test_what_is_no_timecode_is_not_taken_for_one(told):
    assert start_timecode({"format": {}, "streams": [stream(0, told)]}, 0) == ""


def test_high_frame_rates_have_three_digits():
    assert start_timecode({"format": {}, "streams": [stream(0, "01:00:00:119")]}, 0) == "01:00:00:119"
