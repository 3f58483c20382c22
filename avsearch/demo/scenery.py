"""Backgrounds: a gradient, a texture, and things that make no sound (boxes, plants, frames, balls, stripes)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from avsearch.demo.drawing import DARK, LIGHT, random_colour
from avsearch.demo.pen import SUPERSAMPLING, Colour, Pen, pen_on

MUTED = (0.05, 0.5)  # saturation
MAX_THINGS = 9


def draw_background(rng: np.random.Generator, size: tuple[int, int], *, is_light: bool) -> Image.Image:
    """A background of `size` (width, height): RGB, light or dark throughout, of any hue."""
    lightness = LIGHT if is_light else DARK
    picture = Image.fromarray(_texture(rng, _gradient(rng, size, lightness)))
    clutter = Image.new("RGBA", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
    for _ in range(int(rng.integers(1, MAX_THINGS + 1))):
        _draw_thing(rng, clutter, lightness)
    layer = clutter.reduce(SUPERSAMPLING)
    picture.paste(layer, mask=layer)
    return picture


def _gradient(rng: np.random.Generator, size: tuple[int, int], lightness: tuple[float, float]) -> np.ndarray:
    """(H, W, 3) float32 in [0, 255]: from one colour to another in any direction."""
    width, height = size
    angle = rng.uniform(0, 2 * math.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    place = np.clip(0.5 + 0.4 * (x * math.cos(angle) + y * math.sin(angle)), 0, 1)[..., None]
    start, end = (np.array(random_colour(rng, lightness=lightness, saturation=MUTED)) for _ in range(2))
    mixed: np.ndarray = start * (1 - place) + end * place
    return mixed.astype(np.float32)


def _texture(rng: np.random.Generator, base: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 -> the same with soft patches and grain, (H, W, 3) uint8."""
    height, width, _ = base.shape
    grid = rng.standard_normal((int(rng.integers(3, 25)), int(rng.integers(3, 25)))).astype(np.float32)
    patches = np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))
    grain = rng.standard_normal((height, width)).astype(np.float32)
    change = rng.uniform(2, 10) * patches + rng.uniform(0, 1.5) * grain
    return np.asarray(np.clip(base + change[..., None], 0, 255), dtype=np.uint8)


def _draw_thing(rng: np.random.Generator, canvas: Image.Image, lightness: tuple[float, float]) -> None:
    """Draw one silent thing somewhere; it keeps to the background's lightness, so that objects stand out."""
    place = rng.uniform(0, 1, 2) * canvas.size
    scale = min(canvas.size) * rng.uniform(0.06, 0.22)
    pen = pen_on(
        canvas,
        centre=(float(place[0]), float(place[1])),
        scale=scale,
        line=random_colour(rng, lightness=lightness, saturation=MUTED),
        line_width=float(rng.uniform(0.03, 0.12)),
    ).turned(rng.uniform(-0.6, 0.6))
    colour = random_colour(rng, lightness=lightness, saturation=MUTED)
    things = (_crate, _ball, _plant, _picture_frame, _stripes, _heap)
    thing: Callable[[np.random.Generator, Pen, Colour], None] = things[int(rng.integers(len(things)))]
    thing(rng, pen, colour)


def _crate(rng: np.random.Generator, pen: Pen, colour: Colour) -> None:
    high = rng.uniform(0.5, 1.2)
    pen.box((-1, -high), (1, high), colour)
    pen.stroke([(-1, -high), (1, high)], pen.line, pen.line_width)
    pen.stroke([(-1, high), (1, -high)], pen.line, pen.line_width)


def _ball(rng: np.random.Generator, pen: Pen, colour: Colour) -> None:
    pen.disc((0, 0), 0.8, colour)
    pen.ellipse((0, 0), (rng.uniform(0.2, 0.6), 0.8), None)


def _plant(rng: np.random.Generator, pen: Pen, colour: Colour) -> None:
    for leaf in range(int(rng.integers(3, 7))):
        bent = pen.turned(rng.uniform(-1.2, 1.2), about=(0, 0.8))
        bent.blob([(0, 0.8), (-0.18, 0.1), (0, -0.8 + 0.1 * leaf), (0.18, 0.1)], colour)
    pen.polygon([(-0.4, 0.7), (0.4, 0.7), (0.3, 1.2), (-0.3, 1.2)], pen.line, outlined=False)


def _picture_frame(rng: np.random.Generator, pen: Pen, colour: Colour) -> None:
    wide = rng.uniform(0.6, 1.4)
    pen.box((-wide, -0.8), (wide, 0.8), pen.line, outlined=False)
    pen.box((-wide + 0.15, -0.65), (wide - 0.15, 0.65), colour, outlined=False)


def _stripes(rng: np.random.Generator, pen: Pen, colour: Colour) -> None:
    for stripe in range(int(rng.integers(2, 6))):
        pen.stroke([(-3, 0.4 * stripe), (3, 0.4 * stripe)], colour, 0.15)


def _heap(rng: np.random.Generator, pen: Pen, colour: Colour) -> None:
    xs = np.linspace(-1.5, 1.5, int(rng.integers(4, 8)))
    ridge = [(float(x), float(rng.uniform(-0.6, 0.3))) for x in xs]
    pen.polygon([(-1.5, 0.8), *ridge, (1.5, 0.8)], colour)
