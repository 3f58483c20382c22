"""Networks whose vectors are brought into one space by canonical correlation analysis (`avsearch align`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import nn

from avsearch.front_end import FrontEnd
from avsearch.models.network import Embedder, unit_rows

ARCHITECTURE = "cca"
IMAGE, AUDIO, SHARED = "image", "audio", "shared"
"""What the parts are called: the one that sees, the one that hears, or one that does both."""

SOUND_FIELDS = ("window", "hop", "n_fft", "num_bands", "log_floor", "log_mean", "log_std")


class Projection(nn.Module):
    """Features of one side into the common space: less their mean, times a matrix.

    Args:
        in_dim: length D of the features.
        out_dim: number K of components.
    """

    mean: torch.Tensor
    matrix: torch.Tensor

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(in_dim))
        self.register_buffer("matrix", torch.zeros(in_dim, out_dim))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, D) -> (B, K) float32; in full precision, since whitening enlarges what is small."""
        with torch.autocast(features.device.type, enabled=False):
            return (features.float() - self.mean) @ self.matrix


class AlignedNetwork(Embedder):
    """One network that sees and hears, or one that sees and one that hears; each side has its projection.

    What is projected are the networks' own vectors for search, of length 1: L3-Net's 512-D pool4, VGG16's 4096-D
    last hidden layer. "Objects that Sound" searches L3-Net by them, and so the two rows of its table differ in
    nothing but the projection; a length, which says how loud or how rich in contrast, would also outweigh
    direction in a covariance. The projected vectors are L2-normalised, as the paper says.

    Args:
        parts: either `shared`, or `image` and `audio`.
        num_components: length K of the vectors.

    Raises:
        KeyError: the parts have other names.
    """

    def __init__(self, parts: Mapping[str, Embedder], num_components: int) -> None:
        super().__init__()
        self.dim = num_components
        self._sees, self._hears = (SHARED, SHARED) if SHARED in parts else (IMAGE, AUDIO)
        self.image_projection = Projection(parts[self._sees].dim, num_components)
        self.audio_projection = Projection(parts[self._hears].dim, num_components)
        for name in dict.fromkeys((self._sees, self._hears)):
            self.add_module(name, parts[name])

    def embed_images(self, images: torch.Tensor) -> torch.Tensor:
        """What the part that sees takes -> (B, K) float32 unit rows."""
        part = cast(Embedder, self.get_submodule(self._sees))
        return unit_rows(self.image_projection(part.embed_images(images)))

    def embed_sounds(self, spectrograms: torch.Tensor) -> torch.Tensor:
        part = cast(Embedder, self.get_submodule(self._hears))
        return unit_rows(self.audio_projection(part.embed_sounds(spectrograms)))


def joined_front_end(image: FrontEnd, audio: FrontEnd) -> FrontEnd:
    """What is asked of pictures by one network and of sounds by another."""
    return replace(image, **{name: getattr(audio, name) for name in SOUND_FIELDS})
