"""Random changes to frames and sounds, so that a network learns things and not single recordings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from avsearch.front_end import FLOW_ZERO
from trainer.config import SMALLEST_ERASED, TrainConfig
from trainer.draws import PictureChange
from trainer.moments import Picture

_CURVES = 3  # cosines that a random equaliser is made of


@dataclass(frozen=True)
class SoundShake:
    """What happens to the log-spectrograms of a batch.

    `curve` (B, rows) float32 is added, as by an equaliser or another microphone; where `kept_rows` (B, rows) or
    `kept_columns` (B, columns) bool is false, nothing is left but the mean. Then all rows move up by `moved` (B,)
    int64; those that leave at the end come in at the beginning.
    """

    curve: torch.Tensor
    kept_rows: torch.Tensor
    kept_columns: torch.Tensor
    moved: torch.Tensor

    def each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> SoundShake:
        """The same of changed tensors, such as those on another device."""
        return SoundShake(*map(change, (self.curve, self.kept_rows, self.kept_columns, self.moved)))

    def rows(self, rows: slice) -> SoundShake:
        """What happens to some of the sounds."""
        return SoundShake(self.curve[rows], self.kept_rows[rows], self.kept_columns[rows], self.moved[rows])

    def apply(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) standardised -> the same, changed."""
        kept = self.kept_rows[:, None, :, None] & self.kept_columns[:, None, None, :]
        shaken = (spectrograms + self.curve[:, None, :, None]) * kept
        count, _, rows, columns = shaken.shape
        source = (torch.arange(rows, device=shaken.device) - self.moved[:, None]) % rows
        return shaken.gather(2, source[:, None, :, None].expand(count, 1, rows, columns))


@dataclass(frozen=True)
class PictureShake:
    """What happens to the standardised pictures of a batch, all frames of a moment alike.

    They are turned about their middle by `angle` (B,) float32, radians, with what lies outside mirrored in; then
    `erased` (B, 4) float32, top, bottom, left and right as fractions of the sides, is set to the mean.
    """

    angle: torch.Tensor
    erased: torch.Tensor

    def each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> PictureShake:
        """The same of changed tensors, such as those on another device."""
        return PictureShake(change(self.angle), change(self.erased))

    def rows(self, rows: slice) -> PictureShake:
        """What happens to some of the pictures."""
        return PictureShake(self.angle[rows], self.erased[rows])

    def apply(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, ..., height, width) standardised, as `features.image_tensor` makes them -> the same, changed."""
        flat = pictures.reshape(len(pictures), -1, *pictures.shape[-2:])
        if self.angle.any():
            flat = _turned(flat, self.angle)
        top, bottom, left, right = self.erased[:, :, None].unbind(1)
        rows, columns = (_middles(size, flat.device) for size in flat.shape[-2:])
        erased = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
        return flat.masked_fill(erased[:, None], 0).view(pictures.shape)


def sound_shake(count: int, config: TrainConfig, rng: np.random.Generator) -> SoundShake | None:
    """Draw what happens to a batch of sounds; None where the recipe leaves them alone.

    Masks of rows and columns are SpecAugment's (Park et al. 2019), one of each for every sound.
    """
    augmentation, front_end = config.augmentation, config.front_end
    if not augmentation.equaliser and not augmentation.mask and not augmentation.pitch:
        return None
    rows = np.linspace(0, 1, front_end.num_rows)
    furthest = round(augmentation.pitch * front_end.num_rows)
    strength = rng.normal(0, augmentation.equaliser / front_end.log_std, (count, _CURVES, 1))
    waves = np.cos(
        np.pi * (np.arange(_CURVES)[:, None] + 1) * rows + rng.uniform(0, 2 * np.pi, (count, _CURVES, 1))
    )
    return SoundShake(
        curve=torch.from_numpy((strength * waves).sum(axis=1).astype(np.float32)),
        kept_rows=torch.from_numpy(~_stretches(count, front_end.num_rows, augmentation.mask, rng)),
        kept_columns=torch.from_numpy(~_stretches(count, front_end.num_columns, augmentation.mask, rng)),
        moved=torch.from_numpy(rng.integers(-furthest, furthest, count, endpoint=True)),
    )


def picture_shake(count: int, config: TrainConfig, rng: np.random.Generator) -> PictureShake | None:
    """Draw what happens to a batch of pictures; None where the recipe leaves them alone.

    Erasing is as in "Random Erasing Data Augmentation" (Zhong et al. 2020), with probability one half.
    """
    augmentation = config.augmentation
    if not augmentation.rotation and not augmentation.erase:
        return None
    angle = np.radians(rng.uniform(-augmentation.rotation, augmentation.rotation, count))
    sizes = rng.uniform(min(SMALLEST_ERASED, augmentation.erase), augmentation.erase, (count, 2))
    sizes *= rng.random((count, 1)) < 0.5
    starts = rng.uniform(0, 1 - sizes)
    erased = np.stack([starts, starts + sizes], axis=2).reshape(count, 4)
    return PictureShake(torch.from_numpy(angle.astype(np.float32)), torch.from_numpy(erased.astype(np.float32)))


def changed(picture: Picture, change: PictureChange, side: int) -> np.ndarray:
    """A picture -> a row of a batch, of the side asked for.

    All frames of a moment are changed alike, and the flow with them, except that it has no colours.
    """
    square = picture.cut(change.top, change.left, change.size)
    if change.size != side:
        square = _resized(square, side)
    if change.mirrored:
        square = square.mirrored()
    return replace(square, frames=_shaken_colours(square.frames, change)).stacked()


def _turned(pictures: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) pictures and (B,) radians, clockwise -> the same shape; bilinear."""
    none = torch.zeros_like(angle)
    across = torch.stack([angle.cos(), angle.sin(), none], dim=1)
    down = torch.stack([-angle.sin(), angle.cos(), none], dim=1)
    grid = nn.functional.affine_grid(torch.stack([across, down], dim=1), list(pictures.shape), align_corners=False)
    return nn.functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def _middles(size: int, device: torch.device) -> torch.Tensor:
    """(size,) where pixels have their middles, from 0 to 1."""
    return (torch.arange(size, device=device) + 0.5) / size


def _shaken_colours(frames: np.ndarray, change: PictureChange) -> np.ndarray:
    pixels = np.moveaxis(frames, -1, 0).astype(np.float32, order="C")  # by colour: NumPy is slow along short rows
    pixels *= (change.brightness * change.tint)[:, None, None, None]
    grey = pixels.mean(axis=0)
    shaken: np.ndarray = np.clip(grey + (pixels - grey) * change.saturation, 0, 255).astype(np.uint8)
    return np.moveaxis(shaken, 0, -1)


def _stretches(count: int, length: int, largest: float, rng: np.random.Generator) -> np.ndarray:
    """(count, length) bool: in each row one stretch, up to `largest` of the length, is true."""
    size = rng.uniform(0, largest * length, (count, 1))
    start = rng.uniform(0, length - size)
    positions = np.arange(length)
    return np.asarray((positions >= start) & (positions < start + size))


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
    resized = nn.functional.interpolate(tensor, size=(side, side), mode="bilinear", antialias=True)
    scaled: np.ndarray = resized.permute(0, 2, 3, 1).numpy()
    return scaled
