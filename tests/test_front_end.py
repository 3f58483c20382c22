from dataclasses import FrozenInstanceError, replace

import pytest

from avsearch.front_end import FLOW_FRAMES, MULTI_FRAMES, PAPER_FRONT_END, SMALL_FRONT_END


def test_the_paper_sees_224_pixels_and_hears_257_rows_of_200_columns():
    assert PAPER_FRONT_END.image_shape == (3, 224, 224)
    assert PAPER_FRONT_END.audio_shape == (1, 257, 200)
    assert PAPER_FRONT_END.short_side == 256


def test_the_paper_window_is_10_ms_and_its_hop_5_ms():
    assert (PAPER_FRONT_END.window / 48_000, PAPER_FRONT_END.hop / 48_000) == (0.010, 0.005)


def test_the_small_front_end_sees_112_pixels_and_hears_128_bands_of_100_columns():
    assert SMALL_FRONT_END.image_shape == (3, 112, 112)
    assert SMALL_FRONT_END.audio_shape == (1, 128, 100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hop": 241},  # does not divide 48000
        {"hop": 500},  # longer than the window
        {"window": 600},  # longer than the transform
        {"image_side": 0},
        {"image_side": 257},  # larger than the frame it is cut from
        {"log_std": 0.0},
        {"num_bands": -1},
    ],
)
def test_shapes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        replace(PAPER_FRONT_END, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hop": 0},  # ZeroDivisionError
        {"hop": -240},  # divides a second, but leaves -200 columns
        {"hop": 375},  # n_fft - hop is odd: num_columns says 128, log_spectrogram gives 127
        {"log_floor": 0.0},  # the logarithm of silence
        {"pixel_std": 0.0},
        {"pixel_std": (0.2, 0.0, 0.2)},
        {"num_frames": 24},  # none of them in the middle
        {"num_frames": 0},
        {"flow": True},  # between one frame and nothing
    ],
)
def test_numbers_that_make_no_tensor_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        replace(PAPER_FRONT_END, **wrong)


def test_the_frames_around_a_moment_lie_40_ms_apart_and_its_own_is_in_the_middle():
    assert replace(SMALL_FRONT_END, num_frames=5).offsets_us() == (-80_000, -40_000, 0, 40_000, 80_000)
    second = replace(SMALL_FRONT_END, num_frames=MULTI_FRAMES).offsets_us()
    assert (len(second), second[12], second[-1] - second[0]) == (25, 0, 960_000)


def test_several_frames_have_a_dimension_of_time_and_flow_has_channels():
    assert replace(PAPER_FRONT_END, num_frames=MULTI_FRAMES).image_shape == (3, 25, 224, 224)
    assert replace(PAPER_FRONT_END, num_frames=FLOW_FRAMES, flow=True).image_shape == (23, 224, 224)


def test_a_front_end_cannot_be_changed_after_training():
    with pytest.raises(FrozenInstanceError):
        PAPER_FRONT_END.hop = 480  # type: ignore[misc]
