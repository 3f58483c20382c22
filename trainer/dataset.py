"""From cached clips to batches: random frames and their seconds, augmented; each row has its own random numbers."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from avsearch import pairs
from avsearch.front_end import MOMENT_SAMPLES, FrontEnd
from trainer.augmentation import SoundShake, around, augmented_picture, sound_shake
from trainer.cache import CachedClip
from trainer.config import TrainConfig
from trainer.moments import is_moment, middle_picture, picture, second_around, second_at
from trainer.records import ClipArrays

_PARTNERS, _ROWS = 2, 3  # streams of random numbers beside the order of the clips (pairs.batch_clips)


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
    negative_sounds: torch.Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        return Batch(
            frames=self.frames.to(device),
            sounds=self.sounds.to(device),
            media=self.media.to(device),
            partner=self.partner.to(device),
            shake=self.shake and self.shake.to(device),
            negative_sounds=None if self.negative_sounds is None else self.negative_sounds.to(device),
        )


@dataclass(frozen=True)
class Clips:
    """Clips of one split; `media` (N,) int64 numbers their videos, `checked` (N,) bool: read whole in this run."""

    clips: Sequence[CachedClip]
    media: np.ndarray
    checked: np.ndarray

    @classmethod
    def of(cls, clips: Sequence[CachedClip]) -> Clips:
        numbers = {content: number for number, content in enumerate(sorted({clip.content_hash for clip in clips}))}
        media = np.fromiter((numbers[clip.content_hash] for clip in clips), np.int64, len(clips))
        return cls(clips, media, np.zeros(len(clips), bool))

    @property
    def num_media(self) -> int:
        return len(np.unique(self.media))

    def read(self, number: int) -> ClipArrays:
        """A clip, mapped; the first time its checksum is compared.

        Raises:
            TrainingError: it is damaged.
        """
        arrays = self.clips[number].record.read(check=not self.checked[number])
        self.checked[number] = True
        return arrays


def training_batches(
    clips: Clips, config: TrainConfig, *, seed: int, steps: range, rank: int = 0, world: int = 1
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


def sources_of_step(clips: Clips, config: TrainConfig, *, seed: int, step: int) -> list[Path]:
    """The files that the batch of a step was made of."""
    chosen, _ = _drawn(clips, config, seed, step, np.random.default_rng([seed, _PARTNERS, step]))
    return [clips.clips[number].source for number in chosen]


def validation_pairs(clips: Clips, front_end: FrontEnd, *, pairs_per_clip: int, on_grid: bool = True) -> Batch:
    """Evenly spaced frames of each clip with their seconds, without augmentation: (B, ...) all at once.

    With `on_grid=False` the same frames come with seconds cut anywhere in their clips: what a network says of those
    tells whether it listens to the cut.
    """
    frames, sounds, numbers = [], [], []
    rng = np.random.default_rng(0)
    for number in range(len(clips.clips)):
        arrays = clips.read(number)
        moments = np.flatnonzero(is_moment(arrays))
        for place in np.unique(np.linspace(0, len(moments) - 1, pairs_per_clip).astype(int)):
            index = int(moments[place])
            anywhere = second_at(arrays, int(rng.integers(arrays.sound.size - MOMENT_SAMPLES + 1)))
            frames.append(middle_picture(arrays, index, front_end))
            sounds.append(second_around(arrays, int(arrays.frame_us[index])) if on_grid else anywhere)
            numbers.append(int(clips.media[number]))
    media = np.array(numbers)
    return Batch(
        frames=torch.from_numpy(np.stack(frames)),
        sounds=torch.from_numpy(np.stack(sounds)),
        media=torch.from_numpy(media),
        partner=torch.from_numpy(pairs.negative_partners(media, np.random.default_rng(0))),
    )


def middle_seconds(clips: Clips, numbers: Sequence[int]) -> torch.Tensor:
    """The second of sound around the middle frame of each of these clips: (len(numbers), 48000) float32."""
    seconds = []
    for number in numbers:
        arrays = clips.read(number)
        moments_us = arrays.frame_us[is_moment(arrays)]
        seconds.append(second_around(arrays, int(moments_us[len(moments_us) // 2])))
    return torch.from_numpy(np.stack(seconds))


def _training_batch(clips: Clips, config: TrainConfig, seed: int, step: int, *, rank: int, world: int) -> Batch:
    """The rows of one process; what concerns all rows is drawn by every process alike."""
    rng = np.random.default_rng([seed, _PARTNERS, step])
    chosen, partner = _drawn(clips, config, seed, step, rng)
    shake = sound_shake(len(chosen), config, rng)
    rows = slice(len(chosen) * rank // world, len(chosen) * (rank + 1) // world)
    frames, sounds, negatives = [], [], []
    for row in range(rows.start, rows.stop):
        of_row = np.random.default_rng([seed, _ROWS, step, row])
        frame, sound = _pair(clips.read(chosen[row]), config, of_row)
        frames.append(frame)
        sounds.append(sound)
        if not config.negatives_on_grid:
            negatives.append(_second_anywhere(clips.read(chosen[partner[row]]), config, of_row))
    return Batch(
        frames=torch.from_numpy(np.stack(frames)),
        sounds=torch.from_numpy(np.stack(sounds)),
        media=torch.from_numpy(clips.media[chosen[rows]]),
        partner=torch.from_numpy(partner[rows]),
        shake=shake and shake.rows(rows),
        negative_sounds=torch.from_numpy(np.stack(negatives)) if negatives else None,
    )


def _drawn(
    clips: Clips, config: TrainConfig, seed: int, step: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(B,) clip numbers of a step and (B,) partners."""
    num_clips = len(clips.clips)
    chosen = pairs.batch_clips(
        num_clips,
        batch_size=config.rows(num_clips),
        step=step,
        seed=seed,
        pairs_per_clip=config.pairs_per_clip,
    )
    chosen = pairs.with_two_media(chosen, clips.media, rng)
    return chosen, pairs.negative_partners(clips.media[chosen], rng)


def _pair(arrays: ClipArrays, config: TrainConfig, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random moment: its picture, augmented, and its second, or one up to `misalignment_us` away."""
    index = int(rng.choice(np.flatnonzero(is_moment(arrays))))
    middle_us = int(arrays.frame_us[index])
    if config.misalignment_us:
        near = arrays.times_us[np.abs(arrays.times_us - middle_us) <= config.misalignment_us]
        middle_us = int(rng.choice(near)) if near.size else middle_us
    shown = augmented_picture(picture(arrays, index, config.front_end), config, rng)
    return shown, second_around(arrays, middle_us) * around(1, config.augmentation.amplitude, rng)


def _second_anywhere(arrays: ClipArrays, config: TrainConfig, rng: np.random.Generator) -> np.ndarray:
    first = int(rng.integers(arrays.sound.size - MOMENT_SAMPLES + 1))
    second: np.ndarray = second_at(arrays, first) * around(1, config.augmentation.amplitude, rng)
    return second
