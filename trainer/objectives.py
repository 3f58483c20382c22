"""What training minimises, apart from the networks."""

from __future__ import annotations

import math

import torch
from torch import nn

from avsearch.models.ave import AVENet
from trainer.config import Objective

INITIAL_TEMPERATURE = 0.07  # CLIP's start
MAX_SCALE = 100.0  # and its limit


class AVC(nn.Module):
    """Audio-visual correspondence: each clip's frame with its own second, and with one of another video."""

    def forward(
        self,
        network: AVENet,
        images: torch.Tensor,
        sounds: torch.Tensor,
        media: torch.Tensor,
        partner: torch.Tensor,
    ) -> torch.Tensor:
        """Unit rows (B, D) of B clips, their media and negative partners (B,) -> the mean cross-entropy."""
        del media  # the partners are of other media already
        return avc_loss(network, images, sounds, partner)


class InfoNCE(nn.Module):
    """Each clip's frame must find its own second among all seconds of the batch, and the other way round.

    Sounds of the same video are neither positive nor negative. The network's own threshold (fc3) learns beside
    it, on fixed vectors, so that the network can also say whether a pair corresponds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(INITIAL_TEMPERATURE)))

    def forward(
        self,
        network: AVENet,
        images: torch.Tensor,
        sounds: torch.Tensor,
        media: torch.Tensor,
        partner: torch.Tensor,
    ) -> torch.Tensor:
        """Unit rows (B, D) of B clips, their media and negative partners (B,) -> the mean loss."""
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        contrast = info_nce_loss(images, sounds, media, scale)
        return contrast + avc_loss(network, images.detach(), sounds.detach(), partner)


def avc_loss(network: AVENet, images: torch.Tensor, sounds: torch.Tensor, partner: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over B positives (i, i) and B negatives (i, partner[i]); logits in, so softmax once."""
    positive = network.correspondence(images, sounds)
    negative = network.correspondence(images, sounds[partner])
    truth = torch.arange(2, device=images.device).flip(0).repeat_interleave(len(images))  # 1..1 0..0
    return nn.functional.cross_entropy(torch.cat([positive, negative]), truth)


def info_nce_loss(
    images: torch.Tensor, sounds: torch.Tensor, media: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Symmetric InfoNCE over cosines times `scale`; pairs of one video, but for (i, i), are left out."""
    logits = scale * images @ sounds.T
    own = torch.eye(len(media), dtype=torch.bool, device=media.device)
    logits = logits.masked_fill((media[:, None] == media[None, :]) & ~own, -torch.inf)
    truth = torch.arange(len(media), device=media.device)
    return (nn.functional.cross_entropy(logits, truth) + nn.functional.cross_entropy(logits.T, truth)) / 2


def objective(kind: Objective) -> AVC | InfoNCE:
    """The module of an objective; its parameters, if any, are trained too."""
    return AVC() if kind is Objective.AVC else InfoNCE()
