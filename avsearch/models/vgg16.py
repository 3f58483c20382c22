"""VGG16 ("Very Deep Convolutional Networks", Simonyan and Zisserman 2015), the papers' measure from labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from avsearch.errors import UsageError
from avsearch.models.network import Embedder, unit_rows

VGG16_WIDTHS = (64, 128, 256, 512, 512)
VGG16_HIDDEN = 4096
IMAGENET_CLASSES = 1000
_CONVS = (2, 2, 3, 3, 3)  # of each block
_MAP_SIDE = 7  # of what the classifier reads; 224 pixels give just that


class VGG16(Embedder):
    """Thirteen convolutions and three layers, under the names that torchvision gives its tensors.

    It is not trained here: `avsearch import vgg16` reads a checkpoint that learnt ImageNet's labels. A picture's
    vector is the last hidden layer (fc7 after its ReLU, 4096-D), normalised, as in the papers' tables. It hears
    nothing. Its last layer, the classifier, is kept so that a checkpoint is held whole.

    Args:
        widths: channels of its five blocks.
        hidden: length of its two hidden layers.
    """

    def __init__(self, widths: Sequence[int] = VGG16_WIDTHS, hidden: int = VGG16_HIDDEN) -> None:
        super().__init__()
        self.dim = hidden
        layers: list[nn.Module] = []
        channels = 3
        for width, num_convs in zip(widths, _CONVS, strict=True):
            for _ in range(num_convs):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(_MAP_SIDE)
        self.classifier = nn.Sequential(
            nn.Linear(channels * _MAP_SIDE**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, IMAGENET_CLASSES),
        )

    def embed_images(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float32 -> (B, 4096) float32 unit rows."""
        maps = self.avgpool(self.features(images))
        return unit_rows(self.classifier[:5](maps.flatten(1)))

    def embed_sounds(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Refuse.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"VGG16 sees pictures and hears no sound, so it cannot encode {len(spectrograms)} of them.",
            hint="Ask with a picture, or join it with a network that hears: `avsearch align`.",
        )
