"""Truth here: frames that show their own number, sound that says its time, and ffprobe."""

import json
import subprocess
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from avsearch.errors import MediaError
from avsearch.media import probe
from avsearch.media.film import even_rate, read_film
from avsearch.moments import Span, VideoStream
from tests.media.clips import ffmpeg, make_clip, number_of

SIZES = ((320, 240), (96, 72))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Four seconds at 25 frames a second."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=100, seconds=4)


def numbers(path, span=None, rate=Fraction(25), scale=0):
    return [number_of(frames[scale]) for frames in read_film(path, probe(path), span, rate=rate, sizes=SIZES)]


@pytest.mark.parametrize(
    ("own", "expected"),
    [(25, 25), (30, 30), (24000 / 1001, Fraction(24000, 1001)), (60000 / 1001, Fraction(30000, 1001)), (50, 25),
     (60, 30), (120, 30), (100, 25), (12, 12), (5, 15), (1, 12), (0.1, 12), (0, 25)],
)  # fmt: skip
def test_the_rate_is_the_films_own_or_a_part_or_a_multiple_that_is_good_to_look_at(own, expected):
    assert even_rate(VideoStream(0, "h264", 320, 240, 0, own)) == expected


def test_all_frames_come_in_their_order_on_both_scales(clip):
    assert numbers(clip) == numbers(clip, scale=1) == list(range(100))
    first, second = next(read_film(clip, probe(clip), None, rate=Fraction(25), sizes=SIZES))
    assert (first.shape, second.shape, first.dtype) == ((240, 320, 3), (72, 96, 3), np.uint8)


@pytest.mark.parametrize(
    ("start_us", "end_us", "first", "count"),
    [
        (1_000_000, 2_000_000, 25, 25),
        (0, 40_000, 0, 1),
        (2_480_000, 2_600_000, 62, 3),
        (3_600_000, 9_000_000, 90, 10),
    ],
)
def test_a_stretch_begins_with_the_frame_that_is_shown_then_and_has_as_many_as_it_lasts(
    clip, start_us, end_us, first, count
):
    assert numbers(clip, Span(start_us, end_us)) == list(range(first, first + count))


def test_half_the_rate_leaves_every_second_frame_out_and_twice_the_rate_repeats(clip):
    half, twice = numbers(clip, rate=Fraction(25, 2)), numbers(clip, rate=Fraction(50))
    assert {later - earlier for earlier, later in pairwise(half)} == {2}
    assert abs(len(half) - 50) <= 1
    assert abs(len(twice) - 200) <= 1
    assert sorted(set(twice)) == list(range(100))


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi"])
@pytest.mark.parametrize("start_us", [0, 1_000_000, 30_000_000])
def test_a_stretch_is_right_in_containers_that_begin_late_or_seek_badly(tmp_path, suffix, start_us):
    """MPEG-TS begins at 1.4 s of its clock; a seek lands between keyframes, AVI has no times at all."""
    path = make_clip(tmp_path / f"late{suffix}", frames=1000, gop=250, options=["-bf", "0"])
    found = numbers(path, Span(start_us, start_us + 200_000))
    first = start_us // 40_000
    assert found == [number % 256 for number in range(first, first + 5)]


def test_where_there_is_no_frame_one_is_told(clip):
    with pytest.raises(MediaError, match="no frame can be decoded here"):
        numbers(clip, Span(20_000_000, 21_000_000))


def test_a_film_without_an_even_rate_is_shown_at_its_true_times(tmp_path):
    """Each frame n of 0 to 9 lasts n + 1 hundredths of a second longer: at 100 a second each is seen as often."""
    path = tmp_path / "uneven.mkv"
    frames = make_clip(tmp_path / "even.mkv", frames=10, rate="10")
    ffmpeg("-i", frames, "-vf", "setpts='N*(N+1)/2/100/TB'", "-fps_mode", "passthrough", "-c:v", "ffv1", path)
    report = subprocess.check_output(
        ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "json", path]
    )
    times_s = [float(packet["pts_time"]) for packet in json.loads(report)["packets"]]
    found = numbers(path, Span(0, 450_000), rate=Fraction(100))
    expected = [int(np.searchsorted(times_s, number / 100 + 1e-6, side="right")) - 1 for number in range(45)]
    assert np.mean(np.array(found) == expected) > 0.85  # at an edge rounding may take the next one
    assert np.abs(np.array(found) - expected).max() <= 1


def test_a_reader_that_has_enough_leaves_no_process_behind(clip):
    frames = read_film(clip, probe(clip), None, rate=Fraction(25), sizes=SIZES)
    next(frames)
    frames.close()
    assert next(read_film(clip, probe(clip), None, rate=Fraction(25), sizes=SIZES))[0].shape == (240, 320, 3)
