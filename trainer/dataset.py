"""From cached clips to batches: one random frame and its second of each clip, augmented."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from avsearch import media, pairs
from avsearch.features import centre_square
from avsearch.front_end import MOMENT_SAMPLES, FrontEnd
from trainer.cache import CachedClip
from trainer.config import Augmentation, TrainConfig

_OPEN_FILES = 256
_INT16 = 32767.0


@dataclass(frozen=True)
class Batch:
    """One positive pair of each of B clips.

    `frames` (B, side, side, 3) uint8; `sounds` (B, 48000) float32; `media` (B,) int64, equal for clips of one
    video; `partner` (B,) int64: whose sound makes a negative of each frame.
    """

    frames: torch.Tensor
    sounds: torch.Tensor
    media: torch.Tensor
    partner: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(part.to(device) for part in (self.frames, self.sounds, self.media, self.partner)))


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


def training_batches(clips: Clips, config: TrainConfig, *, seed: int, steps: range) -> Iterator[Batch]:
    """The batches of the given steps; each is a pure function of (clips, config, seed, step).

    The next batch is made while the last one is trained on.
    """
    make = functools.partial(_training_batch, clips, config, seed)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = [pool.submit(make, step) for step in steps[:2]]
        for ahead in range(steps.start + 2, steps.stop + 2):
            yield pending.pop(0).result()
            if ahead < steps.stop:
                pending.append(pool.submit(make, ahead))


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
        frames.append(_augmented_frame(frame, config, rng))
        sounds.append(sound * np.float32(rng.uniform(*_around(1, config.augmentation.amplitude))))
    return _batch(frames, sounds, clips.media[chosen], rng)


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


def _augmented_frame(frame: np.ndarray, config: TrainConfig, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 -> (side, side, 3) uint8: a random square, perhaps mirrored, its colours shaken."""
    augmentation, side = config.augmentation, config.front_end.image_side
    square = _random_square(frame, augmentation, rng)
    if square.shape[0] != side:
        square = _resized(square, side)
    if rng.random() < 0.5:
        square = square[:, ::-1]
    brightness = np.float32(rng.uniform(*_around(1, augmentation.brightness)))
    saturation = np.float32(rng.uniform(*_around(1, augmentation.saturation)))
    pixels = square.astype(np.float32) * brightness
    grey = pixels.mean(axis=2, keepdims=True)
    shaken: np.ndarray = np.clip(grey + (pixels - grey) * saturation, 0, 255).astype(np.uint8)
    return shaken


def _random_square(frame: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    height, width, _ = frame.shape
    fraction = rng.uniform(augmentation.smallest_crop, augmentation.largest_crop)
    size = max(round(min(height, width) * fraction), 1)
    top, left = rng.integers(height - size + 1), rng.integers(width - size + 1)
    return frame[top : top + size, left : left + size]


def _resized(square: np.ndarray, side: int) -> np.ndarray:
    tensor = torch.from_numpy(np.ascontiguousarray(square)).permute(2, 0, 1).unsqueeze(0)
    resized = torch.nn.functional.interpolate(tensor, size=(side, side), mode="bilinear", antialias=True)
    pixels: np.ndarray = resized[0].permute(1, 2, 0).numpy()
    return pixels


def _around(middle: float, spread: float) -> tuple[float, float]:
    return middle - spread, middle + spread
