"""AVE+MF: AVE-Net whose vision tower sees a second of frames ("Objects that Sound", section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from avsearch.models.ave import AVENet

_FIRST_STRIDES = ((2, 2, 2), (2, 1, 1))  # of conv1_1 and conv1_2, over time, height and width
_POOLS = ((2, 2, 2), (1, 2, 2), (1, 2, 2))


class AVEMultiFrameNet(AVENet):
    """AVE-Net over 25 frames: the sound's tower, both heads and the distance are AVE-Net's own.

    Args:
        widths: channels of the four blocks of both towers.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(widths, vision=TimeTower(3, widths))


class TimeTower(nn.Module):
    """The vision tower with 3-D convolutions: (B, 3, T, H, W) -> (B, widths[3], t, h, w); 25 frames give t = 3.

    The paper says that the convolutions become three-dimensional, and nothing more. Here each 3x3 becomes 3x3x3;
    over height and width nothing changes, so 224 x 224 still gives 14 x 14. Time is halved by conv1_1, conv1_2 and
    pool1, 25 -> 13 -> 7 -> 3, and then stays: by then a unit has seen half a second, later kernels of three
    still have three steps to look at, and the global maximum takes time away. It is early because most of
    the arithmetic is in the first block: halved by pools instead, a step takes nearly twice as long on a CPU.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for index, width in enumerate(widths):
            before = widths[index - 1] if index else in_channels
            first, second = ((1, 1, 1), (1, 1, 1)) if index else _FIRST_STRIDES
            pool = [nn.MaxPool3d(_POOLS[index - 1])] if index else []
            blocks.append(
                nn.Sequential(*pool, *_conv_unit(before, width, first), *_conv_unit(width, width, second))
            )
        self.blocks = nn.Sequential(*blocks)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.blocks(frames)
        return features


def _conv_unit(in_channels: int, out_channels: int, stride: tuple[int, int, int]) -> tuple[nn.Module, ...]:
    """A 3x3x3 convolution with padding 1, batch norm, ReLU."""
    conv = nn.Conv3d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
    return conv, nn.BatchNorm3d(out_channels), nn.ReLU(inplace=True)
