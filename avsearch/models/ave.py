"""AVE-Net: one embedding for pictures and sounds ("Objects that Sound", section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from avsearch.models.towers import Tower, global_max

EMBEDDING_DIM = 128
INITIAL_SLOPE = 10.0
"""How fast a distance turns into log-odds at the start; not given in the paper. On unit vectors distances
lie within 2, so a slope of 10 puts the first pairs neither in the flat middle nor in the saturated ends."""


class AVENet(nn.Module):
    """Two towers, each with a 128-D head; a distance and a threshold say whether a pair belongs together.

    Args:
        widths: channels of the four blocks of both towers.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.vision = Tower(3, widths)
        self.vision_head = _head(widths[-1])
        self.audio = Tower(1, widths)
        self.audio_head = _head(widths[-1])
        self.fc3 = nn.Linear(1, 2)
        self.set_threshold(1.0)

    def embed_images(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float32 -> (B, 128) float32 unit rows."""
        return nn.functional.normalize(self.vision_head(global_max(self.vision(images))).float(), dim=1)

    def embed_sounds(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) float32 -> (B, 128) float32 unit rows."""
        return nn.functional.normalize(self.audio_head(global_max(self.audio(spectrograms))).float(), dim=1)

    def correspondence(self, image_vectors: torch.Tensor, sound_vectors: torch.Tensor) -> torch.Tensor:
        """Unit rows (B, 128) each -> (B, 2) logits: column 1 says that the pair corresponds.

        `vector_norm` has gradient 0 at equal vectors, where the root of a sum of squares has NaN.
        """
        distance = torch.linalg.vector_norm(image_vectors - sound_vectors, dim=1, keepdim=True)
        logits: torch.Tensor = self.fc3(distance)
        return logits

    def forward(self, images: torch.Tensor, spectrograms: torch.Tensor) -> torch.Tensor:
        return self.correspondence(self.embed_images(images), self.embed_sounds(spectrograms))

    @torch.no_grad()
    def centre(self, images: torch.Tensor, spectrograms: torch.Tensor) -> None:
        """Start with vectors that point in all directions: shift both heads so that a batch has mean zero.

        After random initialisation all vectors lie in one narrow cone, where neither distances nor cosines tell
        pairs apart, and training first has to find its way out. The paper says nothing of initialisation.

        Args:
            images: (B, 3, side, side) float32.
            spectrograms: (B, 1, rows, columns) float32.
        """
        self.vision_head[2].bias -= self.vision_head(global_max(self.vision(images))).float().mean(dim=0)
        self.audio_head[2].bias -= self.audio_head(global_max(self.audio(spectrograms))).float().mean(dim=0)

    @torch.no_grad()
    def set_threshold(self, distance: float) -> None:
        """Start fc3 so that pairs nearer than `distance` correspond; the paper gives only the sign.

        Take the measured mean distance of the first batch: started elsewhere the loss can stay at ln 2.
        """
        self.fc3.weight.copy_(torch.tensor([[INITIAL_SLOPE / 2], [-INITIAL_SLOPE / 2]]))
        self.fc3.bias.copy_(torch.tensor([-1.0, 1.0]) * distance * INITIAL_SLOPE / 2)


def _head(width: int) -> nn.Sequential:
    """fc1, ReLU, fc2: (B, width) -> (B, 128)."""
    return nn.Sequential(nn.Linear(width, EMBEDDING_DIM), nn.ReLU(), nn.Linear(EMBEDDING_DIM, EMBEDDING_DIM))
