"""AVOL-Net: where in the picture the sound comes from ("Objects that Sound", section 4), and two steps beyond."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from avsearch.models.network import Network, unit_rows
from avsearch.models.towers import EMBEDDING_DIM, Tower, global_max, head, lower_bias, scale_output

INITIAL_SPREAD = 1.0
"""Standard deviation of the best places' answers in the first batch; not given in the paper."""
INITIAL_SHARPNESS = 1.0


class AVOLNet(Network):
    """Each place of the picture has a vector; the place that answers the sound best decides for the picture.

    The picture stays a map (14 x 14 at 224 pixels). The scalar product of each of its vectors with the sound's,
    scaled and shifted by conv7, is the log-odds that this place makes the sound; the maximum is the picture's.

    For search a picture needs one vector that knows no sound. It is the sum of the directions of all places,
    normalised: its cosine with a sound ranks pictures as the mean cosine of their places does. The maximum itself
    is no scalar product of two vectors. On real clips (docs/benchmarks.md) this found more across modalities than
    the sum of the vectors as they are, the same weighed by their length, the longest vector, and the largest value
    of each channel, which belongs to no place.

    Args:
        widths: channels of the four blocks of both towers.
    """

    dim = EMBEDDING_DIM

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.vision = Tower(3, widths)
        self.conv5 = nn.Conv2d(widths[-1], EMBEDDING_DIM, 1)
        self.conv6 = nn.Conv2d(EMBEDDING_DIM, EMBEDDING_DIM, 1)
        self.audio = Tower(1, widths)
        self.audio_head = head(widths[-1])
        self.scale = nn.Parameter(torch.ones(()))  # conv7, 1 x 1 on one channel: a scale and a shift
        self.shift = nn.Parameter(torch.zeros(()))

    def map_of(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float32 -> (B, 128, h, w) float32, a vector a place: conv6."""
        features: torch.Tensor = self.conv6(torch.relu(self.conv5(self.vision(images))))
        return features.float()

    def vector_of(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) float32 -> (B, 128) float32: fc2."""
        vectors: torch.Tensor = self.audio_head(global_max(self.audio(spectrograms)))
        return vectors.float()

    def see(self, images: torch.Tensor) -> torch.Tensor:
        return self.map_of(images)

    def hear(self, spectrograms: torch.Tensor) -> torch.Tensor:
        return self.vector_of(spectrograms)

    def image_vectors(self, seen: torch.Tensor) -> torch.Tensor:
        return unit_rows(unit_rows(seen).sum(dim=(2, 3)))

    def sound_vectors(self, heard: torch.Tensor) -> torch.Tensor:
        return unit_rows(heard)

    def answers(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """Seen and heard of B pairs -> (B, h, w): the log-odds that each place of the picture makes the sound."""
        return self.scale * (seen * heard[:, :, None, None]).sum(dim=1) + self.shift

    def log_odds(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """The answer of the best place, for each pair."""
        return self.answers(seen, heard).amax(dim=(1, 2))

    @torch.no_grad()
    def start(self, images: torch.Tensor, spectrograms: torch.Tensor) -> None:
        """Centre the vectors of a batch, bring them to a mean length of 1, and calibrate conv7 to the pairs.

        Without it all vectors lie in one narrow cone and are short, and every step that lengthens them moves the
        log-odds of all pairs alike.
        """
        lower_bias(self.conv6, self.map_of(images).mean(dim=(0, 2, 3)))
        lower_bias(self.audio_head[2], self.vector_of(spectrograms).mean(dim=0))
        scale_output(self.conv6, 1 / self.map_of(images).norm(dim=1).mean())
        scale_output(self.audio_head[2], 1 / self.vector_of(spectrograms).norm(dim=1).mean())
        seen, heard = self.see(images), self.hear(spectrograms)
        self.scale.mul_(INITIAL_SPREAD / self.answers(seen, heard).amax(dim=(1, 2)).std())
        self.shift.sub_(self.log_odds(seen, heard).mean())


class CosineAVOLNet(AVOLNet):
    """The same with unit vectors at every place and of the sound, to be trained by contrast.

    A contrast over scalar products can be won by long vectors; over cosines it has to be won by direction. Each
    pair's similarity is the largest cosine of the map ("Localizing Visual Sounds the Easy Way", Mo and Morgado
    2022).
    """

    def see(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float32 -> (B, 128, h, w) float32, a unit vector a place."""
        return unit_rows(self.map_of(images))

    def hear(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) float32 -> (B, 128) float32 unit rows."""
        return unit_rows(self.vector_of(spectrograms))

    def similarity(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """(B, 128, h, w), (M, 128) -> (B, M): the largest cosine of each map with each sound."""
        return torch.einsum("bdp,md->bpm", seen.flatten(2), heard).amax(dim=1)


class AttentionAVOLNet(AVOLNet):
    """The places are weighed instead of the best one taken: the step that the paper's authors name as their next.

    The weights are a softmax over the places' own answers, with a learnt sharpness: endless sharpness is the
    maximum, none is the mean. So every place that answers gets a gradient, not one in 196.

    Args:
        widths: channels of the four blocks of both towers.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(widths)
        self.log_sharpness = nn.Parameter(torch.tensor(INITIAL_SHARPNESS).log())

    def log_odds(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """The mean answer, weighed by attention, for each pair."""
        answers = self.answers(seen, heard).flatten(1)
        attention = torch.softmax(self.log_sharpness.exp() * answers, dim=1)
        return (attention * answers).sum(dim=1)
