"""A kind, its look and its pose -> a picture of it on a transparent sheet."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from PIL import Image

from avsearch.demo import objects_living, objects_made, objects_played
from avsearch.demo.pen import SUPERSAMPLING, Colour, Look, Pen, Pose, pen_for

Draw = Callable[[Pen, Look, Pose], None]

DRAWINGS: Mapping[str, Draw] = {
    "bell": objects_played.draw_bell,
    "drum": objects_played.draw_drum,
    "guitar": objects_played.draw_guitar,
    "flute": objects_played.draw_flute,
    "dog": objects_living.draw_dog,
    "bird": objects_living.draw_bird,
    "clock": objects_made.draw_clock,
    "car": objects_made.draw_car,
    "siren": objects_made.draw_siren,
    "telephone": objects_made.draw_telephone,
    "rain": objects_living.draw_rain,
    "fire": objects_living.draw_fire,
}

# No drawing reaches farther than this from its middle, in its own coordinates, however it is turned and stretched.
REACH = 2.0
MEASURING_PX_PER_UNIT = 12
LIGHT, DARK = (0.6, 0.88), (0.12, 0.4)


def random_look(rng: np.random.Generator, *, on_light: bool) -> Look:
    """Draw a look that stands out from a light or a dark background; all kinds share one palette."""
    near, far = (LIGHT, DARK) if on_light else (DARK, LIGHT)
    traits = rng.random(4)
    return Look(
        body=random_colour(rng, lightness=far),
        accent=random_colour(rng, lightness=(0.3, 0.7)),
        line=random_colour(rng, lightness=(0.93, 1.0) if near is LIGHT else (0.0, 0.08)),
        line_width=float(rng.uniform(0.04, 0.07)),
        traits=(float(traits[0]), float(traits[1]), float(traits[2]), float(traits[3])),
        tilt_rad=math.radians(float(rng.uniform(-22, 22))),
        stretch=float(rng.uniform(0.85, 1.18)),
        is_mirrored=bool(rng.random() < 0.5),
    )


def random_colour(
    rng: np.random.Generator, *, lightness: tuple[float, float], saturation: tuple[float, float] = (0.15, 0.9)
) -> Colour:
    """A colour of any hue within ranges of lightness and saturation (HLS, 0 to 1)."""
    rgb = colorsys.hls_to_rgb(rng.random(), rng.uniform(*lightness), rng.uniform(*saturation))
    red, green, blue = (round(255 * value) for value in rgb)
    return red, green, blue


def draw_object(kind: str, look: Look, pose: Pose, *, pixels_per_unit: float) -> Image.Image:
    """Draw one object in the middle of a transparent square: (side, side) RGBA, just large enough for any kind."""
    side = 2 * math.ceil(REACH * pixels_per_unit) * SUPERSAMPLING
    canvas = Image.new("RGBA", (side, side))
    DRAWINGS[kind](pen_for(look, canvas, scale=pixels_per_unit * SUPERSAMPLING), look, pose)
    return canvas.reduce(SUPERSAMPLING)


def extent(kind: str, look: Look, poses: Iterable[Pose]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of all the poses together, around the middle, in object coordinates."""
    boxes = [draw_object(kind, look, pose, pixels_per_unit=MEASURING_PX_PER_UNIT).getbbox() for pose in poses]
    drawn = np.array([box for box in boxes if box is not None], dtype=np.float64)
    low, high = drawn[:, :2].min(axis=0), drawn[:, 2:].max(axis=0)
    middle = math.ceil(REACH * MEASURING_PX_PER_UNIT)
    left, top, right, bottom = (np.concatenate([low, high]) - middle) / MEASURING_PX_PER_UNIT
    return float(left), float(top), float(right), float(bottom)
