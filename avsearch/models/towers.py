"""The two convolutional towers that all networks of the papers share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

EMBEDDING_DIM = 128
PAPER_WIDTHS = (64, 128, 256, 512)
SMALL_WIDTHS = (32, 64, 128, 256)


class Tower(nn.Module):
    """Four blocks of two 3x3 convolutions, 2x2 max pools between them: (B, C, H, W) -> (B, widths[3], h, w).

    The first convolution has stride 2; every convolution is followed by batch norm and ReLU. 224 x 224 gives
    14 x 14, 257 x 200 gives 16 x 12 ("Objects that Sound", figure 2).
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for index, width in enumerate(widths):
            before = widths[index - 1] if index else in_channels
            stride = 1 if index else 2
            pool = [nn.MaxPool2d(2)] if index else []
            blocks.append(nn.Sequential(*pool, *conv_unit(before, width, stride), *conv_unit(width, width)))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.blocks(inputs)
        return features


def conv_unit(in_channels: int, out_channels: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """A 3x3 convolution with padding 1, batch norm, ReLU; the norm's shift replaces the bias."""
    conv = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
    return conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)


def global_max(features: torch.Tensor) -> torch.Tensor:
    """pool4: (B, C, h, w) or (B, C, t, h, w) -> (B, C), the maximum over the whole map and all time."""
    return features.amax(dim=tuple(range(2, features.ndim)))


def head(width: int) -> nn.Sequential:
    """fc1, ReLU, fc2: (B, width) -> (B, 128)."""
    return nn.Sequential(nn.Linear(width, EMBEDDING_DIM), nn.ReLU(), nn.Linear(EMBEDDING_DIM, EMBEDDING_DIM))


@torch.no_grad()
def lower_bias(layer: nn.Module, by: torch.Tensor) -> None:
    """Subtract (channels,) from what a layer adds."""
    assert isinstance(layer.bias, nn.Parameter)
    layer.bias.sub_(by)


@torch.no_grad()
def scale_output(layer: nn.Module, by: torch.Tensor) -> None:
    """Multiply all that a linear layer puts out by a number."""
    for parameter in layer.parameters():
        parameter.mul_(by)
