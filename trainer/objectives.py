"""What training minimises, apart from the networks."""

from __future__ import annotations

import math

import torch
from torch import nn

from avsearch.models.network import Network
from trainer.config import Objective

INITIAL_TEMPERATURE = 0.07  # CLIP's start
MAX_SCALE = 100.0  # and its limit


class AVC(nn.Module):
    """Audio-visual correspondence: each clip's frame with its own second, and with one of another video."""

    def forward(
        self,
        network: Network,
        seen: torch.Tensor,
        heard: torch.Tensor,
        media: torch.Tensor,
        partner: torch.Tensor,
    ) -> torch.Tensor:
        """What B clips look and sound like, their media and negative partners (B,) -> the mean cross-entropy."""
        del media  # the partners are of other media already
        return avc_loss(network, seen, heard, partner)


class InfoNCE(nn.Module):
    """Each clip's frame must find its own second among all seconds of the batch, and the other way round.

    Sounds of the same video are neither positive nor negative. The network's own judgement learns beside it, on
    fixed vectors, so that the network can also say whether a pair corresponds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(INITIAL_TEMPERATURE)))

    def forward(
        self,
        network: Network,
        seen: torch.Tensor,
        heard: torch.Tensor,
        media: torch.Tensor,
        partner: torch.Tensor,
    ) -> torch.Tensor:
        """What B clips look and sound like, their media and negative partners (B,) -> the mean loss."""
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        contrast = info_nce_loss(network.similarity(seen, heard), media, scale)
        return contrast + avc_loss(network, seen.detach(), heard.detach(), partner)


def avc_loss(network: Network, seen: torch.Tensor, heard: torch.Tensor, partner: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over B positives (i, i) and B negatives (i, partner[i]).

    It is the logistic loss of AVOL-Net's score, and with a network of two outputs, whose difference are the
    log-odds, the same as softmax and cross-entropy: log-odds in, so the sigmoid is taken once.
    """
    positive = network.log_odds(seen, heard)
    negative = network.log_odds(seen, heard[partner])
    truth = torch.cat([torch.ones_like(positive), torch.zeros_like(negative)])
    return nn.functional.binary_cross_entropy_with_logits(torch.cat([positive, negative]), truth)


def info_nce_loss(similarity: torch.Tensor, media: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Symmetric InfoNCE over (B, B) similarities times `scale`; pairs of one video, but (i, i), are left out."""
    own = torch.eye(len(media), dtype=torch.bool, device=media.device)
    logits = (scale * similarity).masked_fill((media[:, None] == media[None, :]) & ~own, -torch.inf)
    truth = torch.arange(len(media), device=media.device)
    return (nn.functional.cross_entropy(logits, truth) + nn.functional.cross_entropy(logits.T, truth)) / 2


def objective(kind: Objective) -> AVC | InfoNCE:
    """The module of an objective; its parameters, if any, are trained too."""
    return AVC() if kind is Objective.AVC else InfoNCE()
