"""Recipes: Python functions that return a frozen config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from avsearch.errors import UsageError
from avsearch.front_end import FLOW_FRAMES, MULTI_FRAMES, PAPER_FRONT_END, SMALL_FRONT_END
from avsearch.models.towers import PAPER_WIDTHS, SMALL_WIDTHS
from trainer.config import Augmentation, Objective, Optimizer, Schedule, TrainConfig

PAPER_AUGMENTATION = Augmentation(
    smallest_crop=0.875, largest_crop=0.875, brightness=0.2, saturation=0.2, amplitude=0.1
)
"""A random 224 square of a frame whose shorter side is 256, colour jitter, loudness +-10 %."""

STRONG_AUGMENTATION = Augmentation(
    smallest_crop=0.5,
    largest_crop=1.0,
    brightness=0.4,
    saturation=0.4,
    amplitude=0.5,
    tint=0.3,
    grey=0.2,
    equaliser=0.5,
    mask=0.2,
)
"""For a contrast with many negatives, which learns single recordings by heart unless they change each time."""

SIZES = {"small": (SMALL_WIDTHS, SMALL_FRONT_END), "paper": (PAPER_WIDTHS, PAPER_FRONT_END)}


def ave(size: str = "small") -> TrainConfig:
    """AVE-Net as published: does this frame belong to this second of sound?

    Adam with weight decay 1e-5 and the learning rate x0.94 every 16 epochs are the paper's; the paper does not
    give the learning rate itself.
    """
    widths, front_end = SIZES[size]
    return TrainConfig(
        name="ave",
        size=size,
        architecture="ave",
        widths=widths,
        front_end=front_end,
        objective=Objective.AVC,
        batch_size=128,
        learning_rate=5e-4,
        weight_decay=1e-5,
        schedule=Schedule.PAPER,
        warmup=0.0,
        augmentation=PAPER_AUGMENTATION,
    )


def ave_nce(size: str = "small") -> TrainConfig:
    """The same network, each clip contrasted with every other of the batch: better search from equal time.

    Symmetric InfoNCE with a learnt temperature, as in CLIP (Radford et al. 2021, section 2.3).
    """
    return replace(
        ave(size),
        name="ave-nce",
        objective=Objective.INFO_NCE,
        learning_rate=1e-3,
        schedule=Schedule.COSINE,
        warmup=0.05,
        augmentation=STRONG_AUGMENTATION,
    )


def ave_views(size: str = "small") -> TrainConfig:
    """The same network and two pairs of each clip, all of which must find each other: the best search.

    Chosen among 25 variants of `ave-nce` by nDCG across modalities on held-out clips (docs/benchmarks.md).
    """
    changed = replace(STRONG_AUGMENTATION, rotation=15.0, erase=0.4, pitch=1 / 16)
    return replace(
        ave_nce(size),
        name="ave-views",
        objective=Objective.MULTI_NCE,
        views=2,
        within=1.0,
        optimizer=Optimizer.ADAMW,
        weight_decay=0.1,
        augmentation=changed,
    )


def l3(size: str = "small") -> TrainConfig:
    """L3-Net on the corrected pairs, as in the AVE paper: to compare with, and for search in one modality."""
    return replace(ave(size), name="l3", architecture="l3")


def avol(size: str = "small") -> TrainConfig:
    """AVOL-Net as published: does any place of this frame make this second of sound? For localization."""
    return replace(ave(size), name="avol", architecture="avol")


def avol_attention(size: str = "small") -> TrainConfig:
    """AVOL-Net with soft attention in place of the maximum, which its authors name as the next step."""
    return replace(ave(size), name="avol-attention", architecture="avol-attention")


def avol_nce(size: str = "small") -> TrainConfig:
    """AVOL-Net over cosines, the best place of each frame contrasted with every second of the batch.

    InfoNCE over the maximum of the map, as in EZ-VSL (Mo and Morgado 2022, section 3.2), and beside it over the
    whole picture's vector, through the same layers: what learns in a few hundred steps where a sound comes from.
    """
    return replace(ave_nce(size), name="avol-nce", architecture="avol-cosine")


def ave_mf(size: str = "small") -> TrainConfig:
    """AVE-Net that sees a second of frames: to learn what only motion tells. Each step costs many times more."""
    return _seeing(ave(size), "ave-mf", num_frames=MULTI_FRAMES)


def ave_of(size: str = "small") -> TrainConfig:
    """AVE-Net that sees a frame and the optical flow around it: to learn what only motion tells."""
    return _seeing(ave(size), "ave-of", num_frames=FLOW_FRAMES, flow=True)


def _seeing(config: TrainConfig, name: str, *, num_frames: int, flow: bool = False) -> TrainConfig:
    """The same recipe for the network of that name, which sees more than one frame."""
    front_end = replace(config.front_end, num_frames=num_frames, flow=flow)
    return replace(config, name=name, architecture=name, front_end=front_end)


RECIPES: dict[str, Callable[[str], TrainConfig]] = {
    "ave": ave,
    "ave-nce": ave_nce,
    "ave-views": ave_views,
    "l3": l3,
    "avol": avol,
    "avol-attention": avol_attention,
    "avol-nce": avol_nce,
    "ave-mf": ave_mf,
    "ave-of": ave_of,
}


def recipe(
    name: str,
    size: str,
    *,
    batch_size: int | None = None,
    pairs_per_clip: int | None = None,
    misalignment_us: int | None = None,
) -> TrainConfig:
    """The config of a named recipe in a named size; what is not None takes the place of the recipe's own setting.

    Raises:
        UsageError: there is no such recipe or size.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no recipe {name}.", hint=f"Choose one of {', '.join(RECIPES)}.")
    if size not in SIZES:
        raise UsageError(f"There is no size {size}.", hint=f"Choose one of {', '.join(SIZES)}.")
    wanted: dict[str, Any] = {
        "batch_size": batch_size,
        "pairs_per_clip": pairs_per_clip,
        "misalignment_us": misalignment_us,
    }
    usual = RECIPES[name](size)
    if batch_size is not None and batch_size < 2 * usual.views:
        raise UsageError(
            f"A batch of {batch_size} is too small for {name}, which sees each clip {usual.views} times.",
            hint=f"Ask for --batch-size {2 * usual.views} or more.",
        )
    return replace(usual, **{key: value for key, value in wanted.items() if value is not None})
