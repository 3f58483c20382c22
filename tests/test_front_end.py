from dataclasses import FrozenInstanceError, replace

import pytest

from avsearch.front_end import PAPER_FRONT_END, SMALL_FRONT_END


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
    ],
)
def test_numbers_that_make_no_tensor_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        replace(PAPER_FRONT_END, **wrong)


def test_a_front_end_cannot_be_changed_after_training():
    with pytest.raises(FrozenInstanceError):
        PAPER_FRONT_END.hop = 480  # type: ignore[misc]
