import math

import numpy as np
import pytest
from PIL import Image

from avsearch.demo.drawing import draw_object, extent, random_look
from avsearch.demo.kinds import KINDS
from avsearch.demo.pen import Look, Pose, pen_for, pen_on

POSES = [Pose(0, 0), Pose(1, 0), Pose(1, 1), Pose(0, 0, is_sounding=False)]
PLAIN = Look(
    body=(200, 0, 0), accent=(0, 200, 0), line=(0, 0, 200), line_width=0.05, traits=(0.5, 0.5, 0.5, 0.5),
    tilt_rad=0.0, stretch=1.0, is_mirrored=False,
)  # fmt: skip


def looks(count, seed=0):
    rng = np.random.default_rng(seed)
    return [random_look(rng, on_light=bool(i % 2)) for i in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_drawing_is_cut_off_by_its_sheet(kind):
    for look in looks(8):
        for pose in POSES:
            alpha = np.asarray(draw_object(kind, look, pose, pixels_per_unit=12))[..., 3]
            edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
            assert alpha.any()
            assert not edge.any()


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_looks_different_when_it_sounds(kind):
    rest, loud = (draw_object(kind, PLAIN, pose, pixels_per_unit=24) for pose in (POSES[3], POSES[2]))
    differs = np.any(np.asarray(rest) != np.asarray(loud), axis=2)
    assert np.count_nonzero(differs) > 0.05 * np.count_nonzero(np.asarray(loud)[..., 3])


@pytest.mark.parametrize("kind", KINDS)
def test_the_extent_holds_every_pose(kind):
    left, top, right, bottom = extent(kind, PLAIN, POSES)
    for pose in POSES:
        box = np.array(draw_object(kind, PLAIN, pose, pixels_per_unit=40).getbbox()) - 80
        assert np.all(box[:2] >= 40 * np.array([left, top]) - 4)
        assert np.all(box[2:] <= 40 * np.array([right, bottom]) + 4)


def test_kinds_share_one_palette():
    colours = np.array([look.body for look in looks(400)], float)
    hues = {int(np.argmax(colour)) for colour in colours}
    assert hues == {0, 1, 2}
    assert colours.std(axis=0).min() > 40


def test_a_body_stands_out_from_its_background_and_its_outline_from_the_body():
    def lightness(colour):
        return (max(colour) + min(colour)) / 510

    for is_light in (True, False):
        for look in [random_look(np.random.default_rng(i), on_light=is_light) for i in range(50)]:
            assert (lightness(look.body) < 0.45) == is_light
            assert abs(lightness(look.body) - lightness(look.line)) > 0.4


def test_a_disc_has_the_area_of_a_circle():
    canvas = Image.new("RGBA", (200, 200))
    pen_on(canvas, centre=(100, 100), scale=50, line=(0, 0, 0), line_width=0.0).disc(
        (0, 0), 1.2, (9, 9, 9), outlined=False
    )
    assert np.count_nonzero(np.asarray(canvas)[..., 3]) == pytest.approx(math.pi * 60**2, rel=0.02)


def test_a_pen_turns_clockwise_about_the_given_point():
    canvas = Image.new("RGBA", (100, 100))
    pen = pen_on(canvas, centre=(50, 50), scale=10, line=(0, 0, 0), line_width=0.1)
    pen.turned(math.pi / 2, about=(1, 0)).box((2.5, -0.5), (3.5, 0.5), (9, 9, 9))  # two to the right of the pivot
    left, top, right, bottom = canvas.getbbox()
    assert (left + right) / 2 == pytest.approx(50 + 10 * 1, abs=1)
    assert (top + bottom) / 2 == pytest.approx(50 + 10 * 2, abs=1)


def test_a_mirrored_look_draws_the_mirror_image():
    pictures = []
    for mirrored in (False, True):
        canvas = Image.new("RGBA", (99, 99))
        look = Look(**{**PLAIN.__dict__, "is_mirrored": mirrored})
        pen_for(look, canvas, scale=30).polygon([(-1, -1), (1, -1), (-1, 1)], (9, 9, 9), outlined=False)
        pictures.append(np.asarray(canvas)[..., 3] > 0)
    assert np.mean(pictures[0] != pictures[1][:, ::-1]) < 0.02
    assert np.mean(pictures[0] != pictures[1]) > 0.1
