"""Truth: the numbers of ST 12-1 counted one by one, published pairs, and ffmpeg's own timecode."""

import re
import subprocess
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.query.timecode import Clock, clock_of, exact_rate
from tests.media.clips import ffmpeg

FILM, PAL, NTSC, NTSC_60 = Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60000, 1001)
DROP, DROP_60 = Clock(NTSC, drops=True), Clock(NTSC_60, drops=True)


def counted_one_by_one(clock, count):
    """The first numbers, in order; those that drop frame leaves out are skipped."""
    left_out = clock.counted // 15 if clock.drops else 0
    separator = ";" if clock.drops else ":"
    numbers = []
    minute = 0
    while len(numbers) < count:
        for second in range(60):
            first = left_out if second == 0 and minute % 10 else 0
            start = f"{minute // 60:02d}:{minute % 60:02d}:{second:02d}{separator}"
            numbers += [f"{start}{frame:02d}" for frame in range(first, clock.counted)]
        minute += 1
    return numbers[:count]


@pytest.mark.parametrize("clock", [Clock(FILM), Clock(PAL), Clock(NTSC), DROP, DROP_60], ids=str)
def test_the_numbers_of_eleven_minutes_are_those_counted_one_by_one(clock):
    numbers = counted_one_by_one(clock, 11 * 60 * clock.counted)
    assert [clock.text(frame) for frame in range(len(numbers))] == numbers
    assert [clock.frame(number) for number in numbers] == list(range(len(numbers)))


def test_drop_frame_keeps_up_with_the_clock():
    """The published pairs: a minute, ten minutes and a day of 29.97 frames a second."""
    assert DROP.text(1799) == "00:00:59;29"
    assert DROP.text(1800) == "00:01:00;02"
    assert DROP.text(17982) == "00:10:00;00"
    assert DROP.text(107_892) == "01:00:00;00"
    assert DROP.text(2_589_408) == "00:00:00;00"


@given(st.integers(0, 2_589_407), st.sampled_from([Clock(FILM), Clock(PAL), Clock(NTSC), DROP]))
def test_a_number_gives_its_frame_back(frame, clock):
    day = clock.frame("23:59:59" + (";" if clock.drops else ":") + f"{clock.counted - 1:02d}") + 1
    assert clock.frame(clock.text(frame % day)) == frame % day


@given(st.integers(0, 500_000), st.sampled_from([FILM, PAL, NTSC, NTSC_60, Fraction(24), Fraction(12500, 1000)]))
def test_the_time_of_a_frame_in_whole_microseconds_means_that_frame(frame, rate):
    rounded_us = round(Fraction(frame) / rate * 1_000_000)
    assert Clock(rate).frame_at(rounded_us) == frame


@pytest.mark.parametrize(("start", "rate"), [("10:00:00:00", PAL), ("00:59:59;20", NTSC), ("01:00:00:00", FILM)])
def test_ffmpeg_counts_on_from_a_timecode_in_the_same_way(tmp_path, start, rate):
    """Its MPEG-2 encoder writes the timecode of the first frame of each group of 15."""
    film = tmp_path / "film.mpg"
    colour = f"color=s=64x64:r={rate.numerator}/{rate.denominator}:d=130"
    ffmpeg("-f", "lavfi", "-i", colour, "-c:v", "mpeg2video", "-g", 15, "-timecode", start, film)
    argv = ["ffprobe", "-v", "error", "-show_frames", "-of", "compact"]
    told = subprocess.run([*argv, film], capture_output=True, text=True, check=True).stdout
    groups = list(dict.fromkeys(re.findall(r"timecode=([^|\s]+)", told)))
    clock, first = clock_of(start, float(rate))
    assert len(groups) > 200
    assert groups == [clock.text(first + 15 * number) for number in range(len(groups))]


def test_a_file_counts_as_its_timecode_says():
    assert clock_of("01:00:00;00", 29.97002997) == (DROP, 107_892)
    assert clock_of("01:00:00:00", 29.97002997) == (Clock(NTSC), 108_000)
    assert clock_of("01:00:00:00", 23.976) == (Clock(FILM), 86_400)
    assert clock_of("", 25.0) == (Clock(PAL), 0)


def test_a_time_of_day_of_a_broadcast_wav_becomes_frames():
    clock, first = clock_of("10:00:00.500000", 0.0)
    assert (clock, clock.text(first)) == (Clock(PAL), "10:00:00:12")


def test_rates_are_the_exact_ones():
    assert [exact_rate(it) for it in (23.976, 29.97, 59.94, 25.0, 24.0, 12.5)] == [
        FILM, NTSC, NTSC_60, PAL, Fraction(24), Fraction(25, 2),
    ]  # fmt: skip


def test_nonsense_is_no_timecode():
    with pytest.raises(ValueError, match="no timecode"):
        Clock(PAL).frame("1:2:3")
    with pytest.raises(ValueError, match="no timecode"):
        Clock(PAL, drops=True)
