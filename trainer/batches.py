"""Batches of random frames and their seconds, augmented; rows have random numbers of their own. Torch and NumPy."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from trainer.augmentation import PictureShake, SoundShake, picture_shake, sound_shake
from trainer.config import TrainConfig
from trainer.draws import ClipOutline, Draw, drawn_batch, drawn_rows, random_of_row


@dataclass(frozen=True)
class Batch:
    """One positive pair of each of B draws.

    `frames` (B, ...) uint8, rows as `trainer.moments.Picture.stacked` says; `sounds` (B, 48000) float32; `media`
    (B,) int64, equal for clips of one video; `partner` (B,) int64: whose sound makes a negative of each frame.
    `negative_sounds` (B, 48000) float32 is there where negatives are not cut as positives are: then it holds the
    negative of each frame, a second of its partner's clip, and `sounds[partner]` is not used.

    Where several processes share a batch, B counts the rows of this one, and `partner` those of the whole batch.
    """

    frames: torch.Tensor
    sounds: torch.Tensor
    media: torch.Tensor
    partner: torch.Tensor
    shake: SoundShake | None = None
    picture_shake: PictureShake | None = None
    negative_sounds: torch.Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        return Batch(
            frames=self.frames.to(device),
            sounds=self.sounds.to(device),
            media=self.media.to(device),
            partner=self.partner.to(device),
            shake=self.shake and self.shake.to(device),
            picture_shake=self.picture_shake and self.picture_shake.to(device),
            negative_sounds=None if self.negative_sounds is None else self.negative_sounds.to(device),
        )


class Rendered(NamedTuple):
    """The pictures and sounds of a batch, as `Batch` has them."""

    frames: torch.Tensor
    sounds: torch.Tensor
    negative_sounds: torch.Tensor | None


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
    of_row = random_of_row(seed, step)
    draws = drawn_rows(clips.outline, chosen, partner, config, of_row, range(rows.start, rows.stop))
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
