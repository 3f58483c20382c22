"""AVE-Net: one embedding for pictures and sounds ("Objects that Sound", section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from avsearch.models.network import Network, unit_rows
from avsearch.models.towers import EMBEDDING_DIM, Tower, global_max, head, lower_bias

INITIAL_SLOPE = 10.0
"""How fast a distance turns into log-odds at the start; not given in the paper. On unit vectors distances
lie within 2, so a slope of 10 puts the first pairs neither in the flat middle nor in the saturated ends."""


class AVENet(Network):
    """Two towers, each with a 128-D head; a distance and a threshold say whether a pair belongs together.

    Args:
        widths: channels of the four blocks of both towers.
        vision: another vision tower, for networks that see more than one frame.
    """

    dim = EMBEDDING_DIM

    def __init__(self, widths: Sequence[int], vision: nn.Module | None = None) -> None:
        super().__init__()
        self.vision = vision or Tower(3, widths)
        self.vision_head = head(widths[-1])
        self.audio = Tower(1, widths)
        self.audio_head = head(widths[-1])
        self.fc3 = nn.Linear(1, 2)
        self.set_threshold(1.0)

    def see(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float32 -> (B, 128) float32 unit rows."""
        return unit_rows(self.vision_head(global_max(self.vision(images))))

    def hear(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) float32 -> (B, 128) float32 unit rows."""
        return unit_rows(self.audio_head(global_max(self.audio(spectrograms))))

    def image_vectors(self, seen: torch.Tensor) -> torch.Tensor:
        return seen

    def sound_vectors(self, heard: torch.Tensor) -> torch.Tensor:
        return heard

    def log_odds(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """Unit rows (B, 128) each -> (B,): fc3's second output less its first, as a softmax over both weighs them.

        `vector_norm` has gradient 0 at equal vectors, where the root of a sum of squares has NaN.
        """
        distance = torch.linalg.vector_norm(seen - heard, dim=1, keepdim=True)
        logits: torch.Tensor = self.fc3(distance)
        return logits[:, 1] - logits[:, 0]

    @torch.no_grad()
    def start(self, images: torch.Tensor, spectrograms: torch.Tensor) -> None:
        """Centre the vectors of a batch, and put the threshold at the mean distance of its pairs."""
        self.centre(images, spectrograms)
        distances = torch.linalg.vector_norm(self.see(images) - self.hear(spectrograms), dim=1)
        self.set_threshold(float(distances.mean()))

    @torch.no_grad()
    def centre(self, images: torch.Tensor, spectrograms: torch.Tensor) -> None:
        """Start with vectors that point in all directions: shift both heads so that a batch has mean zero.

        After random initialisation all vectors lie in one narrow cone, where neither distances nor cosines tell
        pairs apart, and training first has to find its way out. The paper says nothing of initialisation.

        Args:
            images: (B, 3, side, side) float32.
            spectrograms: (B, 1, rows, columns) float32.
        """
        lower_bias(self.vision_head[2], self.vision_head(global_max(self.vision(images))).float().mean(dim=0))
        lower_bias(self.audio_head[2], self.audio_head(global_max(self.audio(spectrograms))).float().mean(dim=0))

    @torch.no_grad()
    def set_threshold(self, distance: float) -> None:
        """Start fc3 so that pairs nearer than `distance` correspond; the paper gives only the sign.

        Take the measured mean distance of the first batch: started elsewhere the loss can stay at ln 2.
        """
        self.fc3.weight.copy_(torch.tensor([[INITIAL_SLOPE / 2], [-INITIAL_SLOPE / 2]]))
        self.fc3.bias.copy_(torch.tensor([-1.0, 1.0]) * distance * INITIAL_SLOPE / 2)
