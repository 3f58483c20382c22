"""Random changes to frames and sounds, so that a network learns things and not single recordings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from avsearch.front_end import FLOW_ZERO
from trainer.config import Augmentation, TrainConfig
from trainer.moments import Picture

_CURVES = 3  # cosines that a random equaliser is made of


@dataclass(frozen=True)
class SoundShake:
    """What happens to the log-spectrograms of a batch.

    `curve` (B, rows) float32 is added, as by an equaliser or another microphone; where `kept_rows` (B, rows) or
    `kept_columns` (B, columns) bool is false, nothing is left but the mean.
    """

    curve: torch.Tensor
    kept_rows: torch.Tensor
    kept_columns: torch.Tensor

    def to(self, device: torch.device) -> SoundShake:
        return SoundShake(*(part.to(device) for part in (self.curve, self.kept_rows, self.kept_columns)))

    def rows(self, rows: slice) -> SoundShake:
        """What happens to some of the sounds."""
        return SoundShake(self.curve[rows], self.kept_rows[rows], self.kept_columns[rows])

    def apply(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) standardised -> the same, changed."""
        kept = self.kept_rows[:, None, :, None] & self.kept_columns[:, None, None, :]
        return (spectrograms + self.curve[:, None, :, None]) * kept


def sound_shake(count: int, config: TrainConfig, rng: np.random.Generator) -> SoundShake | None:
    """Draw what happens to a batch of sounds; None where the recipe leaves them alone.

    Masks of rows and columns are SpecAugment's (Park et al. 2019), one of each for every sound.
    """
    augmentation, front_end = config.augmentation, config.front_end
    if not augmentation.equaliser and not augmentation.mask:
        return None
    rows = np.linspace(0, 1, front_end.num_rows)
    strength = rng.normal(0, augmentation.equaliser / front_end.log_std, (count, _CURVES, 1))
    waves = np.cos(
        np.pi * (np.arange(_CURVES)[:, None] + 1) * rows + rng.uniform(0, 2 * np.pi, (count, _CURVES, 1))
    )
    return SoundShake(
        curve=torch.from_numpy((strength * waves).sum(axis=1).astype(np.float32)),
        kept_rows=torch.from_numpy(~_stretches(count, front_end.num_rows, augmentation.mask, rng)),
        kept_columns=torch.from_numpy(~_stretches(count, front_end.num_columns, augmentation.mask, rng)),
    )


def augmented_picture(picture: Picture, config: TrainConfig, rng: np.random.Generator) -> np.ndarray:
    """A picture -> a row of a batch, of the side asked for: a random square, perhaps mirrored, colours shaken.

    All frames of a moment are changed alike, and the flow with them, except that it has no colours.
    """
    augmentation, side = config.augmentation, config.front_end.image_side
    square = _random_square(picture, augmentation, rng)
    if square.frames.shape[1] != side:
        square = _resized(square, side)
    if rng.random() < 0.5:
        square = square.mirrored()
    return replace(square, frames=_shaken_colours(square.frames, augmentation, rng)).stacked()


def around(middle: float, spread: float, rng: np.random.Generator, size: int | None = None) -> np.ndarray:
    """Uniform draws from middle - spread to middle + spread."""
    return np.asarray(rng.uniform(middle - spread, middle + spread, size), np.float32)


def _shaken_colours(frames: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    brightness = around(1, augmentation.brightness, rng)
    saturation = around(1, augmentation.saturation, rng)
    tint = around(1, augmentation.tint, rng, 3)
    if rng.random() < augmentation.grey:
        saturation = np.zeros_like(saturation)
    pixels = np.moveaxis(frames, -1, 0).astype(np.float32, order="C")  # by colour: NumPy is slow along short rows
    pixels *= (brightness * tint)[:, None, None, None]
    grey = pixels.mean(axis=0)
    shaken: np.ndarray = np.clip(grey + (pixels - grey) * saturation, 0, 255).astype(np.uint8)
    return np.moveaxis(shaken, 0, -1)


def _stretches(count: int, length: int, largest: float, rng: np.random.Generator) -> np.ndarray:
    """(count, length) bool: in each row one stretch, up to `largest` of the length, is true."""
    size = rng.uniform(0, largest * length, (count, 1))
    start = rng.uniform(0, length - size)
    positions = np.arange(length)
    return np.asarray((positions >= start) & (positions < start + size))


def _random_square(picture: Picture, augmentation: Augmentation, rng: np.random.Generator) -> Picture:
    height, width = picture.frames.shape[1:3]
    fraction = rng.uniform(augmentation.smallest_crop, augmentation.largest_crop)
    size = max(round(min(height, width) * fraction), 1)
    top, left = rng.integers(height - size + 1), rng.integers(width - size + 1)
    return picture.cut(int(top), int(left), size)


def _resized(square: Picture, side: int) -> Picture:
    """Scaled to a side; a movement is as much longer or shorter, in pixels, as the picture."""
    frames = _scaled(square.frames, side)
    if square.flow is None:
        return Picture(frames)
    scale = side / square.frames.shape[1]
    moved = (_scaled(square.flow, side).astype(np.float32) - FLOW_ZERO) * scale
    return Picture(frames, np.clip(np.round(moved + FLOW_ZERO), 0, 255).astype(np.uint8))


def _scaled(pixels: np.ndarray, side: int) -> np.ndarray:
    """(N, H, W, C) uint8 -> (N, side, side, C) uint8."""
    tensor = torch.from_numpy(np.array(pixels, order="C")).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(tensor, size=(side, side), mode="bilinear", antialias=True)
    scaled: np.ndarray = resized.permute(0, 2, 3, 1).numpy()
    return scaled
