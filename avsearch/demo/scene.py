"""One clip's pictures: a background that drifts by, the object that sounds, and sometimes one that does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from avsearch.demo.drawing import draw_object, extent, random_look
from avsearch.demo.pen import Look, Pose
from avsearch.demo.plan import ClipPlan
from avsearch.demo.scenery import draw_background
from avsearch.moments import Box

ALONE_SIZE = (0.3, 0.5)  # of the frame's shorter side; larger ones hold the centre wherever they stand
BESIDE_SIZE = (0.3, 0.45)
SILENT_SIZE = (0.2, 0.3)
MARGIN = 0.05
POSE_LEVELS = 3
PHASES_PER_SECOND = 6.0
SHAKE_PX = 2
DRIFT = 0.25  # how much larger the background is than the frame
SHRINKING = 0.97


@dataclass(frozen=True)
class Placed:
    """An object at its place: `scale` in pixels a unit, `middle` the pixel where its own origin lies."""

    kind: str
    look: Look
    scale: float
    middle: tuple[int, int]

    def drawn(self, pose: Pose) -> Image.Image:
        return draw_object(self.kind, self.look, pose, pixels_per_unit=self.scale)


@dataclass(frozen=True)
class Step:
    """The sounding object in one frame: its pose, and how far it is shaken off its place, in pixels."""

    pose: Pose
    shake: tuple[int, int]


@dataclass(frozen=True)
class Scene:
    """Everything that is needed to show the frames of a clip, one after the other.

    Attributes:
        size: (width, height) of the frames.
        background: RGB, larger than the frames.
        corners: for each frame, where in the background its upper left corner lies.
        sprites: the sounding object in each pose that occurs.
        middle: the pixel where the middle of a sprite lies.
        steps: for each frame, pose and shake.
        silent: the silent object's sprite and the pixel of its middle, or None.
    """

    size: tuple[int, int]
    background: Image.Image
    corners: tuple[tuple[int, int], ...]
    sprites: Mapping[Pose, Image.Image]
    middle: tuple[int, int]
    steps: tuple[Step, ...]
    silent: tuple[Image.Image, tuple[int, int]] | None

    @property
    def pixel_box(self) -> np.ndarray:
        """(4,) left, top, right, bottom: the smallest box around the sounding object over all frames."""
        boxes = np.array([self._step_box(step) for step in self.steps])
        return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])

    @property
    def box(self) -> Box:
        """The same in fractions of the frame, within it."""
        left, top, right, bottom = np.clip(self.pixel_box / (self.size * 2), 0, 1)
        return Box(float(left), float(top), float(right), float(bottom))

    def frames(self) -> Iterator[np.ndarray]:
        """The clip's frames, (H, W, 3) uint8 each."""
        for index, step in enumerate(self.steps):
            frame = self._without_object(index)
            _paste(frame, self.sprites[step.pose], self._middle_of(step))
            yield np.asarray(frame)

    def empty_frames(self) -> Iterator[np.ndarray]:
        """The same frames without the sounding object."""
        for index in range(len(self.steps)):
            yield np.asarray(self._without_object(index))

    def _without_object(self, index: int) -> Image.Image:
        (x, y), (width, height) = self.corners[index], self.size
        frame = self.background.crop((x, y, x + width, y + height))
        if self.silent is not None:
            _paste(frame, *self.silent)
        return frame

    def _middle_of(self, step: Step) -> tuple[int, int]:
        return self.middle[0] + step.shake[0], self.middle[1] + step.shake[1]

    def _step_box(self, step: Step) -> tuple[int, int, int, int]:
        sprite = self.sprites[step.pose]
        left, top, right, bottom = sprite.getbbox() or (0, 0, *sprite.size)
        x, y = self._middle_of(step)
        x, y = x - sprite.width // 2, y - sprite.height // 2
        return left + x, top + y, right + x, bottom + y


def compose_scene(plan: ClipPlan, activity: np.ndarray) -> Scene:
    """Decide where everything stands and how it moves, and draw the parts.

    Args:
        plan: the clip.
        activity: (T,) in [0, 1], how loud the sound is in each frame; louder objects move more.
    """
    rng = plan.picture_rng()
    is_light = bool(rng.random() < 0.5)
    background = draw_background(rng, _grown(plan.size), is_light=is_light)
    sounding = _place_sounding(rng, plan, random_look(rng, on_light=is_light))
    steps = _steps(rng, plan, activity)
    sprites = {pose: sounding.drawn(pose) for pose in dict.fromkeys(step.pose for step in steps)}
    scene = Scene(
        size=plan.size,
        background=background,
        corners=_drift(rng, plan.size, len(steps)),
        sprites=sprites,
        middle=sounding.middle,
        steps=steps,
        silent=None,
    )
    return (
        scene if plan.silent is None else _with_silent(rng, scene, plan.silent, random_look(rng, on_light=is_light))
    )


def _grown(size: tuple[int, int]) -> tuple[int, int]:
    slack = round(DRIFT * min(size))
    return size[0] + slack, size[1] + slack


def _drift(rng: np.random.Generator, size: tuple[int, int], num_frames: int) -> tuple[tuple[int, int], ...]:
    """The background slides from one random place to another."""
    start, end = rng.uniform(0, round(DRIFT * min(size)), (2, 2))
    along = np.linspace(0, 1, num_frames)[:, None]
    return tuple((int(x), int(y)) for x, y in start * (1 - along) + end * along)


def _steps(rng: np.random.Generator, plan: ClipPlan, activity: np.ndarray) -> tuple[Step, ...]:
    phases = (plan.frame_times_s * PHASES_PER_SECOND + rng.random()).astype(np.int64) % 2
    levels = np.round(activity * POSE_LEVELS) / POSE_LEVELS
    shakes = np.round(rng.uniform(-SHAKE_PX, SHAKE_PX, (len(levels), 2)) * levels[:, None]).astype(np.int64)
    return tuple(
        Step(pose=Pose(level=float(level), phase=int(phase)), shake=(int(x), int(y)))
        for level, phase, (x, y) in zip(levels, phases, shakes, strict=True)
    )


def _place_sounding(rng: np.random.Generator, plan: ClipPlan, look: Look) -> Placed:
    """Somewhere in the square in the middle of the frame, which every way of cropping keeps."""
    short = min(plan.size)
    poses = [Pose(0, 0), Pose(1, 0), Pose(1, 1)]
    left, top, right, bottom = extent(plan.kind, look, poses)
    part = rng.uniform(*(ALONE_SIZE if plan.silent is None else BESIDE_SIZE))
    scale = part * short / max(right - left, bottom - top)
    free = [short * (0.5 - MARGIN) - SHAKE_PX - scale * side / 2 for side in (right - left, bottom - top)]
    x, y = (length / 2 + rng.uniform(-room, room) for length, room in zip(plan.size, free, strict=True))
    middle = (round(x - scale * (left + right) / 2), round(y - scale * (top + bottom) / 2))
    return Placed(kind=plan.kind, look=look, scale=scale, middle=middle)


def _with_silent(rng: np.random.Generator, scene: Scene, kind: str, look: Look) -> Scene:
    """Stand a smaller object at rest beside the sounding one, so that their boxes do not touch."""
    rest = Pose(level=0, phase=0, is_sounding=False)
    reach = np.array(extent(kind, look, [rest]))
    size_px = rng.uniform(*SILENT_SIZE) * min(scene.size)
    while True:
        scale = size_px / max(reach[2] - reach[0], reach[3] - reach[1])
        x, y = rng.uniform(-scale * reach[:2], scene.size - scale * reach[2:])
        if not _overlap(scale * reach + (x, y, x, y), scene.pixel_box):
            break
        size_px *= SHRINKING
    silent = Placed(kind=kind, look=look, scale=scale, middle=(round(x), round(y)))
    return replace(scene, silent=(silent.drawn(rest), silent.middle))


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes (left, top, right, bottom) have a common part."""
    return bool(np.all(one[:2] < other[2:]) and np.all(other[:2] < one[2:]))


def _paste(frame: Image.Image, sprite: Image.Image, middle: tuple[int, int]) -> None:
    frame.paste(sprite, (middle[0] - sprite.width // 2, middle[1] - sprite.height // 2), sprite)
