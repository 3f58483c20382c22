"""What a batch is made of: every random number of it, drawn before a pixel is touched. Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from avsearch import pairs
from avsearch.front_end import MOMENT_SAMPLES, SAMPLE_RATE_HZ, num_samples
from avsearch.moments import SECOND_US
from trainer.config import Augmentation, TrainConfig

_PARTNERS, _ROWS = 2, 3  # streams of random numbers beside the order of the clips (pairs.batch_clips)


@dataclass(frozen=True)
class ClipOutline:
    """What has to be known of a clip to draw from it.

    Attributes:
        frame_us: (T,) int64, the time of each of its frames.
        times_us: (M,) int64, every frame time of its video around which it has a whole second.
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

    def moments(self) -> np.ndarray:
        """(K,) int64: the frames with a whole second of sound around them; all, in a clip of single frames."""
        end_us = self.start_us + self.num_samples * SECOND_US // SAMPLE_RATE_HZ
        return np.flatnonzero(pairs.has_whole_second(self.frame_us, start_us=self.start_us, end_us=end_us))

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
    of_row: Callable[[int], np.random.Generator],
    rows: Sequence[int],
) -> list[Draw]:
    """What the given rows are made of; each has its own random numbers."""
    draws = []
    for row in rows:
        rng = of_row(row)
        frame, change, second = _positive(outline, int(chosen[row]), config, rng)
        elsewhere = None
        if not config.negatives_on_grid:
            elsewhere = _anywhere(outline, int(chosen[partner[row]]), config, rng)
        draws.append(Draw(frame, change, second, elsewhere))
    return draws


def random_of_row(seed: int, step: int) -> Callable[[int], np.random.Generator]:
    """Of a step: the random numbers of each row."""
    return lambda row: np.random.default_rng([seed, _ROWS, step, row])


def drawn_change(height: int, width: int, augmentation: Augmentation, rng: np.random.Generator) -> PictureChange:
    """What happens to a picture of this height and width."""
    fraction = rng.uniform(augmentation.smallest_crop, augmentation.largest_crop)
    size = max(round(min(height, width) * fraction), 1)
    top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    mirrored = bool(rng.random() < 0.5)
    brightness = float(around(1, augmentation.brightness, rng))
    saturation = float(around(1, augmentation.saturation, rng))
    tint = around(1, augmentation.tint, rng, 3)
    if rng.random() < augmentation.grey:
        saturation = 0.0
    return PictureChange(top, left, size, mirrored, brightness, saturation, tint)


def around(middle: float, spread: float, rng: np.random.Generator, size: int | None = None) -> np.ndarray:
    """Uniform draws from middle - spread to middle + spread."""
    return np.asarray(rng.uniform(middle - spread, middle + spread, size), np.float32)


def _positive(
    outline: Callable[[int], ClipOutline], clip: int, config: TrainConfig, rng: np.random.Generator
) -> tuple[int, PictureChange, SecondDraw]:
    """A random moment, and its second, or one up to `misalignment_us` away."""
    it = outline(clip)
    frame = int(rng.choice(it.moments()))
    middle_us = int(it.frame_us[frame])
    if config.misalignment_us:
        near = it.times_us[np.abs(it.times_us - middle_us) <= config.misalignment_us]
        middle_us = int(rng.choice(near)) if near.size else middle_us
    change = drawn_change(it.height, it.width, config.augmentation, rng)
    loudness = float(around(1, config.augmentation.amplitude, rng))
    return frame, change, SecondDraw(clip, it.first_sample(middle_us), loudness)


def _anywhere(
    outline: Callable[[int], ClipOutline], clip: int, config: TrainConfig, rng: np.random.Generator
) -> SecondDraw:
    """A second cut anywhere in a clip."""
    first = int(rng.integers(outline(clip).num_samples - MOMENT_SAMPLES + 1))
    return SecondDraw(clip, first, float(around(1, config.augmentation.amplitude, rng)))
