"""Which clips the demo collection holds: a pure function of how many and of the seed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from avsearch.demo.kinds import KINDS

CLIP_SECONDS = 3.0
SIZES = ((256, 192), (240, 180), (320, 180), (284, 160), (200, 200), (176, 176), (192, 240), (160, 214))
RATES = (Fraction(12), Fraction(15), Fraction(20), Fraction(24), Fraction(24000, 1001), Fraction(25))
TWO_OBJECTS_SHARE = 0.2

# Of thirty clips of a kind, these are for validation and for the test; the rest trains, and then it repeats.
SPLIT_PERIOD = 45
VALIDATION = frozenset({4, 24, 44})
TEST = frozenset(range(1, SPLIT_PERIOD, 2))  # 22 a kind: with fewer, the first 30 ranks hold them all by chance
MIN_CLIPS_PER_KIND = 5  # the first five hold all three splits

# Each clip has three streams of random numbers, so that what is drawn for one never shifts another.
_PLAN, _SOUND, _PICTURE = range(3)


@dataclass(frozen=True)
class ClipPlan:
    """One clip to be made; it depends on its kind, its number and the seed, never on the other clips.

    Attributes:
        kind: what sounds.
        number: counts the clips of this kind from 0.
        seed: the collection's seed.
        size: (width, height) of the frames, both even.
        frames_per_second: of the pictures.
        silent: the kind of a second object that is seen and not heard, or None.
    """

    kind: str
    number: int
    seed: int
    size: tuple[int, int]
    frames_per_second: Fraction
    silent: str | None

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number:03d}.mp4"

    @property
    def split(self) -> str:
        turn = self.number % SPLIT_PERIOD
        return "val" if turn in VALIDATION else "test" if turn in TEST else "train"

    @property
    def frame_times_s(self) -> np.ndarray:
        """(T,) float64: when each frame is shown."""
        return np.arange(round(CLIP_SECONDS * self.frames_per_second)) / float(self.frames_per_second)

    def sound_rng(self) -> np.random.Generator:
        return _rng(self.seed, self.kind, self.number, stream=_SOUND)

    def picture_rng(self) -> np.random.Generator:
        return _rng(self.seed, self.kind, self.number, stream=_PICTURE)


def plan_collection(clips_per_kind: int, *, seed: int) -> tuple[ClipPlan, ...]:
    """Plan `clips_per_kind` clips of every kind.

    Raises:
        ValueError: so few clips that a split would stay empty.
    """
    if clips_per_kind < MIN_CLIPS_PER_KIND:
        raise ValueError(f"every split needs a clip, so at least {MIN_CLIPS_PER_KIND} a kind, got {clips_per_kind}")
    return tuple(plan_clip(kind, number, seed=seed) for kind in KINDS for number in range(clips_per_kind))


def plan_clip(kind: str, number: int, *, seed: int) -> ClipPlan:
    """Plan one clip of a kind."""
    rng = _rng(seed, kind, number, stream=_PLAN)
    size = SIZES[int(rng.integers(len(SIZES)))]
    rate = RATES[int(rng.integers(len(RATES)))]
    others = [other for other in KINDS if other != kind]
    other = others[int(rng.integers(len(others)))]
    silent = other if rng.random() < TWO_OBJECTS_SHARE else None
    return ClipPlan(kind=kind, number=number, seed=seed, size=size, frames_per_second=rate, silent=silent)


def _rng(seed: int, kind: str, number: int, *, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, KINDS.index(kind), number, stream])
