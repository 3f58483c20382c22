"""What training minimises, apart from the networks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from avsearch.models.network import Network
from trainer.config import Objective, TrainConfig
from trainer.contrast import info_nce_loss, multi_nce_loss

INITIAL_TEMPERATURE = 0.07  # CLIP's start
INITIAL_TEMPERATURE_WITHIN = 0.1  # SimCLR's
MAX_SCALE = 100.0  # and its limit


@dataclass(frozen=True)
class Perceived:
    """What a network makes of a batch of B true pairs.

    `seen` and `heard` are (B, ...), as the network has them; `media` (B,) int64 is equal for pairs of one video;
    `partner` (B,) int64 says whose sound makes a negative of each frame. `elsewhere` (B, ...) are the negatives'
    sounds where they are not those of the partners.
    """

    seen: torch.Tensor
    heard: torch.Tensor
    media: torch.Tensor
    partner: torch.Tensor
    elsewhere: torch.Tensor | None = None

    def apart(self) -> Perceived:
        """The same for a judgement that teaches the towers nothing."""
        elsewhere = None if self.elsewhere is None else self.elsewhere.detach()
        return Perceived(self.seen.detach(), self.heard.detach(), self.media, self.partner, elsewhere)


class AVC(nn.Module):
    """Audio-visual correspondence: each clip's frame with its own second, and with one of another video.

    Args:
        candidates: the negative is the one of so many sounds that the network takes for the nearest.
        false_negatives: how much less a negative weighs that resembles the clip itself, 0 to 1.
    """

    def __init__(self, candidates: int = 1, false_negatives: float = 0.0) -> None:
        super().__init__()
        self.candidates = candidates
        self.false_negatives = false_negatives

    def forward(self, network: Network, perceived: Perceived) -> torch.Tensor:
        """The mean cross-entropy over B positives and B negatives."""
        partner, weights = perceived.partner, None
        if self.candidates > 1:
            similarity = network.similarity(perceived.seen, perceived.heard).detach()
            partner = hardest_partners(similarity, perceived.media, partner, candidates=self.candidates)
        if self.false_negatives:
            rows = torch.arange(len(partner), device=partner.device)
            weights = doubt(network, perceived, self.false_negatives)[rows, partner]
        elsewhere = perceived.heard[partner] if perceived.elsewhere is None else perceived.elsewhere
        return avc_loss(network, perceived.seen, perceived.heard, elsewhere, weights)


class InfoNCE(nn.Module):
    """Each clip's frame must find its own second among all seconds of the batch, and the other way round.

    Sounds of the same video are neither positive nor negative. A network that compares in several ways learns by
    the sum of their contrasts. Its own judgement learns beside it, so that the network can also say whether a pair
    corresponds; on fixed vectors, unless the network asks otherwise.

    Args:
        hardness: negatives weigh as exp(hardness * similarity), 1 on average; 0 weighs all alike.
        false_negatives: how much less a negative weighs that resembles the clip itself, 0 to 1.
    """

    def __init__(self, hardness: float = 0.0, false_negatives: float = 0.0) -> None:
        super().__init__()
        self.hardness = hardness
        self.false_negatives = false_negatives
        self.log_scale = nn.Parameter(torch.tensor(-math.log(INITIAL_TEMPERATURE)))

    def forward(self, network: Network, perceived: Perceived) -> torch.Tensor:
        """The mean loss over B frames and B seconds."""
        weights = doubt(network, perceived, self.false_negatives) if self.false_negatives else None
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        contrast = torch.stack(
            [
                info_nce_loss(similarity, perceived.media, scale, hardness=self.hardness, weights=weights)
                for similarity in network.similarities(perceived.seen, perceived.heard)
            ]
        ).sum()
        judged = perceived if network.judgement_teaches else perceived.apart()
        elsewhere = judged.heard[judged.partner] if judged.elsewhere is None else judged.elsewhere
        return contrast + avc_loss(network, judged.seen, judged.heard, elsewhere)


class MultiInfoNCE(nn.Module):
    """Each clip's frames must find all its own seconds among those of the batch, and the other way round.

    A batch holds several pairs of each clip, and every pair of one video is a positive of every other, as in
    "Supervised Contrastive Learning" (Khosla et al. 2020, equation 2) with the video in the place of the label.
    What is contrasted within pictures and within sounds (SimCLR, Chen et al. 2020) has temperatures of its own.
    The network's own judgement learns beside it, as with `InfoNCE`.

    Args:
        within: the weight of the contrasts of pictures with pictures and sounds with sounds.
    """

    def __init__(self, within: float = 0.0) -> None:
        super().__init__()
        self.within = within
        self.log_scale = nn.Parameter(torch.tensor(-math.log(INITIAL_TEMPERATURE)))
        if within:  # parameters that no loss uses are an error where several processes train
            self.log_scales_within = nn.Parameter(torch.full((2,), -math.log(INITIAL_TEMPERATURE_WITHIN)))

    def forward(self, network: Network, perceived: Perceived) -> torch.Tensor:
        """The mean loss over B frames and B seconds."""
        media, scale = perceived.media, self.log_scale.exp().clamp(max=MAX_SCALE)
        similarity = network.similarity(perceived.seen, perceived.heard)
        loss = multi_nce_loss(similarity, media, scale) + multi_nce_loss(similarity.T, media, scale)
        if self.within:
            images, sounds = network.image_vectors(perceived.seen), network.sound_vectors(perceived.heard)
            for vectors, log_scale in zip((images, sounds), self.log_scales_within, strict=True):
                alike = multi_nce_loss(
                    vectors @ vectors.T, media, log_scale.exp().clamp(max=MAX_SCALE), without_self=True
                )
                loss = loss + self.within * alike
        fixed = perceived.apart()
        elsewhere = fixed.heard[fixed.partner] if fixed.elsewhere is None else fixed.elsewhere
        return loss / 2 + avc_loss(network, fixed.seen, fixed.heard, elsewhere)


def avc_loss(
    network: Network,
    seen: torch.Tensor,
    heard: torch.Tensor,
    elsewhere: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy over B positives (seen, heard) and B negatives (seen, elsewhere), these weighed by (B,).

    It is the logistic loss of AVOL-Net's score, and with a network of two outputs, whose difference are the
    log-odds, the same as softmax and cross-entropy: log-odds in, so the sigmoid is taken once.
    """
    positive = nn.functional.softplus(-network.log_odds(seen, heard))
    negative = nn.functional.softplus(network.log_odds(seen, elsewhere))
    return (positive.mean() + (negative if weights is None else weights * negative).mean()) / 2


def doubt(network: Network, perceived: Perceived, strength: float) -> torch.Tensor:
    """How much each pair of clips counts as a negative: (B, B) in [0, 1], symmetric, without gradient.

    A drum that is contrasted with another drum is told apart from its own kind. Where two clips look alike and
    sound alike, by the mean of the two cosines, that is likely: weight = 1 - strength * max(mean, 0). Robust
    audio-visual instance discrimination (Morgado et al. 2021) and FNAC (Sun et al. 2023) weigh by the same clues.
    """
    images = network.image_vectors(perceived.seen).detach()
    sounds = network.sound_vectors(perceived.heard).detach()
    alike = (images @ images.T + sounds @ sounds.T) / 2
    return 1 - strength * alike.clamp(0, 1)


def hardest_partners(
    similarity: torch.Tensor, media: torch.Tensor, partner: torch.Tensor, *, candidates: int
) -> torch.Tensor:
    """(B, B) similarities -> (B,): of the partner and the next rows' sounds, the nearest of another video.

    The rows of a batch lie in random order, so the next `candidates` - 1 rows are a random choice.
    """
    count = len(media)
    rows = torch.arange(count, device=media.device)
    near = (rows[:, None] + torch.arange(1, min(candidates, count), device=media.device)) % count
    choice = torch.cat([partner[:, None], near], dim=1)
    taken = similarity.gather(1, choice).masked_fill(media[choice] == media[:, None], -torch.inf)
    return choice.gather(1, taken.argmax(dim=1, keepdim=True)).squeeze(1)


def objective(config: TrainConfig) -> AVC | InfoNCE | MultiInfoNCE:
    """The module of a config's objective; its parameters, if any, are trained too."""
    if config.objective is Objective.AVC:
        return AVC(config.candidates, config.false_negatives)
    if config.objective is Objective.MULTI_NCE:
        return MultiInfoNCE(config.within)
    return InfoNCE(config.hardness, config.false_negatives)
