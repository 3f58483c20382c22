"""Clips of the cache: drawn from for training, evenly looked at for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from avsearch.front_end import MOMENT_SAMPLES, FrontEnd
from trainer.augmentation import changed
from trainer.batches import Pairs, Rendered
from trainer.cache import CachedClip
from trainer.config import TrainConfig
from trainer.draws import ClipOutline, Draw, SecondDraw, drawn_clips
from trainer.moments import ClipArrays, middle_picture, outline, picture, second_around, second_at

_OUTLINES_KEPT = 8192


@dataclass(frozen=True)
class Clips:
    """Clips of one split; `media` (N,) int64 numbers their videos, `checked` (N,) bool: read whole in this run."""

    clips: Sequence[CachedClip]
    media: np.ndarray
    checked: np.ndarray
    outlines: dict[int, ClipOutline] = field(default_factory=dict, compare=False)

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

    def outline(self, number: int) -> ClipOutline:
        """What drawing from a clip has to know of it; kept for as many clips as take some ten megabytes."""
        found = self.outlines.get(number)
        if found is None:
            found = outline(self.read(number)).apart()
            if len(self.outlines) < _OUTLINES_KEPT:
                self.outlines[number] = found
        return found

    def render(self, draws: Sequence[Draw], config: TrainConfig) -> Rendered:
        """Read, cut and change what was drawn, on the CPU, row by row."""
        frames, sounds, negatives = [], [], []
        for draw in draws:
            arrays = self.read(draw.clip)
            shown = picture(arrays, draw.frame, config.front_end)
            frames.append(changed(shown, draw.change, config.front_end.image_side))
            sounds.append(_loud(arrays, draw.second))
            if draw.elsewhere is not None:
                negatives.append(_loud(self.read(draw.elsewhere.clip), draw.elsewhere))
        return Rendered(
            torch.from_numpy(np.stack(frames)),
            torch.from_numpy(np.stack(sounds)),
            torch.from_numpy(np.stack(negatives)) if negatives else None,
        )


def sources_of_step(clips: Clips, config: TrainConfig, *, seed: int, step: int) -> list[Path]:
    """The files that the batch of a step was made of."""
    chosen, _ = drawn_clips(clips.media, config, seed=seed, step=step)
    return [clips.clips[number].source for number in chosen]


def validation_pairs(clips: Clips, front_end: FrontEnd, *, pairs_per_clip: int, on_grid: bool = True) -> Pairs:
    """Evenly spaced frames of each clip with their seconds, without augmentation: (B, ...) all at once.

    With `on_grid=False` the same frames come with seconds cut anywhere in their clips: what a network says of those
    tells whether it listens to the cut.
    """
    frames, sounds, numbers = [], [], []
    rng = np.random.default_rng(0)
    for number in range(len(clips.clips)):
        arrays = clips.read(number)
        moments = outline(arrays).moments
        for place in np.unique(np.linspace(0, len(moments) - 1, pairs_per_clip).astype(int)):
            index = int(moments[place])
            anywhere = second_at(arrays, int(rng.integers(arrays.sound.size - MOMENT_SAMPLES + 1)))
            frames.append(middle_picture(arrays, index, front_end))
            sounds.append(second_around(arrays, int(arrays.frame_us[index])) if on_grid else anywhere)
            numbers.append(int(clips.media[number]))
    return Pairs(
        frames=torch.from_numpy(np.stack(frames)),
        sounds=torch.from_numpy(np.stack(sounds)),
        media=torch.tensor(numbers),
    )


def evenly_chosen(clips: Sequence[CachedClip], most: int) -> list[CachedClip]:
    """All of a few clips, else as many spread over them: a manifest may be in the order of its classes."""
    if len(clips) <= most:
        return list(clips)
    return [clips[int(index)] for index in np.linspace(0, len(clips) - 1, most)]


def middle_seconds(clips: Clips, numbers: Sequence[int]) -> torch.Tensor:
    """The second of sound around the middle frame of each of these clips: (len(numbers), 48000) float32."""
    seconds = []
    for number in numbers:
        arrays = clips.read(number)
        moments_us = arrays.frame_us[outline(arrays).moments]
        seconds.append(second_around(arrays, int(moments_us[len(moments_us) // 2])))
    return torch.from_numpy(np.stack(seconds))


def _loud(arrays: ClipArrays, second: SecondDraw) -> np.ndarray:
    loud: np.ndarray = second_at(arrays, second.first) * np.float32(second.loudness)
    return loud
