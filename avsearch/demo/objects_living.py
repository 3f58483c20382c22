"""Drawings of animals and of nature: dog, bird, rain, fire."""

from __future__ import annotations

import math

from avsearch.demo.pen import Look, Pen, Point, Pose


def draw_dog(pen: Pen, look: Look, pose: Pose) -> None:
    """A dog's head from the front; the mouth opens when it barks."""
    ear = look.between(0, 0.5, 0.85)
    for side in (-1, 1):
        flap = [(side * 0.45, -0.62), (side * 0.85, -0.5), (side * 0.98, ear - 0.2), (side * 0.75, ear)]
        pen.blob([*flap, (side * 0.58, 0.1)], look.accent)
    drop = 0.32 * pose.level
    pen.blob([(0.28, 0.4), (0.2, 0.78 + drop), (-0.2, 0.78 + drop), (-0.28, 0.4)], look.line)
    pen.ellipse((0, 0.62 + 0.7 * drop), (0.12, 0.1 + 0.4 * drop), look.accent, outlined=False)
    wide = look.between(1, 0.58, 0.7)
    pen.blob([(0, -0.78), (wide - 0.1, -0.62), (wide, -0.15), (0.42, 0.4), (-0.42, 0.4), (-wide, -0.15),
              (0.1 - wide, -0.62)], look.body)  # fmt: skip
    for side in (-1, 1):
        if look.traits[2] > 0.6 and side > 0:
            pen.ellipse((side * 0.27, -0.24), (0.22, 0.26), look.accent, outlined=False)
        pen.disc((side * 0.27, -0.22), 0.13, (250, 250, 250))
        pen.disc((side * 0.25, -0.2), 0.07, (15, 15, 15), outlined=False)
    pen.ellipse((0, 0.34), (0.4, 0.26), look.body)
    pen.ellipse((0, 0.2), (0.17, 0.12), look.line, outlined=False)
    pen.stroke([(0, 0.28), (0, 0.45)], look.line, 0.05)


def draw_bird(pen: Pen, look: Look, pose: Pose) -> None:
    """A small bird from the side on a twig; the beak opens and the wing lifts."""
    pen.stroke([(-0.95, 0.9), (0.95, 0.8)], look.accent, 0.1)
    pen = pen.moved((0, -0.08 * pose.level))
    for leg in (-0.05, 0.15):
        pen.stroke([(leg, 0.5), (leg + 0.04, 0.85)], look.line, 0.05)
    tail = look.between(0, -0.35, 0.35)
    pen.polygon([(-0.45, 0.1), (-1.1, tail - 0.12), (-1.05, tail + 0.16), (-0.4, 0.35)], look.accent)
    plump = look.between(1, 0.38, 0.5)
    pen.blob([(-0.6, 0.18), (-0.2, 0.2 - plump), (0.3, -0.28), (0.55, 0.0), (0.35, 0.4), (-0.1, 0.6)], look.body)
    gape = 0.05 + 0.2 * pose.level
    pen.polygon([(0.72, -0.5), (1.15, -0.42 - gape), (0.75, -0.34)], look.accent)
    pen.polygon([(0.72, -0.42), (1.08, -0.36 + gape), (0.7, -0.26)], look.accent)
    pen.disc((0.5, -0.42), 0.34, look.body)
    pen.disc((0.58, -0.5), 0.08, look.line, outlined=False)
    lift = -0.7 * pose.level * pose.phase
    pen.turned(lift, about=(0.2, 0.05)).blob([(0.22, 0.0), (-0.2, -0.08), (-0.62, 0.2), (-0.15, 0.36)], look.accent)


def draw_rain(pen: Pen, look: Look, pose: Pose) -> None:
    """A cloud; while it sounds, drops fall from it and splash."""
    if pose.is_sounding:
        _drops(pen, look, pose)
    bumps: list[tuple[Point, float]] = [
        ((-0.62, -0.35), 0.3),
        ((-0.25, -0.55), look.between(0, 0.32, 0.42)),
        ((0.25, -0.5), look.between(1, 0.3, 0.42)),
        ((0.65, -0.32), 0.28),
    ]
    for centre, radius in bumps:
        pen.disc(centre, radius, look.body)
    for centre, radius in bumps:
        pen.disc(centre, radius - look.line_width / 2, look.body, outlined=False)
    pen.box((-0.62, -0.42), (0.65, -0.06 - look.line_width / 2), look.body, outlined=False)
    pen.stroke([(-0.62, -0.05), (0.65, -0.05)], look.line, look.line_width)


def _drops(pen: Pen, look: Look, pose: Pose) -> None:
    slant, count = look.between(2, -0.25, 0.25), 5 + round(2 * look.traits[3])
    for row in range(3):
        for column in range(count):
            y = 0.1 + 0.3 * row + 0.15 * ((column + pose.phase) % 2)
            x = -0.65 + 1.3 * column / (count - 1) + slant * y
            pen.stroke([(x, y), (x + 0.18 * slant, y + 0.17)], look.accent, 0.075)
    for splash in (-0.5, 0.05, 0.55):
        wide = 0.14 + 0.06 * pose.phase
        pen.ellipse((splash + slant, 1.0), (wide, 0.06), look.accent, outlined=False)


def draw_fire(pen: Pen, look: Look, pose: Pose) -> None:
    """Crossed logs; while it sounds, flames flicker above them."""
    if pose.is_sounding:
        height = 0.75 + 0.35 * pose.level
        _flame(pen, look.accent, (look.between(0, 0.55, 0.72), height + 0.2, pose))
        inner = pen.moved((0.06 * (1 - 2 * pose.phase), 0.0))
        _flame(inner, look.body, (look.between(1, 0.26, 0.38), 0.72 * height, pose))
    for angle in (-0.22, 0.22):
        log = pen.moved((0, 0.72)).turned(angle)
        log.box((-0.85, -0.12), (0.85, 0.12), look.body)
        log.ellipse((math.copysign(0.85, angle), 0), (0.08, 0.12), look.accent)


def _flame(pen: Pen, fill: tuple[int, int, int], form: tuple[float, float, Pose]) -> None:
    """A flame with three tongues; `form` is (half width, height, pose)."""
    wide, high, pose = form
    flip = 1 - 2 * pose.phase
    foot = 0.68
    pen.blob(
        [
            (0, foot),
            (-wide, foot - 0.2),
            (-0.95 * wide, foot - 0.62 * high + 0.08 * flip),
            (-0.55 * wide, foot - 0.4 * high),
            (0.12 * wide * flip, foot - 1.25 * high),
            (0.42 * wide, foot - 0.5 * high),
            (0.9 * wide, foot - 0.8 * high - 0.08 * flip),
            (wide, foot - 0.2),
        ],
        fill,
    )
