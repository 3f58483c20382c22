"""Maps as pictures: one colour map for all of them, spread smoothly, the highest place ringed."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from avsearch.localize.heat import HEARD, HeatMap
from avsearch.localize.localizer import PLACE_PX
from avsearch.moments import Place

COLOUR_MAP = "inferno"  # grows evenly lighter, for those who are colour-blind too, and its middle is no grey
OPACITY = 0.8  # of a place that makes the sound for certain; one that does not is not covered
_RING = 1 / 16  # its radius, as a part of the picture's shorter side
_SMOOTH = 4  # a ring is drawn so many times as large, and made smaller

Pixels = NDArray[np.uint8]


def overlay_png(heat: HeatMap, size: tuple[int, int]) -> bytes:
    """A map as a PNG file with transparency, to be laid over its frame.

    The more probable a place makes the sound, the lighter and the less transparent it is. The peak is ringed where
    it is more probable than not.

    Args:
        heat: the map.
        size: (width, height) in pixels of what it will lie over.
    """
    return png_of(_overlay(heat, size))


def blended(frame: Pixels, heat: HeatMap) -> Pixels:
    """A frame with its map laid over it.

    Args:
        frame: (H, W, 3) uint8, on whatever scale.
        heat: of this frame.

    Returns:
        (H, W, 3) uint8.
    """
    picture = Image.fromarray(frame)
    covering = _overlay(heat, picture.size)
    picture.paste(covering, mask=covering)
    return np.asarray(picture)


def png_of(picture: Image.Image) -> bytes:
    """A picture as a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def spread(values: NDArray[np.floating], *, frame: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
    """The values of a map for every pixel of a picture, without steps from place to place.

    Args:
        values: (h, w) in [0, 1], one a place of 16 x 16 pixels of the frame that was asked.
        frame: its (width, height), which the last places may reach beyond.
        size: (width, height) of the picture.

    Returns:
        (height, width) float32 in [0, 1].
    """
    part = (0.0, 0.0, frame[0] / PLACE_PX, frame[1] / PLACE_PX)
    places = Image.fromarray(values.astype(np.float32))
    smooth: NDArray[np.float32] = np.asarray(places.resize(size, Image.Resampling.BICUBIC, box=part))
    return smooth.clip(0, 1)


def coloured(values: NDArray[np.floating]) -> Pixels:
    """Values of any shape in [0, 1] -> their colours, (..., 3) uint8."""
    return np.asarray(_colours()[np.round(255 * values).astype(np.uint8)])


def ringed(picture: Image.Image, place: Place) -> None:
    """Draw a white ring with a black rim around a place: it can be seen without the colours."""
    radius = max(round(_RING * min(picture.size)), 2)
    ring = _ring(radius)
    corner = (round(place.x * picture.width) - ring.width // 2, round(place.y * picture.height) - ring.height // 2)
    picture.paste(ring, corner, mask=ring)


def _overlay(heat: HeatMap, size: tuple[int, int]) -> Image.Image:
    chances = spread(heat.probabilities, frame=(heat.width, heat.height), size=size)
    alpha = np.round(255 * OPACITY * chances).astype(np.uint8)
    picture = Image.fromarray(np.dstack([coloured(chances), alpha]))
    if heat.probability >= HEARD:
        ringed(picture, heat.peak)
    return picture


@functools.lru_cache(maxsize=1)
def _colours() -> Pixels:
    """(256, 3) uint8."""
    import matplotlib as mpl  # noqa: PLC0415  (most of a second, and not for every use of a localizer)

    colours: NDArray[Any] = mpl.colormaps[COLOUR_MAP](np.arange(256))[:, :3]
    return np.round(255 * colours).astype(np.uint8)


@functools.lru_cache(maxsize=8)
def _ring(radius: int) -> Image.Image:
    """A ring of so many pixels, transparent inside and outside."""
    outer = radius * _SMOOTH
    ring = Image.new("RGBA", (2 * outer, 2 * outer))
    rim = max(outer // 5, 1)
    for inset, width, colour in ((0, 2 * rim, "black"), (rim // 2, rim, "white")):
        box = (inset, inset, 2 * outer - 1 - inset, 2 * outer - 1 - inset)
        ImageDraw.Draw(ring).ellipse(box, outline=colour, width=width)
    return ring.resize((2 * radius, 2 * radius), Image.Resampling.BOX)
