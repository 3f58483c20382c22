"""L3-Net: what the features of both towers say together ("Look, Listen and Learn", section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from avsearch.models.network import Network, unit_rows
from avsearch.models.towers import EMBEDDING_DIM, Tower, global_max


class L3Net(Network):
    """Two towers whose pooled features are joined and judged by two layers.

    It is searched by those features, 512-D as in the paper's table; in size `small`, whose towers have half the
    channels, they are 256-D, since another layer to widen them would be one that nothing trains. Nothing in
    training ever compares a feature of one side with one of the other, so across modalities a search finds little:
    that is what AVE-Net was made for, and `avsearch align` mends in part.

    Args:
        widths: channels of the four blocks of both towers; the last one is `dim`.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.dim = widths[-1]
        self.vision = Tower(3, widths)
        self.audio = Tower(1, widths)
        self.fc1 = nn.Linear(2 * widths[-1], EMBEDDING_DIM)
        self.fc2 = nn.Linear(EMBEDDING_DIM, 2)

    def see(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float32 -> (B, D) float32, pool4."""
        return global_max(self.vision(images)).float()

    def hear(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) float32 -> (B, D) float32, pool4."""
        return global_max(self.audio(spectrograms)).float()

    def image_vectors(self, seen: torch.Tensor) -> torch.Tensor:
        return unit_rows(seen)

    def sound_vectors(self, heard: torch.Tensor) -> torch.Tensor:
        return unit_rows(heard)

    def log_odds(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """Features (B, D) each -> (B,): fc2's second output less its first, as a softmax over both weighs them."""
        logits: torch.Tensor = self.fc2(torch.relu(self.fc1(torch.cat([seen, heard], dim=1))))
        return logits[:, 1] - logits[:, 0]
