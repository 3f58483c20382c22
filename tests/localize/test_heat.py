"""Truth here: maps by hand, and SciPy's labelling of connected regions."""

import math

import numpy as np
import pytest
from scipy import ndimage

from avsearch.localize import heat_map, heat_maps, heat_of, peak, probabilities
from avsearch.localize.heat import BOX_SHARE
from avsearch.moments import Box, Place


class Listening:
    """A map whose first place answers how loud the second is, and whose last how bright the frame."""

    def answers(self, frames, sounds):
        maps = np.full((len(sounds), len(frames), 2, 3), -9.0, np.float32)
        for of_one, sound in zip(maps, sounds, strict=True):
            of_one[:, 0, 0] = sound.max(axis=1)
            of_one[:, -1, -1] = frames.max(axis=(1, 2, 3)) / 100
        return list(maps)


def log_odds(chances):
    return np.log(chances / (1 - np.asarray(chances)))


def test_the_peak_is_the_middle_of_the_best_place_in_fractions_of_the_frame():
    answers = np.zeros((3, 4))
    answers[1, 2] = 5.0
    assert peak(answers, (48, 64, 3)) == Place(40 / 64, 24 / 48)
    assert peak(answers, (48, 50, 3)) == Place(40 / 50, 24 / 48)  # its map reaches over the right edge


def test_a_peak_beyond_the_edge_is_on_the_edge_and_of_equals_the_first_counts():
    answers = np.zeros((2, 2))
    assert peak(answers, (32, 32)) == Place(0.25, 0.25)
    answers[1, 1] = 1.0
    assert peak(answers, (17, 20)) == Place(1.0, 1.0)


def test_probabilities_are_those_of_the_logistic_function_and_never_overflow():
    values = probabilities(np.array([-2000.0, -3.0, 0.0, 1.5, 2000.0], np.float32))
    by_hand = [0.0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-1.5)), 1.0]
    np.testing.assert_allclose(values, by_hand, atol=1e-12)


def test_a_map_is_that_of_the_frame_and_the_second_with_its_peak_and_probability():
    frame, loud = np.full((32, 40, 3), 50, np.uint8), np.full(48_000, 0.9, np.float32)
    heat = heat_map(Listening(), frame, loud)
    assert (heat.width, heat.height, heat.probabilities.shape) == (40, 32, (2, 3))
    assert heat.probability == pytest.approx(1 / (1 + math.exp(-0.9)))
    assert heat.peak == Place(8 / 40, 8 / 32)
    quiet = heat_map(Listening(), frame, loud / 9)
    assert quiet.peak == Place(1.0, 24 / 32)
    assert quiet.probability == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_each_frame_is_asked_with_its_own_second():
    frames = np.zeros((2, 32, 48, 3), np.uint8)
    seconds = np.stack([np.full(48_000, 0.1, np.float32), np.full(48_000, 0.8, np.float32)])
    found = [heat.probability for heat in heat_maps(Listening(), frames, seconds)]
    assert found == pytest.approx([1 / (1 + math.exp(-0.1)), 1 / (1 + math.exp(-0.8))])


def test_the_box_is_around_what_hangs_together_with_the_peak_at_a_share_of_its_probability():
    chances = np.full((4, 5), 0.1)
    chances[1, 1:3] = 0.8, 0.8 * BOX_SHARE + 0.05
    chances[2, 1] = 0.8 * BOX_SHARE + 0.01
    chances[2, 2] = 0.8 * BOX_SHARE - 0.01  # too little
    chances[3, 2] = 0.79  # touches at a corner only
    assert heat_of(log_odds(chances), (64, 80)).box == Box(16 / 80, 16 / 64, 48 / 80, 48 / 64)


def test_a_box_ends_with_the_frame_where_the_map_reaches_beyond_it():
    chances = np.full((2, 3), 0.1)
    chances[:, 2] = 0.9
    assert heat_of(log_odds(chances), (20, 40)).box == Box(32 / 40, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(("highest", "has_box"), [(0.49, False), (0.51, True)])
def test_there_is_no_box_where_the_peak_is_less_probable_than_not(highest, has_box):
    chances = np.full((3, 3), 0.2)
    chances[1, 1] = highest
    heat = heat_of(log_odds(chances), (48, 48))
    assert (heat.box is not None) == has_box
    assert heat.probability == pytest.approx(highest)


@pytest.mark.parametrize("seed", range(20))
def test_boxes_of_random_maps_are_those_of_labelled_regions(seed):
    chances = np.random.default_rng(seed).uniform(0.02, 0.98, (7, 11))
    regions, _ = ndimage.label(chances >= chances.max() * BOX_SHARE)
    rows, columns = np.nonzero(regions == regions[np.unravel_index(chances.argmax(), chances.shape)])
    left, right = columns.min() / 11, (columns.max() + 1) / 11
    top, bottom = rows.min() / 7, (rows.max() + 1) / 7
    box = heat_of(log_odds(chances), (7 * 16, 11 * 16)).box
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((left, top, right, bottom))
