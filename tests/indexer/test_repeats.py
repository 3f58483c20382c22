from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.repeats import BLOCKS, Stills, is_silent, mean_colours


def picture(seed, side=112):
    return (
        np.random.default_rng(seed)
        .integers(0, 256, (14, 14, 3), np.uint8)
        .repeat(side // 14, 0)
        .repeat(side // 14, 1)
    )


def noisy(square, seed, strength=3):
    noise = np.random.default_rng(seed).integers(-strength, strength + 1, square.shape)
    return np.clip(square.astype(int) + noise, 0, 255).astype(np.uint8)


def test_a_frozen_picture_repeats_itself_also_under_coding_noise():
    stills = Stills()
    assert not stills.repeats(0, picture(1))
    assert stills.repeats(2_000_000, picture(1))
    assert stills.repeats(4_000_000, noisy(picture(1), 5))
    assert not stills.repeats(6_000_000, picture(2))


def test_a_thing_that_moves_in_one_corner_is_something_new():
    stills = Stills()
    first = np.full((112, 112, 3), 90, np.uint8)
    moved = first.copy()
    moved[100:110, 100:110] = 140
    assert not stills.repeats(0, first)
    assert not stills.repeats(1, moved)


def test_a_slow_fade_is_not_frozen_for_ever():
    stills = Stills()
    kept = [not stills.repeats(step, np.full((112, 112, 3), 100 + step, np.uint8)) for step in range(10)]
    assert kept == [True, False] * 5


def test_black_is_black_whatever_its_noise():
    stills = Stills()
    assert not stills.repeats(0, np.zeros((112, 112, 3), np.uint8))
    assert stills.repeats(1, np.full((112, 112, 3), 14, np.uint8))
    assert not stills.repeats(2, np.full((112, 112, 3), 40, np.uint8))


def test_a_frame_that_comes_late_is_compared_with_the_one_before_it_in_time():
    stills = Stills()
    stills.repeats(0, picture(1))
    stills.repeats(10, picture(2))
    assert stills.repeats(5, picture(1))
    assert not stills.repeats(6, picture(2))


@pytest.mark.parametrize(("peak", "expected"), [(0.0, True), (1e-9, True), (1 / 65_536, False), (0.001, False)])
def test_only_digital_silence_is_silence(peak, expected):
    waveform = np.zeros(48_000, np.float32)
    waveform[12_345] = -peak
    assert is_silent(waveform) is expected


def test_no_samples_are_silence():
    assert is_silent(np.zeros(0, np.float32))


@given(st.integers(BLOCKS, 60), st.integers(0, 2**32 - 1))
def test_mean_colours_equal_a_plain_loop(side, seed):
    square = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    edges = [block * side // BLOCKS for block in range(BLOCKS)] + [side]
    expected = [
        [square[top:bottom, left:right].reshape(-1, 3).mean(0) for left, right in pairwise(edges)]
        for top, bottom in pairwise(edges)
    ]
    np.testing.assert_allclose(mean_colours(square), expected, rtol=1e-5)
