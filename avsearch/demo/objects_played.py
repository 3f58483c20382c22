"""Drawings of the instruments: bell, drum, guitar, flute."""

from __future__ import annotations

import math

from avsearch.demo.pen import Look, Pen, Point, Pose


def draw_bell(pen: Pen, look: Look, pose: Pose) -> None:
    """A church bell that swings about its crown, with its clapper hanging out."""
    pen = pen.turned(0.22 * pose.sway, about=(0, -0.8))
    waist, lip = look.between(0, 0.34, 0.5), look.between(1, 0.66, 0.84)
    side = [(0.0, -0.72), (0.2, -0.68), (0.33, -0.5), (waist - 0.04, -0.1), (waist + 0.1, 0.3), (lip, 0.58)]
    outline = [*side, (lip, 0.66), (-lip, 0.66), *[(-x, y) for x, y in reversed(side[1:])]]
    pen.disc((0, -0.84), 0.14, None)
    pen.turned(-0.4 * pose.sway, about=(0, 0)).stroke([(0, 0.3), (0, 0.75)], look.line, 0.07)
    pen.turned(-0.4 * pose.sway, about=(0, 0)).disc((0, 0.8), 0.15, look.accent)
    pen.polygon(outline, look.body)
    pen.polygon([(-lip, 0.54), (lip, 0.54), (lip + 0.04, 0.68), (-lip - 0.04, 0.68)], look.accent)
    if look.traits[2] > 0.5:
        pen.stroke([(-waist - 0.02, 0.05), (waist + 0.02, 0.05)], look.accent, 0.09)


def draw_drum(pen: Pen, look: Look, pose: Pose) -> None:
    """A side drum with zigzag cords and two sticks that strike in turn."""
    width, height = look.between(0, 0.7, 0.9), look.between(1, 0.45, 0.8)
    top, bottom, round_y = -0.1, -0.1 + height, 0.24
    pen.ellipse((0, bottom), (width, round_y), look.body)
    pen.box((-width, top), (width, bottom), look.body, outlined=False)
    pen.stroke([(-width, top), (-width, bottom)], look.line, look.line_width)
    pen.stroke([(width, top), (width, bottom)], look.line, look.line_width)
    turns = 4 + 2 * round(2 * look.traits[2])
    xs = [width * math.sin(math.pi * (i / turns - 0.5)) for i in range(turns + 1)]
    zigzag = [
        (x, (top if i % 2 else bottom) + round_y * math.sqrt(max(0.0, 1 - (x / width) ** 2)))
        for i, x in enumerate(xs)
    ]
    pen.stroke(zigzag, look.accent, 0.07)
    pen.ellipse((0, top), (width, round_y), look.accent)
    for side in (-1, 1):
        lift = pose.level if (side > 0) == (pose.phase == 0) else 0.25
        tip = (side * 0.15, top - 0.05 - 0.28 * (1 - lift))
        end = (side * 0.85, top - 0.62 - 0.15 * (1 - lift))
        pen.stroke([tip, end], look.line, 0.13)
        pen.stroke([tip, end], look.body, 0.07)
        pen.disc(tip, 0.1, look.body)


def draw_guitar(pen: Pen, look: Look, pose: Pose) -> None:
    """A guitar with its neck up; the strings swing."""
    hip, chest = look.between(0, 0.54, 0.7), look.between(1, 0.38, 0.5)
    right = [
        (0.16, -0.12),
        (chest, 0.0),
        (chest - 0.02, 0.2),
        (0.29, 0.36),
        (hip - 0.06, 0.5),
        (hip, 0.76),
        (0.3, 1.0),
    ]
    pen.blob([*right, *[(-x, y) for x, y in reversed(right)]], look.body)
    pen.box((-0.085, -0.95), (0.085, 0.12), look.accent)
    for fret in range(4):
        pen.stroke([(-0.08, -0.75 + 0.2 * fret), (0.08, -0.75 + 0.2 * fret)], look.line, 0.03)
    head = [(-0.1, -0.95), (-0.17, -1.25), (0.17, -1.25), (0.1, -0.95)]
    pen.polygon(head, look.accent)
    for side in (-1, 1):
        for peg in (-1.17, -1.05):
            pen.disc((side * 0.22, peg), 0.05, look.line, outlined=False)
    pen.disc((0, 0.3), 0.17, look.line)
    pen.box((-0.2, 0.68), (0.2, 0.76), look.accent)
    for string in (-0.05, 0.0, 0.05):
        middle: Point = (string + 0.06 * pose.sway, 0.2)
        pen.stroke([(string, -0.95), middle, (string, 0.7)], look.line, 0.02)


def draw_flute(pen: Pen, look: Look, pose: Pose) -> None:
    """A long flute with keys, and notes that rise from it while it sounds."""
    pen = pen.turned(-0.5 + 0.06 * pose.sway)
    thick = look.between(0, 0.12, 0.17)
    pen.box((-1.1, -thick), (1.1, thick), look.body)
    pen.box((-1.16, -thick - 0.04), (-0.98, thick + 0.04), look.accent)
    pen.box((0.92, -thick - 0.04), (1.14, thick + 0.04), look.accent)
    pen.ellipse((-0.72, -thick), (0.15, 0.09), look.accent)
    for key in range(5):
        pen.disc((-0.3 + 0.24 * key, -0.2 * thick), 0.07, look.line)
    if pose.is_sounding:
        upright = pen.turned(0.5)
        for place in (0, 1):
            _note(upright.moved((-0.5 + 0.62 * place, -0.52 - 0.12 * (pose.phase ^ place))), look)


def _note(pen: Pen, look: Look) -> None:
    pen.ellipse((0, 0.1), (0.13, 0.1), look.body)
    pen.stroke([(0.11, 0.08), (0.11, -0.3), (0.27, -0.17)], look.body, 0.07)
