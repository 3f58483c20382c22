"""Weights for measuring speed, which does not depend on what they have learnt."""

from __future__ import annotations

from pathlib import Path

import torch

from avsearch.errors import UsageError
from avsearch.front_end import PAPER_FRONT_END, SMALL_FRONT_END
from avsearch.models.ave import AVENet
from avsearch.models.header import WeightsHeader
from avsearch.models.networks import save_network
from avsearch.models.towers import PAPER_WIDTHS, SMALL_WIDTHS
from avsearch.moments import Modality

SIZES = {"small": (SMALL_WIDTHS, SMALL_FRONT_END), "paper": (PAPER_WIDTHS, PAPER_FRONT_END)}


def save_random_weights(path: Path, size: str) -> WeightsHeader:
    """Write the network of a size with random weights; the same ones each time.

    Raises:
        UsageError: there is no such size.
    """
    if size not in SIZES:
        raise UsageError(f"There is no size {size}.", hint=f"Choose one of {', '.join(SIZES)}.")
    widths, front_end = SIZES[size]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = AVENet(widths)
    header = WeightsHeader(
        architecture="ave",
        widths=widths,
        size=size,
        dim=network.dim,
        modalities=tuple(Modality),
        num_frames=1,
        front_end=front_end,
        recipe={"name": "random"},
    )
    return save_network(path, network, header)
