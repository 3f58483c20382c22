"""Batches of random frames and their seconds, augmented; rows have random numbers of their own. Torch and NumPy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from trainer.augmentation import PictureShake, SoundShake, picture_shake, sound_shake
from trainer.config import TrainConfig
from trainer.draws import ClipOutline, Draw, drawn_batch, drawn_rows, random_numbers


@dataclass(frozen=True)
class Pairs:
    """Frames and their seconds.

    `frames` (B, ...) uint8, rows as `trainer.moments.Picture.stacked` says; `sounds` (B, 48000) float32; `media`
    (B,) int64, equal for clips of one video.
    """

    frames: torch.Tensor
    sounds: torch.Tensor
    media: torch.Tensor


@dataclass(frozen=True)
class Batch(Pairs):
    """One positive pair of each of B draws.

    `partner` (B,) int64: whose sound makes a negative of each frame. `negative_sounds` (B, 48000) float32 is there
    where negatives are not cut as positives are: then it holds the negative of each frame, a second of its
    partner's clip, and `sounds[partner]` is not used.

    Where several processes share a batch, B counts the rows of this one, and `partner` those of the whole batch.
    """

    partner: torch.Tensor
    shake: SoundShake | None = None
    picture_shake: PictureShake | None = None
    negative_sounds: torch.Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """On a device; from pinned memory the copies go on beside what the processor does next."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        return Batch(
            frames=change(self.frames),
            sounds=change(self.sounds),
            media=change(self.media),
            partner=change(self.partner),
            shake=self.shake and self.shake.each(change),
            picture_shake=self.picture_shake and self.picture_shake.each(change),
            negative_sounds=None if self.negative_sounds is None else change(self.negative_sounds),
        )


class Rendered(NamedTuple):
    """The pictures and sounds of a batch, as `Batch` has them."""

    frames: torch.Tensor
    sounds: torch.Tensor
    negative_sounds: torch.Tensor | None


@dataclass(frozen=True)
class PinnedClips:
    """Clips whose rendered pictures and sounds lie in memory that a GPU reads by itself."""

    clips: ClipSource

    @property
    def media(self) -> np.ndarray:
        return self.clips.media

    def outline(self, number: int) -> ClipOutline:
        """What drawing from a clip has to know of it."""
        return self.clips.outline(number)

    def render(self, draws: Sequence[Draw], config: TrainConfig) -> Rendered:
        """As the clips do."""
        frames, sounds, negatives = self.clips.render(draws, config)
        return Rendered(
            frames.pin_memory(), sounds.pin_memory(), None if negatives is None else negatives.pin_memory()
        )


class ClipSource(Protocol):
    """Clips, wherever they lie; `media` (N,) int64 numbers their videos."""

    @property
    def media(self) -> np.ndarray: ...

    def outline(self, number: int) -> ClipOutline:
        """What drawing from a clip has to know of it."""

    def render(self, draws: Sequence[Draw], config: TrainConfig) -> Rendered:
        """Read, cut and change what was drawn."""


def training_batches(
    clips: ClipSource, config: TrainConfig, *, seed: int, steps: range, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """The batches of the given steps; each is a pure function of (clips, config, seed, step).

    Of `world` processes each gets a block of rows of the same batch, which they make up in the order of `rank`;
    blocks are of one size where `world` divides the batch. The next batch is made while the last one is trained on.
    """
    make = functools.partial(_training_batch, clips, config, seed, rank=rank, world=world)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = [pool.submit(make, step) for step in steps[:2]]
        for ahead in range(steps.start + 2, steps.stop + 2):
            yield pending.pop(0).result()
            if ahead < steps.stop:
                pending.append(pool.submit(make, ahead))


def _training_batch(
    clips: ClipSource, config: TrainConfig, seed: int, step: int, *, rank: int, world: int
) -> Batch:
    """The rows of one process; what concerns all rows is drawn by every process alike."""
    chosen, partner, rng = drawn_batch(clips.media, config, seed=seed, step=step)
    shake, shake_pictures = sound_shake(len(chosen), config, rng), picture_shake(len(chosen), config, rng)
    rows = slice(len(chosen) * rank // world, len(chosen) * (rank + 1) // world)
    numbers = random_numbers(len(chosen), seed=seed, step=step)
    draws = drawn_rows(clips.outline, chosen, partner, config, numbers, range(rows.start, rows.stop))
    rendered = clips.render(draws, config)
    return Batch(
        frames=rendered.frames,
        sounds=rendered.sounds,
        media=torch.from_numpy(clips.media[chosen[rows]]),
        partner=torch.from_numpy(partner[rows]),
        shake=shake and shake.rows(rows),
        picture_shake=shake_pictures and shake_pictures.rows(rows),
        negative_sounds=rendered.negative_sounds,
    )
