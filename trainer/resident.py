"""Clips in the memory of the training device, and batches cut out of it there. Needs torch and NumPy alone.

Where all clips fit into a GPU's memory, its processor needs neither read nor change pixels: it draws, and the GPU
renders the draws. A frame or a second is the one that `trainer.dataset.Clips` would give, but for the smoothing
of crops that are scaled down (to less than 0.9 of their side in no recipe).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from avsearch.front_end import MOMENT_SAMPLES
from trainer.batches import Rendered
from trainer.config import TrainConfig
from trainer.draws import ClipOutline, Draw, SecondDraw
from trainer.moments import ClipArrays, outline

_ROWS = 256  # rendered at once: each needs three numbers of 8 bytes a pixel on the way
_INT16 = 32767.0


@dataclass(frozen=True)
class ResidentClips:
    """Clips of single frames on a device.

    Attributes:
        media: (N,) int64 numbers their videos.
        outlines: of each clip.
        pixels: (P, 3) uint8, the pixels of all frames, row by row, on the device.
        samples: (S,) int16, all sounds, on the device.
        first_pixel: (N,) int64, where each clip's pixels begin.
        first_sample: (N,) int64, where its sound begins.
    """

    media: np.ndarray
    outlines: Sequence[ClipOutline]
    pixels: torch.Tensor
    samples: torch.Tensor
    first_pixel: np.ndarray
    first_sample: np.ndarray

    @classmethod
    def of(cls, clips: Iterable[ClipArrays], media: np.ndarray, device: torch.device) -> ResidentClips:
        """Bring clips to a device, one after the other; they have no flow."""
        outlines, pixels, samples = [], [], []
        for arrays in clips:
            outlines.append(outline(arrays).apart())
            pixels.append(torch.from_numpy(np.array(arrays.frames)).reshape(-1, 3).to(device))
            samples.append(torch.from_numpy(np.array(arrays.sound)).to(device))
        return cls(
            media,
            outlines,
            torch.cat(pixels),
            torch.cat(samples),
            _starts([len(part) for part in pixels]),
            _starts([len(part) for part in samples]),
        )

    def outline(self, number: int) -> ClipOutline:
        """What drawing from a clip has to know of it."""
        return self.outlines[number]

    def render(self, draws: Sequence[Draw], config: TrainConfig) -> Rendered:
        """Cut and change what was drawn, on the device."""
        side = config.front_end.image_side
        parts = [draws[first : first + _ROWS] for first in range(0, len(draws), _ROWS)]
        negatives = [draw.elsewhere for draw in draws if draw.elsewhere is not None]
        return Rendered(
            torch.cat([self._pictures(part, side) for part in parts]),
            self._seconds([draw.second for draw in draws]),
            self._seconds(negatives) if negatives else None,
        )

    def _pictures(self, draws: Sequence[Draw], side: int) -> torch.Tensor:
        """(B, side, side, 3) uint8."""
        changes = [draw.change for draw in draws]
        places = (np.arange(side) + 0.5) / side  # of the middles of the pixels asked for, in the square
        sizes = np.array([change.size for change in changes])
        rows = np.array([change.top for change in changes])[:, None], places
        columns = np.array([change.left for change in changes])[:, None], places
        mirrored = np.array([change.mirrored for change in changes])[:, None]
        columns = columns[0], np.where(mirrored, 1 - places, places)
        if (sizes == side).all():
            pixels = self._taken(draws, _nearest(*rows, sizes), _nearest(*columns, sizes)).float()
        else:
            pixels = self._between(draws, _around(*rows, sizes), _around(*columns, sizes))
        return self._shaken(pixels, draws).to(torch.uint8)

    def _taken(self, draws: Sequence[Draw], rows: np.ndarray, columns: np.ndarray) -> torch.Tensor:
        """(B, side) rows and (B, side) columns of each frame -> (B, side, side, 3) uint8."""
        outlines = [self.outlines[draw.clip] for draw in draws]
        widths = np.array([it.width for it in outlines])
        frames = np.array([draw.frame * it.height * it.width for draw, it in zip(draws, outlines, strict=True)])
        starts = self.first_pixel[[draw.clip for draw in draws]] + frames
        first = self._here(starts[:, None] + rows * widths[:, None])
        taken: torch.Tensor = self.pixels[first[:, :, None] + self._here(columns)[:, None, :]]
        return taken

    def _between(
        self, draws: Sequence[Draw], rows: tuple[np.ndarray, ...], columns: tuple[np.ndarray, ...]
    ) -> torch.Tensor:
        """Pixels between pixels, each the mean of four by nearness: (B, side, side, 3) float32."""
        (above, below, down), (left, right, across) = rows, columns
        x = self._here(across.astype(np.float32))[:, None, :, None]
        y = self._here(down.astype(np.float32))[:, :, None, None]
        upper = torch.lerp(self._taken(draws, above, left).float(), self._taken(draws, above, right).float(), x)
        lower = torch.lerp(self._taken(draws, below, left).float(), self._taken(draws, below, right).float(), x)
        return torch.lerp(upper, lower, y).round()

    def _shaken(self, pixels: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
        """(B, side, side, 3) float32 with the colours of each picture shaken, 0 to 255."""
        light = np.stack([draw.change.brightness * draw.change.tint for draw in draws]).astype(np.float32)
        saturation = np.array([draw.change.saturation for draw in draws], np.float32)
        pixels = pixels * self._here(light)[:, None, None, :]
        grey = pixels.mean(dim=3, keepdim=True)
        return (grey + (pixels - grey) * self._here(saturation)[:, None, None, None]).clamp_(0, 255)

    def _seconds(self, seconds: Sequence[SecondDraw]) -> torch.Tensor:
        """(B, 48000) float32."""
        starts = self.first_sample[[second.clip for second in seconds]]
        first = self._here(starts + np.array([second.first for second in seconds]))
        loudness = self._here(np.array([second.loudness for second in seconds], np.float32))
        steps = torch.arange(MOMENT_SAMPLES, device=self.samples.device)
        taken = [self.samples[part[:, None] + steps] for part in torch.split(first, _ROWS)]
        return torch.cat(taken).float() / _INT16 * loudness[:, None]

    def _here(self, numbers: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(numbers).to(self.pixels.device)


def _starts(sizes: Sequence[int]) -> np.ndarray:
    """Where each of several things begins that lie behind one another."""
    return np.cumsum([0, *sizes[:-1]]).astype(np.int64)


def _nearest(first: np.ndarray, places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(B, 1) where squares begin, places in them from 0 to 1 -> (B, side) int64: the pixels there."""
    return np.asarray(first + np.floor(places * sizes[:, None]).astype(np.int64))


def _around(first: np.ndarray, places: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same -> (B, side) of the pixel before, of the one behind, and how far the place lies between them."""
    exact = np.clip(places * sizes[:, None] - 0.5, 0, sizes[:, None] - 1)
    before = np.floor(exact).astype(np.int64)
    behind = np.minimum(before + 1, sizes[:, None] - 1)
    return first + before, first + behind, exact - before
