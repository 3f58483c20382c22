"""From cached clips to batches: one random frame and its second of each clip, augmented."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from avsearch import media, pairs
from avsearch.front_end import MOMENT_SAMPLES, FrontEnd, centre_square
from trainer.augmentation import SoundShake, around, augmented_frame, sound_shake
from trainer.cache import CachedClip
from trainer.config import TrainConfig

_OPEN_FILES = 256
_INT16 = 32767.0


@dataclass(frozen=True)
class Batch:
    """One positive pair of each of B clips.

    `frames` (B, side, side, 3) uint8; `sounds` (B, 48000) float32; `media` (B,) int64, equal for clips of one
    video; `partner` (B,) int64: whose sound makes a negative of each frame. `negative_sounds` (B, 48000) float32
    are the negatives where they are nobody's true second.
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
    """Clips of one split; `media` (N,) int64 numbers their videos."""

    clips: Sequence[CachedClip]
    media: np.ndarray

    @classmethod
    def of(cls, clips: Sequence[CachedClip]) -> Clips:
        _, media_numbers = np.unique([clip.content_hash for clip in clips], return_inverse=True)
        return cls(clips, media_numbers.astype(np.int64))

    @property
    def num_media(self) -> int:
        return len(np.unique(self.media))


def training_batches(
    clips: Clips, config: TrainConfig, *, seed: int, steps: range, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """The batches of the given steps; each is a pure function of (clips, config, seed, step).

    The next batch is made while the last one is trained on.
    """

    def make(step: int) -> Batch:
        return _rows_of_rank(_training_batch(clips, config, seed, step), rank, world)

    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = [pool.submit(make, step) for step in steps[:2]]
        for ahead in range(steps.start + 2, steps.stop + 2):
            yield pending.pop(0).result()
            if ahead < steps.stop:
                pending.append(pool.submit(make, ahead))


def sources_of_step(clips: Clips, config: TrainConfig, *, seed: int, step: int) -> list[Path]:
    """The files that the batch of a step was made of."""
    size = min(config.batch_size, len(clips.clips))
    chosen = pairs.batch_clips(len(clips.clips), batch_size=size, step=step, seed=seed)
    return [clips.clips[number].source for number in chosen]


def _rows_of_rank(batch: Batch, rank: int, world: int) -> Batch:
    size = len(batch.media) // world
    rows = slice(rank * size, (rank + 1) * size)
    shake = batch.shake
    return Batch(
        batch.frames[rows],
        batch.sounds[rows],
        batch.media[rows],
        batch.partner[rows],
        shake and SoundShake(shake.curve[rows], shake.kept_rows[rows], shake.kept_columns[rows]),
    )


def validation_pairs(clips: Clips, front_end: FrontEnd, *, pairs_per_clip: int) -> Batch:
    """Evenly spaced frames of each clip with their seconds, without augmentation: (B, ...) all at once."""
    frames, sounds, numbers = [], [], []
    for clip, number in zip(clips.clips, clips.media, strict=True):
        count = _num_frames(clip)
        for index in np.unique(np.linspace(0, count - 1, pairs_per_clip).astype(int)):
            frame, sound = _read_pair(clip, int(index))
            frames.append(centre_square(frame, front_end))
            sounds.append(sound)
            numbers.append(int(number))
    return _batch(frames, sounds, np.array(numbers), np.random.default_rng(0))


def middle_seconds(clips: Sequence[CachedClip]) -> torch.Tensor:
    """The second of sound around the middle frame of each clip: (len(clips), 48000) float32."""
    return torch.from_numpy(np.stack([_read_pair(clip, _num_frames(clip) // 2)[1] for clip in clips]))


def _training_batch(clips: Clips, config: TrainConfig, seed: int, step: int) -> Batch:
    rng = np.random.default_rng([seed, step])
    size = min(config.batch_size, len(clips.clips))
    chosen = pairs.batch_clips(len(clips.clips), batch_size=size, step=step, seed=seed)
    frames, sounds = [], []
    for number in chosen:
        clip = clips.clips[number]
        frame, sound = _read_pair(clip, int(rng.integers(_num_frames(clip))))
        frames.append(augmented_frame(frame, config, rng))
        sounds.append(sound * np.float32(around(1, config.augmentation.amplitude, rng)))
    batch = _batch(frames, sounds, clips.media[chosen], rng)
    return replace(batch, shake=sound_shake(len(chosen), config, rng))


def _batch(
    frames: list[np.ndarray], sounds: list[np.ndarray], numbers: np.ndarray, rng: np.random.Generator
) -> Batch:
    return Batch(
        frames=torch.from_numpy(np.stack(frames)),
        sounds=torch.from_numpy(np.stack(sounds)),
        media=torch.from_numpy(numbers),
        partner=torch.from_numpy(pairs.negative_partners(numbers, rng)),
    )


def _read_pair(clip: CachedClip, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame `index` of a clip (H, W, 3) uint8 and the second of sound around it (48000,) float32."""
    file = _open(clip.path)
    frame_us = int(file.get_slice("frame_us")[index : index + 1][0])
    start_us, _ = pairs.centred_second(frame_us)
    first = media.num_samples(start_us - int(file.get_tensor("sound_start_us")[0]))
    length = file.get_slice("sound").get_shape()[0]
    first = min(first, length - MOMENT_SAMPLES)  # rounding may point one sample past the end
    sound = file.get_slice("sound")[first : first + MOMENT_SAMPLES]
    return file.get_slice("frames")[index : index + 1][0], sound.astype(np.float32) / _INT16


def _num_frames(clip: CachedClip) -> int:
    count: int = _open(clip.path).get_slice("frame_us").get_shape()[0]
    return count


@functools.lru_cache(maxsize=_OPEN_FILES)
def _open(path: Path) -> Any:  # noqa: ANN401  (safetensors gives its files no types)
    """A cached clip, mapped: slices of it read only their own bytes."""
    return safe_open(path, framework="np")
