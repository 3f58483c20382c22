"""What every network does: give vectors to search with; those that are trained here also judge pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn


class Embedder(nn.Module, ABC):
    """What an encoder needs of a network; of which modalities, the header of its weights says.

    Attributes:
        dim: length D of the vectors that are searched.
    """

    dim: int

    @abstractmethod
    def embed_images(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float32 -> (B, D) float32 unit rows."""

    @abstractmethod
    def embed_sounds(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) float32 -> (B, D) float32 unit rows."""


class Network(Embedder):
    """A network that judges whether a picture and a sound belong together.

    What it makes of a batch of pictures ("seen") and of sounds ("heard") has a first dimension B; the rest is its
    own affair: rows, or maps. Objectives use the methods below, and so suit any network.

    Attributes:
        judgement_teaches: whether a contrast lets the judgement of pairs, beside it, change what is seen and heard.
    """

    judgement_teaches = False

    @abstractmethod
    def see(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float32 -> (B, ...) float32."""

    @abstractmethod
    def hear(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """(B, 1, rows, columns) float32 -> (B, ...) float32."""

    @abstractmethod
    def log_odds(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """Seen and heard of B pairs -> (B,): the logarithm of the odds that each pair corresponds."""

    @abstractmethod
    def image_vectors(self, seen: torch.Tensor) -> torch.Tensor:
        """Seen -> (B, D) float32 unit rows; they do not depend on any sound."""

    @abstractmethod
    def sound_vectors(self, heard: torch.Tensor) -> torch.Tensor:
        """Heard -> (B, D) float32 unit rows."""

    def similarity(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """Seen of B pictures, heard of M sounds -> (B, M) in [-1, 1], what a contrast compares."""
        return self.image_vectors(seen) @ self.sound_vectors(heard).T

    def similarities(self, seen: torch.Tensor, heard: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All that a contrast compares, (B, M) each; a network that can compare in several ways learns by each."""
        return (self.similarity(seen, heard),)

    def start(self, images: torch.Tensor, spectrograms: torch.Tensor) -> None:
        """Set what the first batch has to be measured for; called once, before the first step."""

    def embed_images(self, images: torch.Tensor) -> torch.Tensor:
        return self.image_vectors(self.see(images))

    def embed_sounds(self, spectrograms: torch.Tensor) -> torch.Tensor:
        return self.sound_vectors(self.hear(spectrograms))

    def forward(self, images: torch.Tensor, spectrograms: torch.Tensor) -> torch.Tensor:
        return self.log_odds(self.see(images), self.hear(spectrograms))


def unit_rows(vectors: torch.Tensor) -> torch.Tensor:
    """(B, D) -> (B, D) float32 of length 1."""
    return nn.functional.normalize(vectors.float(), dim=1)
