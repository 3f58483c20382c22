"""Losses over a matrix of similarities, where each row must find its own among the columns."""

from __future__ import annotations

import torch
from torch import nn


def info_nce_loss(
    similarity: torch.Tensor,
    media: torch.Tensor,
    scale: torch.Tensor,
    *,
    hardness: float = 0.0,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Symmetric InfoNCE over (B, B) similarities times `scale`; pairs of one video, but (i, i), are left out.

    Args:
        similarity: (B, B) of each frame with each second.
        media: (B,) int64, equal for pairs of one video.
        scale: one over the temperature.
        hardness: negatives weigh as exp(hardness * similarity), 1 on average; as in
            "Contrastive Learning with Hard Negative Samples" (Robinson et al. 2021).
        weights: (B, B) of the negatives, symmetric; None for 1.
    """
    frames = _contrast(similarity, media, scale, hardness, weights)
    seconds = _contrast(similarity.T, media, scale, hardness, weights)
    return (frames + seconds) / 2


def multi_nce_loss(
    similarity: torch.Tensor, media: torch.Tensor, scale: torch.Tensor, *, without_self: bool = False
) -> torch.Tensor:
    """Each row must find every column of its media: the cross-entropy, mean over its positives, then over rows.

    Args:
        similarity: (B, B).
        media: (B,) int64, equal for pairs of one video.
        scale: one over the temperature.
        without_self: (i, i) is no pair; a row that has no other positive does not count.
    """
    positive = media[:, None] == media[None, :]
    logits = scale * similarity
    if without_self:
        own = torch.eye(len(media), dtype=torch.bool, device=media.device)
        positive, logits = positive & ~own, logits.masked_fill(own, -torch.inf)
    found = logits.log_softmax(dim=1).masked_fill(~positive, 0).sum(dim=1)
    count = positive.sum(dim=1)
    return -(found / count.clamp(min=1)).sum() / (count > 0).sum().clamp(min=1)


def _contrast(
    similarity: torch.Tensor,
    media: torch.Tensor,
    scale: torch.Tensor,
    hardness: float,
    weights: torch.Tensor | None,
) -> torch.Tensor:
    """Each row must find its own column: the mean cross-entropy."""
    own = torch.eye(len(media), dtype=torch.bool, device=media.device)
    negative = media[:, None] != media[None, :]
    logits = scale * similarity
    if weights is not None:
        logits = logits + weights.clamp(min=torch.finfo(weights.dtype).tiny).log().masked_fill(own, 0)
    if hardness:
        tilt = (hardness * similarity.detach()).masked_fill(~negative, -torch.inf)
        mean = tilt.logsumexp(dim=1, keepdim=True) - negative.sum(dim=1, keepdim=True).log()
        logits = logits + (tilt - mean).masked_fill(~negative, 0)
    return nn.functional.cross_entropy(
        logits.masked_fill(~negative & ~own, -torch.inf), torch.arange(len(media), device=media.device)
    )
