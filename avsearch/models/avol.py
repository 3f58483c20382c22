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
INITIAL_SCALE = 10.0
"""Of cosines, whose differences become log-odds."""
PLACE_SHARPNESS = 10.0
"""Of cosines: a place that is 0.1 worse weighs a third. When it could be learnt, it stayed (9.6)."""


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
        return self._vectors(self.vision(images))

    def _vectors(self, features: torch.Tensor) -> torch.Tensor:
        """conv4_2's features, (B, widths[3], h, w) -> (B, 128, h, w) float32."""
        vectors: torch.Tensor = self.conv6(torch.relu(self.conv5(features)))
        return vectors.float()

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
    2022), softened so that more than one place learns.

    That alone learns slowly: at first the best place is anywhere, mostly on the background, and only that one gets
    a gradient. So conv5 and conv6 also see what AVE-Net's head would, the largest value of each channel over the
    whole picture, and this vector is contrasted too. It soon finds out what looks like what sounds, and as each
    place goes through the same two layers, the places know it as well. It is also the picture's vector for search.

    A contrast only compares: what all sounds light up alike, as the background, costs it nothing. So the network's
    judgement of pairs, which says where zero is, teaches it too.
    """

    judgement_teaches = True

    def see(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) float32 -> (B, 256, h, w) float32: unit vectors of each place and of the whole."""
        features = self.vision(images)
        places, whole = self._vectors(features), self._vectors(global_max(features)[:, :, None, None])
        return torch.cat([unit_rows(places), unit_rows(whole).expand_as(places)], dim=1)

    def hear(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) float32 -> (B, 128) float32 unit rows."""
        return unit_rows(self.vector_of(spectrograms))

    def image_vectors(self, seen: torch.Tensor) -> torch.Tensor:
        return seen[:, EMBEDDING_DIM:, 0, 0]

    def answers(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """As `AVOLNet.answers`; the shift is one of cosines, which so small steps of training can move."""
        cosines = (seen[:, :EMBEDDING_DIM] * heard[:, :, None, None]).sum(dim=1)
        return self.scale * (cosines + self.shift)

    def log_odds(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """The answer of the best places, for each pair."""
        cosines = (seen[:, :EMBEDDING_DIM] * heard[:, :, None, None]).sum(dim=1).flatten(1)
        return self.scale * (_soft_maximum(cosines) + self.shift)

    def similarity(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """(B, 256, h, w), (M, 128) -> (B, M): the soft maximum of each map's cosines with each sound."""
        return _soft_maximum(torch.einsum("bdp,md->bpm", seen[:, :EMBEDDING_DIM].flatten(2), heard))

    def similarities(self, seen: torch.Tensor, heard: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 256, h, w), (M, 128) -> (B, M) twice: of the best place, and of the whole picture."""
        return self.similarity(seen, heard), self.image_vectors(seen) @ heard.T

    @torch.no_grad()
    def start(self, images: torch.Tensor, spectrograms: torch.Tensor) -> None:
        """Centre the vectors of a batch's pictures and sounds, and put the threshold at the mean of its pairs."""
        whole = self._vectors(global_max(self.vision(images))[:, :, None, None])
        lower_bias(self.conv6, whole.mean(dim=(0, 2, 3)))
        lower_bias(self.audio_head[2], self.vector_of(spectrograms).mean(dim=0))
        self.scale.fill_(INITIAL_SCALE)
        self.shift.sub_(self.log_odds(self.see(images), self.hear(spectrograms)).mean() / INITIAL_SCALE)


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


def _soft_maximum(cosines: torch.Tensor) -> torch.Tensor:
    """(B, P, ...) of P places -> (B, ...): their mean, weighed by a softmax, so that all good places learn."""
    return (torch.softmax(PLACE_SHARPNESS * cosines, dim=1) * cosines).sum(dim=1)
