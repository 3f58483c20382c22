"""Truth here: colours of matplotlib, pixels read back, and a formula for what lies over what."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from avsearch.localize import blended, heat_of, overlay_png
from avsearch.localize.drawing import COLOUR_MAP, OPACITY, coloured, ringed, spread
from avsearch.moments import Place


def heat(chances, height=None, width=None):
    chances = np.asarray(chances, float)
    rows, columns = chances.shape
    return heat_of(np.log(chances / (1 - chances)), (height or rows * 16, width or columns * 16))


def opened(png):
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.mode) == ("PNG", "RGBA")
    return np.asarray(picture).astype(int)


def lonely(chance, *, at=(1, 6), shape=(6, 8)):
    """All but one place are improbable."""
    chances = np.full(shape, 1e-6)
    chances[at] = chance
    return heat(chances)


def test_colours_are_those_of_the_map_and_grow_lighter():
    values = np.linspace(0, 1, 256)
    colours = coloured(values)
    np.testing.assert_allclose(colours, mpl.colormaps[COLOUR_MAP](values)[:, :3] * 255, atol=0.51)
    lightness = np.asarray(Image.fromarray(colours[None]).convert("L"))[0].astype(int)
    assert (np.diff(lightness) >= 0).all()


def test_an_overlay_is_opaque_and_light_where_the_sound_is_and_clear_elsewhere():
    covering = opened(overlay_png(lonely(0.45), (256, 192)))  # below a half, so that no ring lies over it
    assert covering.shape == (192, 256, 4)
    assert covering[-1, 0, 3] == 0
    place = covering[48, 208]  # in the middle of the place at row 1, column 6, each of 32 pixels
    assert place[3] == pytest.approx(255 * OPACITY * 0.45, abs=2)
    assert place[:3] == pytest.approx(np.array(mpl.colormaps[COLOUR_MAP](0.45)[:3]) * 255, abs=3)


def test_opacity_grows_with_probability_and_without_steps():
    chances = np.tile(np.linspace(0.05, 0.45, 9), (3, 1))
    alpha = opened(overlay_png(heat(chances), (9 * 48, 3 * 48)))[72, :, 3]
    assert (np.diff(alpha) >= 0).all()
    assert np.diff(alpha).max() <= 2


def test_the_peak_is_ringed_in_white_and_black_only_where_it_is_more_probable_than_not():
    for chance, is_ringed in ((0.9, True), (0.45, False)):
        covering = opened(overlay_png(lonely(chance), (256, 192)))
        line = covering[48, 208 : 208 + 16]
        solid = line[line[:, 3] > 250]
        assert bool((solid[:, :3].min(axis=1) > 240).any() if len(solid) else False) == is_ringed
        assert bool((solid[:, :3].max(axis=1) < 15).any() if len(solid) else False) == is_ringed


def test_a_place_that_reaches_beyond_the_frame_is_cut_with_it():
    whole = opened(overlay_png(heat([[0.01, 0.45]]), (64, 32)))[16, :, 3]
    cut = opened(overlay_png(heat([[0.01, 0.45]], width=24), (48, 32)))[16, :, 3]
    np.testing.assert_allclose(cut, whole[:48], atol=1)  # on the same scale it is the same, and no more


def test_a_blended_frame_is_the_frame_under_the_overlay():
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    shown = lonely(0.9)
    covering = opened(overlay_png(shown, (128, 96)))
    alpha = covering[..., 3:] / 255
    expected = frame * (1 - alpha) + covering[..., :3] * alpha
    found = blended(frame, shown)
    assert (found.shape, found.dtype) == (frame.shape, np.uint8)
    np.testing.assert_allclose(found, expected, atol=1.01)


def test_a_map_is_spread_over_a_picture_of_any_size_within_its_limits():
    values = np.array([[0.0, 1.0], [1.0, 0.0]])
    for size in ((7, 5), (64, 64), (300, 200)):
        found = spread(values, frame=(32, 32), size=size)
        assert found.shape == size[::-1]
        assert found.min() >= 0
        assert found.max() <= 1
        assert found[0, -1] > 0.9
        assert found[0, 0] < 0.1


@pytest.mark.parametrize("place", [Place(0, 0), Place(1, 1), Place(0.5, 0.5)])
def test_a_ring_may_reach_beyond_the_picture(place):
    picture = Image.new("RGB", (40, 30), "grey")
    ringed(picture, place)
    assert len(np.unique(np.asarray(picture))) > 1
