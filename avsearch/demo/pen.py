"""A pen that draws in an object's own coordinates, where the object fills about [-1, 1] x [-1, 1], y down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]

SUPERSAMPLING = 3
ELLIPSE_CORNERS = 40
CURVE_STEPS = 8


@dataclass(frozen=True)
class Look:
    """What makes one bell different from another bell.

    Attributes:
        body, accent, line: colours; `line` stands out from `body`.
        line_width: width of outlines, in the object's coordinates.
        traits: four numbers in [0, 1] that vary the proportions; each kind reads them in its own way.
        tilt_rad, stretch, is_mirrored: how the object stands; `stretch` is width over height.
    """

    body: Colour
    accent: Colour
    line: Colour
    line_width: float
    traits: tuple[float, float, float, float]
    tilt_rad: float
    stretch: float
    is_mirrored: bool

    def between(self, trait: int, low: float, high: float) -> float:
        """The trait, spread over [low, high]."""
        return low + (high - low) * self.traits[trait]


@dataclass(frozen=True)
class Pose:
    """How an object looks at an instant.

    Attributes:
        level: 0 at rest to 1 at its loudest.
        phase: 0 or 1; the two alternate while the object sounds.
        is_sounding: False for a silent object, which shows no effects (no drops, flames or rays).
    """

    level: float
    phase: int
    is_sounding: bool = True

    @property
    def sway(self) -> float:
        """From -1 to 1: to one side in one phase, to the other in the other."""
        return self.level * (1 - 2 * self.phase)


@dataclass(frozen=True)
class Pen:
    """Draws on a supersampled canvas through an affine map (3, 3) from object coordinates to pixels."""

    canvas: ImageDraw.ImageDraw
    to_pixels: np.ndarray
    line: Colour
    line_width: float

    def polygon(self, points: Sequence[Point], fill: Colour | None, *, outlined: bool = True) -> None:
        """A closed shape with straight sides."""
        pixels = self._map(points)
        if fill is not None:
            self.canvas.polygon(pixels, fill=fill)
        if outlined:
            self.canvas.line(
                [*pixels, *pixels[:2]], fill=self.line, width=self._width(self.line_width), joint="curve"
            )

    def blob(self, points: Sequence[Point], fill: Colour | None, *, outlined: bool = True) -> None:
        """A closed shape whose outline passes smoothly through the points."""
        self.polygon(_closed_curve(points), fill, outlined=outlined)

    def ellipse(self, centre: Point, radii: Point, fill: Colour | None, *, outlined: bool = True) -> None:
        """An ellipse along the axes."""
        angles = [2 * math.pi * i / ELLIPSE_CORNERS for i in range(ELLIPSE_CORNERS)]
        points = [(centre[0] + radii[0] * math.cos(a), centre[1] + radii[1] * math.sin(a)) for a in angles]
        self.polygon(points, fill, outlined=outlined)

    def disc(self, centre: Point, radius: float, fill: Colour | None, *, outlined: bool = True) -> None:
        """A circle."""
        self.ellipse(centre, (radius, radius), fill, outlined=outlined)

    def box(self, corner: Point, opposite: Point, fill: Colour | None, *, outlined: bool = True) -> None:
        """A rectangle along the axes."""
        (x0, y0), (x1, y1) = corner, opposite
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill, outlined=outlined)

    def stroke(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """An open line with round ends."""
        pixels, thick = self._map(points), self._width(width)
        self.canvas.line(pixels, fill=colour, width=thick, joint="curve")
        if thick > 2:
            for x, y in (pixels[0], pixels[-1]):
                r = thick / 2
                self.canvas.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def moved(self, by: Point) -> Pen:
        """The same pen for a part that is shifted."""
        return self._before(np.array([[1, 0, by[0]], [0, 1, by[1]], [0, 0, 1]]))

    def turned(self, angle_rad: float, about: Point = (0.0, 0.0)) -> Pen:
        """The same pen for a part that is turned (clockwise on the screen) about a point."""
        cos, sin = math.cos(angle_rad), math.sin(angle_rad)
        x, y = about
        return self._before(
            np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y], [0, 0, 1]])
        )

    def scaled(self, x: float, y: float) -> Pen:
        """The same pen for a part that is stretched."""
        return self._before(np.diag([x, y, 1.0]))

    def _before(self, change: np.ndarray) -> Pen:
        return replace(self, to_pixels=self.to_pixels @ change)

    def _map(self, points: Sequence[Point]) -> list[tuple[float, float]]:
        pixels = np.asarray(points, dtype=np.float64) @ self.to_pixels[:2, :2].T + self.to_pixels[:2, 2]
        return [(float(x), float(y)) for x, y in pixels]

    def _width(self, width: float) -> int:
        return max(1, round(width * math.sqrt(abs(float(np.linalg.det(self.to_pixels[:2, :2]))))))


def pen_on(canvas: Image.Image, *, centre: Point, scale: float, line: Colour, line_width: float) -> Pen:
    """An upright pen whose origin lies at pixel `centre` of the canvas; `scale` is in its pixels a unit."""
    to_pixels = np.array([[scale, 0, centre[0]], [0, scale, centre[1]], [0, 0, 1]])
    return Pen(canvas=ImageDraw.Draw(canvas), to_pixels=to_pixels, line=line, line_width=line_width)


def pen_for(look: Look, canvas: Image.Image, *, scale: float) -> Pen:
    """A pen in the middle of the canvas, turned, stretched and mirrored as the look tells."""
    middle = (canvas.width / 2, canvas.height / 2)
    pen = pen_on(canvas, centre=middle, scale=scale, line=look.line, line_width=look.line_width)
    spread = math.sqrt(look.stretch)
    return pen.turned(look.tilt_rad).scaled(-spread if look.is_mirrored else spread, 1 / spread)


def _closed_curve(points: Sequence[Point]) -> list[Point]:
    """A closed Catmull-Rom curve through the points."""
    p1 = np.asarray(points, dtype=np.float64)
    p0, p2, p3 = np.roll(p1, 1, axis=0), np.roll(p1, -1, axis=0), np.roll(p1, -2, axis=0)
    t = np.arange(CURVE_STEPS)[:, None, None] / CURVE_STEPS
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * (p1 - p2) + p3 - p0) * t**3
    )
    return [(float(x), float(y)) for x, y in curve.transpose(1, 0, 2).reshape(-1, 2)]
