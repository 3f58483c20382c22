"""What travels between the stages: names as the documents print them, and what no value of them can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.moments import (
    DIRECTIONS,
    AudioStream,
    Box,
    Direction,
    MediaInfo,
    MediaKind,
    Modality,
    Moment,
    Place,
    Silent,
    Span,
    VideoStream,
)

PICTURES = VideoStream(0, "h264", width=200, height=100, rotation=90, frames_per_second=25.0)
TRACK = AudioStream(1, 0, "aac", 48_000, 2, is_default=True)
FILM = MediaInfo(MediaKind.VIDEO, 5_000_000, 0, "mov", PICTURES, TRACK, "01:00:00:00")
HALF = Box(0.25, 0.5, 0.75, 1.0)
fractions = st.integers(0, 100).map(lambda hundredths: hundredths / 100)


def test_the_four_directions_are_named_as_in_a_report():
    assert [str(direction) for direction in DIRECTIONS] == [
        "image-image",
        "image-audio",
        "audio-image",
        "audio-audio",
    ]
    assert [direction.is_same_modality for direction in DIRECTIONS] == [True, False, False, True]
    assert Direction(Modality.IMAGE, Modality.AUDIO) == DIRECTIONS[1]
    assert (Modality.IMAGE.other, Modality.AUDIO.other) == (Modality.AUDIO, Modality.IMAGE)


def test_a_moment_is_named_by_media_modality_and_time():
    assert Moment(12, Modality.AUDIO, 3_000_000).id == "12:audio:3000000"


def test_a_span_lasts_from_its_start_to_its_end():
    assert Span(0, 1).duration_us == 1
    assert Span(250_000, 1_250_000).duration_us == 1_000_000


@pytest.mark.parametrize(("start_us", "end_us"), [(5, 5), (5, 4), (-1, 4)])
def test_a_span_that_is_empty_turned_round_or_before_the_start_is_none(start_us, end_us):
    with pytest.raises(ValueError, match=rf"got {start_us}\.\.{end_us}"):
        Span(start_us, end_us)


@given(*[fractions] * 6)
def test_a_box_holds_the_points_between_its_edges_and_on_them(left, right, top, bottom, x, y):
    if left >= right or top >= bottom:
        with pytest.raises(ValueError, match="not a box within the frame"):
            Box(left, top, right, bottom)
        return
    box = Box(left, top, right, bottom)
    in_hundredths = [round(100 * value) for value in (left, right, top, bottom, x, y)]
    columns = range(in_hundredths[0], in_hundredths[1] + 1)
    rows = range(in_hundredths[2], in_hundredths[3] + 1)
    assert box.holds(Place(x, y)) is (in_hundredths[4] in columns and in_hundredths[5] in rows)


def test_a_box_holds_its_corners_and_nothing_just_outside():
    corners = [Place(x, y) for x in (0.25, 0.75) for y in (0.5, 1.0)]
    outside = [Place(0.24, 0.7), Place(0.76, 0.7), Place(0.5, 0.49), Place(0.5, 1.01)]
    assert [HALF.holds(place) for place in corners + outside] == [True] * 4 + [False] * 4


def test_the_whole_frame_is_a_box_and_nothing_larger():
    assert str(Box(0, 0, 1, 1)) == "0.0000,0.0000,1.0000,1.0000"
    for beyond in [
        (-0.1, 0, 1, 1),
        (0, -0.1, 1, 1),
        (0, 0, 1.1, 1),
        (0, 0, 1, 1.1),
        (0.5, 0, 0.5, 1),
        (0, 0.5, 1, 0.5),
    ]:
        with pytest.raises(ValueError, match="not a box within the frame"):
            Box(*beyond)


def test_a_cropped_stream_has_the_size_of_the_part_and_is_otherwise_the_same():
    cropped = PICTURES.cropped(HALF)
    assert cropped == VideoStream(0, "h264", 100, 50, 90, 25.0, crop=HALF)
    assert FILM.cropped(HALF) == MediaInfo(MediaKind.VIDEO, 5_000_000, 0, "mov", cropped, TRACK, "01:00:00:00")


def test_the_smallest_part_is_a_pixel():
    cropped = PICTURES.cropped(Box(0, 0, 0.001, 0.001))
    assert (cropped.width, cropped.height) == (1, 1)


def test_what_has_no_pictures_is_cropped_to_itself():
    sound = FILM.limited_to({Modality.AUDIO})
    assert sound.cropped(HALF) is sound


@pytest.mark.parametrize(
    ("kept", "video", "audio"),
    [(set(Modality), PICTURES, TRACK), ({Modality.IMAGE}, PICTURES, None), ({Modality.AUDIO}, None, TRACK)],
)
def test_a_file_limited_to_a_side_has_no_other_and_is_otherwise_the_same(kept, video, audio):
    limited = FILM.limited_to(kept)
    assert limited == MediaInfo(MediaKind.VIDEO, 5_000_000, 0, "mov", video, audio, "01:00:00:00")


def test_one_that_is_silent_takes_all_that_is_told(capfd):
    silent = Silent()
    silent.stage("decode", None, "files")
    silent.advance()
    silent.advance(3, "fast")
    silent.say("nothing")
    assert capfd.readouterr() == ("", "")
