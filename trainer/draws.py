"""What a batch is made of: every random number of it, drawn before a pixel is touched. Needs NumPy alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from avsearch import pairs
from avsearch.front_end import MOMENT_SAMPLES, SAMPLE_RATE_HZ, num_samples
from avsearch.moments import SECOND_US
from trainer.config import Augmentation, TrainConfig

_PARTNERS, _ROWS = 2, 3  # streams of random numbers beside the order of the clips (pairs.batch_clips)


class Number(IntEnum):
    """The random numbers that a row has, by what each decides."""

    FRAME = 0
    SIZE = 1
    TOP = 2
    LEFT = 3
    MIRROR = 4
    BRIGHTNESS = 5
    SATURATION = 6
    RED = 7
    GREEN = 8
    BLUE = 9
    GREY = 10
    NEAR = 11
    LOUDNESS = 12
    ELSEWHERE = 13
    ELSEWHERE_LOUDNESS = 14


@dataclass(frozen=True)
class ClipOutline:
    """What has to be known of a clip to draw from it.

    Attributes:
        frame_us: (T,) int64, the time of each of its frames.
        times_us: (M,) int64, every frame time of its video around which it has a whole second that is not silence.
        start_us: when its first sample is.
        num_samples: of its sound.
        height: of its frames.
        width: of its frames.
    """

    frame_us: np.ndarray
    times_us: np.ndarray
    start_us: int
    num_samples: int
    height: int
    width: int

    @functools.cached_property
    def moments(self) -> np.ndarray:
        """(K,) int64: the frames with a second of sound around them; all, in a clip of single frames."""
        end_us = self.start_us + self.num_samples * SECOND_US // SAMPLE_RATE_HZ
        whole = pairs.has_whole_second(self.frame_us, start_us=self.start_us, end_us=end_us)
        return np.flatnonzero(whole & np.isin(self.frame_us, self.times_us))

    def apart(self) -> ClipOutline:
        """The same with arrays of its own, which map no file."""
        return replace(self, frame_us=self.frame_us.copy(), times_us=self.times_us.copy())

    def first_sample(self, middle_us: int) -> int:
        """Where in the clip's sound the second around a time begins."""
        return num_samples(pairs.centred_second(middle_us)[0] - self.start_us)


@dataclass(frozen=True)
class PictureChange:
    """What happens to a picture: a square is cut out, scaled, perhaps mirrored, and its colours are shaken.

    Pixels are multiplied by `brightness` and by `tint` (3,), then moved from their grey by `saturation`.
    """

    top: int
    left: int
    size: int
    mirrored: bool
    brightness: float
    saturation: float
    tint: np.ndarray


@dataclass(frozen=True)
class SecondDraw:
    """A second of sound: of clip number `clip` the samples from `first` on, times `loudness`."""

    clip: int
    first: int
    loudness: float


@dataclass(frozen=True)
class Draw:
    """One row of a batch: frame number `frame` of a clip, changed, and a second of the same clip.

    `elsewhere` is the row's negative where negatives are not cut as positives are.
    """

    frame: int
    change: PictureChange
    second: SecondDraw
    elsewhere: SecondDraw | None = None

    @property
    def clip(self) -> int:
        return self.second.clip


def drawn_clips(media: np.ndarray, config: TrainConfig, *, seed: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """(N,) media of all clips -> (B,) clip numbers of a step, and (B,) rows whose sounds make negatives."""
    chosen, partner, _ = drawn_batch(media, config, seed=seed, step=step)
    return chosen, partner


def drawn_batch(
    media: np.ndarray, config: TrainConfig, *, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """The same, and the random numbers that come next of what concerns all rows."""
    rng = np.random.default_rng([seed, _PARTNERS, step])
    chosen = pairs.batch_clips(
        len(media),
        batch_size=config.draws(len(media)),
        step=step,
        seed=seed,
        pairs_per_clip=config.pairs_per_clip,
    )
    chosen = np.tile(pairs.with_two_media(chosen, media, rng), config.views)
    return chosen, pairs.negative_partners(media[chosen], rng), rng


def drawn_rows(
    outline: Callable[[int], ClipOutline],
    chosen: np.ndarray,
    partner: np.ndarray,
    config: TrainConfig,
    numbers: np.ndarray,
    rows: Sequence[int],
) -> list[Draw]:
    """What the given rows are made of; each has its own of the (B, len(Number)) random numbers."""
    clips = chosen[rows].tolist()
    outlines = [outline(clip) for clip in clips]
    own = numbers[rows]
    changes = drawn_changes([it.height for it in outlines], [it.width for it in outlines], config.augmentation, own)
    places = own.tolist()
    loudness, elsewhere_loudness = (
        around(1, config.augmentation.amplitude, own[:, number]).tolist()
        for number in (Number.LOUDNESS, Number.ELSEWHERE_LOUDNESS)
    )
    draws = []
    for index, (clip, it, change, place) in enumerate(zip(clips, outlines, changes, places, strict=True)):
        frame, middle_us = _moment(it, config.misalignment_us, place)
        second = SecondDraw(clip, it.first_sample(middle_us), loudness[index])
        elsewhere = None
        if not config.negatives_on_grid:
            other = int(chosen[partner[rows[index]]])
            first = int(place[Number.ELSEWHERE] * (outline(other).num_samples - MOMENT_SAMPLES + 1))
            elsewhere = SecondDraw(other, first, elsewhere_loudness[index])
        draws.append(Draw(frame, change, second, elsewhere))
    return draws


def random_numbers(count: int, *, seed: int, step: int) -> np.ndarray:
    """(count, len(Number)) from 0 to 1: those of each row of a step, which every process draws alike."""
    return np.random.default_rng([seed, _ROWS, step]).random((count, len(Number)))


def drawn_changes(
    heights: Sequence[int], widths: Sequence[int], augmentation: Augmentation, numbers: np.ndarray
) -> list[PictureChange]:
    """What happens to pictures of these heights and widths, by the (B, len(Number)) random numbers of each."""
    high, wide = np.array(heights), np.array(widths)
    spread = augmentation.largest_crop - augmentation.smallest_crop
    fraction = augmentation.smallest_crop + spread * numbers[:, Number.SIZE]
    size = np.maximum(np.rint(np.minimum(high, wide) * fraction).astype(np.int64), 1)
    top, left = (
        (numbers[:, number] * (side - size + 1)).astype(np.int64).tolist()
        for number, side in ((Number.TOP, high), (Number.LEFT, wide))
    )
    mirrored = (numbers[:, Number.MIRROR] < 0.5).tolist()
    brightness = around(1, augmentation.brightness, numbers[:, Number.BRIGHTNESS]).tolist()
    saturation = around(1, augmentation.saturation, numbers[:, Number.SATURATION])
    saturation[numbers[:, Number.GREY] < augmentation.grey] = 0
    tint = around(1, augmentation.tint, numbers[:, Number.RED : Number.BLUE + 1])
    parts = (top, left, size.tolist(), mirrored, brightness, saturation.tolist(), tint)
    return [PictureChange(*change) for change in zip(*parts, strict=True)]


def around(middle: float, spread: float, numbers: np.ndarray) -> np.ndarray:
    """Random numbers from 0 to 1 -> float32 from middle - spread to middle + spread."""
    return np.asarray(middle + spread * (2 * numbers - 1), np.float32)


def _moment(it: ClipOutline, misalignment_us: int, place: Sequence[float]) -> tuple[int, int]:
    """A random frame, and the middle of its second: its own time, or one up to `misalignment_us` away."""
    frame = int(it.moments[int(place[Number.FRAME] * len(it.moments))])
    middle_us = int(it.frame_us[frame])
    if misalignment_us:
        near = it.times_us[np.abs(it.times_us - middle_us) <= misalignment_us]
        middle_us = int(near[int(place[Number.NEAR] * near.size)]) if near.size else middle_us
    return frame, middle_us
