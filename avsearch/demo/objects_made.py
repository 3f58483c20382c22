"""Drawings of machines and signals: clock, car, siren, telephone."""

from __future__ import annotations

import math

from avsearch.demo.pen import Look, Pen, Pose


def draw_clock(pen: Pen, look: Look, pose: Pose) -> None:
    """A wall clock with a pendulum that swings below it."""
    swing = pen.turned(0.5 * pose.sway, about=(0, 0.0))
    swing.stroke([(0, 0.3), (0, 1.02)], look.line, 0.07)
    swing.disc((0, 1.06), 0.17, look.accent)
    pen.disc((0, -0.15), 0.8, look.accent)
    pen.disc((0, -0.15), look.between(0, 0.62, 0.7), look.body)
    for hour in range(12):
        turned = pen.turned(hour * math.pi / 6, about=(0, -0.15))
        turned.stroke([(0, -0.73), (0, -0.62)], look.line, 0.07 if hour % 3 else 0.11)
    hands = ((2 * math.pi * look.traits[1], 0.34, 0.1), (2 * math.pi * look.traits[2], 0.5, 0.06))
    for angle, length, width in hands:
        pen.turned(angle + 0.05 * pose.sway, about=(0, -0.15)).stroke(
            [(0, -0.15), (0, -0.15 - length)], look.line, width
        )
    pen.disc((0, -0.15), 0.07, look.line, outlined=False)


def draw_car(pen: Pen, look: Look, pose: Pose) -> None:
    """A car from the side; it shakes on its wheels and puffs."""
    if pose.is_sounding:
        for puff in range(3):
            centre = (-1.1 - 0.16 * puff, 0.32 - 0.12 * puff - 0.05 * pose.phase)
            pen.disc(centre, 0.07 + 0.04 * puff, look.accent)
    body = pen.moved((0, 0.05 * pose.sway))
    roof, hood = look.between(0, -0.5, -0.35), look.between(1, 0.45, 0.6)
    cabin = [(-0.62, 0.0), (-0.45, roof), (0.22, roof), (hood, 0.02)]
    body.polygon(cabin, look.body)
    body.polygon([(-0.46, -0.02), (-0.36, roof + 0.1), (-0.12, roof + 0.1), (-0.12, -0.02)], look.accent)
    body.polygon([(-0.02, -0.02), (-0.02, roof + 0.1), (0.16, roof + 0.1), (hood - 0.16, -0.02)], look.accent)
    shell = [(-1.0, 0.0), (0.6, 0.0), (0.95, 0.1), (1.02, 0.42), (-1.02, 0.42)]
    body.polygon(shell, look.body)
    body.disc((0.9, 0.2), 0.08, look.accent)
    for wheel in (-0.55, 0.55):
        pen.disc((wheel, 0.42), 0.25, look.line)
        pen.disc((wheel, 0.42), 0.11, look.accent, outlined=False)


def draw_siren(pen: Pen, look: Look, pose: Pose) -> None:
    """A warning light: a dome on a foot, with rays that turn while it sounds."""
    if pose.is_sounding:
        for ray in range(7):
            angle = math.pi * (ray - 3) / 7 + 0.12 * (1 - 2 * pose.phase)
            near, far = 0.78, 1.02 + 0.14 * ((ray + pose.phase) % 2)
            spoke = pen.moved((0, 0.2)).turned(angle)
            spoke.stroke([(0, -near), (0, -far)], look.accent, 0.12)
    wide, top = look.between(0, 0.42, 0.52), look.between(1, -0.5, -0.32)
    dome = [(wide * math.cos(a), 0.15 + (top - 0.15) * math.sin(a)) for a in (math.pi * i / 20 for i in range(21))]
    pen.polygon([(wide, 0.5), *dome, (-wide, 0.5)], look.body)
    pen.ellipse((0, 0.12), (0.18, 0.24), look.accent if pose.phase else look.line)
    pen.box((-0.66, 0.5), (0.66, 0.68), look.accent)
    pen.box((-0.8, 0.68), (0.8, 0.86), look.line)


def draw_telephone(pen: Pen, look: Look, pose: Pose) -> None:
    """A dial telephone; the handset jumps on its rest when it rings."""
    foot, top = look.between(0, 0.8, 0.98), look.between(1, 0.38, 0.5)
    pen.blob(
        [(-top, -0.25), (top, -0.25), (foot - 0.1, 0.35), (foot, 0.78), (-foot, 0.78), (0.1 - foot, 0.35)],
        look.body,
    )
    pen.box((-0.36, -0.42), (-0.2, -0.18), look.body)
    pen.box((0.2, -0.42), (0.36, -0.18), look.body)
    pen.disc((0, 0.28), 0.38, look.accent)
    for hole in range(9):
        angle = 2 * math.pi * hole / 11 + 6.2 * look.traits[2]
        pen.disc((0.27 * math.cos(angle), 0.28 + 0.27 * math.sin(angle)), 0.06, look.line, outlined=False)
    pen.disc((0, 0.28), 0.12, look.body)
    handset = pen.moved((0, -0.1 * pose.level)).turned(0.15 * pose.sway, about=(0, -0.5))
    bar = [(-0.85, -0.55), (-0.5, -0.78), (0.5, -0.78), (0.85, -0.55), (0.55, -0.52), (0, -0.58), (-0.55, -0.52)]
    handset.blob(bar, look.accent)
    for side in (-1, 1):
        handset.ellipse((side * 0.74, -0.38), (0.24, 0.16), look.accent)
