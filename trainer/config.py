"""Every setting of a training run, frozen; it is stored in the weights file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from avsearch.front_end import FrontEnd

SMALLEST_ERASED = 0.1  # of a picture's side


class Objective(StrEnum):
    """What the network is asked to get right."""

    AVC = "avc"
    INFO_NCE = "info-nce"
    MULTI_NCE = "multi-nce"


class Optimizer(StrEnum):
    """How a gradient becomes a step: weight decay inside Adam's gradient (the paper), or beside it (AdamW)."""

    ADAM = "adam"
    ADAMW = "adamw"


class Schedule(StrEnum):
    """How the learning rate moves: the paper's steps, or one half cosine down to zero."""

    PAPER = "paper"
    COSINE = "cosine"


@dataclass(frozen=True)
class Augmentation:
    """Random changes to what the network sees and hears; all drawn uniformly.

    Attributes:
        smallest_crop: side of the smallest square cut from a frame, as a fraction of its shorter side.
        largest_crop: side of the largest.
        brightness: pixels are multiplied by 1 +- this.
        saturation: colours are moved to or from grey by a factor of 1 +- this.
        amplitude: waveforms are multiplied by 1 +- this.
        tint: each of red, green and blue is multiplied by 1 +- this.
        grey: the part of frames that lose all colour.
        equaliser: standard deviation of a random curve over the frequencies, in nepers.
        mask: the largest part of the spectrogram's rows, and of its columns, that is taken away.
        rotation: degrees by which pictures are turned, at most, to either side.
        erase: half of the pictures lose a rectangle; its longest side, as a fraction of the picture's; 0 for none.
        pitch: the largest part of the spectrogram's rows by which it is moved up or down.
    """

    smallest_crop: float
    largest_crop: float
    brightness: float
    saturation: float
    amplitude: float
    tint: float = 0.0
    grey: float = 0.0
    equaliser: float = 0.0
    mask: float = 0.0
    rotation: float = 0.0
    erase: float = 0.0
    pitch: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.smallest_crop <= self.largest_crop <= 1:
            raise ValueError("crops are fractions of a frame's shorter side: 0 < smallest <= largest <= 1")
        if (
            not 0 <= self.rotation <= 180
            or not 0 <= self.pitch <= 1
            or not (self.erase == 0 or SMALLEST_ERASED <= self.erase <= 1)
        ):
            raise ValueError(
                f"a rotation is up to 180 degrees, pitch a part of the rows, erase 0 or {SMALLEST_ERASED} to 1"
            )


@dataclass(frozen=True)
class TrainConfig:
    """One recipe in one size; `recipes` makes them.

    Attributes:
        name: the recipe's name.
        size: `small` or `paper`.
        architecture: the network.
        widths: channels of its towers' blocks.
        front_end: shapes of its input.
        objective: what it learns by.
        batch_size: positive pairs a step.
        learning_rate: at its highest.
        weight_decay: the optimizer's.
        schedule: how the learning rate moves.
        warmup: the part of all steps in which the learning rate rises from zero.
        augmentation: random changes to frames and sounds.
        optimizer: how a gradient becomes a step.
        gradient_clip: the longest gradient, over all parameters, that is not shortened.
        candidates: AVC only: a frame's negative is the one of so many sounds that it takes for the nearest.
        hardness: InfoNCE only: negatives weigh as exp(hardness * similarity); 0 weighs all alike.
        false_negatives: how much less a negative weighs whose picture and sound resemble one's own: 0 to 1.
        pairs_per_clip: how many pairs of each clip go into one epoch.
        misalignment_us: a second of sound lies up to this far from its frame, still on a frame time of its video.
        views: how many pairs of each of its clips a batch holds.
        within: MULTI_NCE only: the weight of the contrasts of pictures with pictures and sounds with sounds.
        negatives_on_grid: False cuts the seconds of negatives anywhere, which gives them away (the shortcut).
    """

    name: str
    size: str
    architecture: str
    widths: tuple[int, ...]
    front_end: FrontEnd
    objective: Objective
    batch_size: int
    learning_rate: float
    weight_decay: float
    schedule: Schedule
    warmup: float
    augmentation: Augmentation
    optimizer: Optimizer = Optimizer.ADAM
    gradient_clip: float = 5.0
    candidates: int = 1
    hardness: float = 0.0
    false_negatives: float = 0.0
    pairs_per_clip: int = 1
    misalignment_us: int = 0
    views: int = 1
    within: float = 0.0
    negatives_on_grid: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.learning_rate <= 0 or self.gradient_clip <= 0:
            raise ValueError("a batch needs two clips at least; learning rate and gradient clip must be positive")
        if self.views < 1 or self.batch_size < 2 * self.views:
            raise ValueError("a batch needs two clips at least, with all their views")
        if self.pairs_per_clip < 1 or self.misalignment_us < 0:
            raise ValueError("an epoch has a pair of each clip at least; a misalignment is not negative")
        if self.front_end.flow and self.augmentation.rotation:
            raise ValueError("a rotation would have to turn the directions of the flow too")
        self._check_objective()

    def _check_objective(self) -> None:
        """Each setting of an objective belongs to one or two of them."""
        if self.candidates < 1 or self.hardness < 0 or not 0 <= self.false_negatives <= 1 or self.within < 0:
            raise ValueError(
                "there is one candidate at least, hardness and within are not negative, false_negatives is 0 to 1"
            )
        if self.candidates > 1 and self.objective is not Objective.AVC:
            raise ValueError("candidates belong to AVC")
        if self.hardness and self.objective is not Objective.INFO_NCE:
            raise ValueError("hardness belongs to InfoNCE, candidates to AVC")
        if self.within and self.objective is not Objective.MULTI_NCE:
            raise ValueError("within belongs to the contrast of several positives")
        if self.false_negatives and self.objective is Objective.MULTI_NCE:
            raise ValueError("false_negatives belong to AVC and to InfoNCE, not to the contrast within")

    def rows(self, num_clips: int) -> int:
        """Pairs in one batch of a set of so many clips."""
        return self.draws(num_clips) * self.views

    def draws(self, num_clips: int) -> int:
        """Draws of clips in one batch, each with all its views: no more than one epoch has."""
        return min(self.batch_size // self.views, num_clips * self.pairs_per_clip)


@dataclass(frozen=True)
class TrainJob:
    """What to train, on what, for how long: `steps`, or `minutes` that fix a step count at the beginning.

    A resumed run goes on to its first step count, unless `steps` names another.
    """

    config: TrainConfig
    paths: Sequence[Path]
    out: Path
    manifest: Path | None = None
    cache: Path | None = None
    steps: int | None = None
    minutes: float | None = None
    resume: bool = False
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("a run has either a number of steps or a number of minutes")
