"""AVE+OF: AVE-Net that sees a frame and the optical flow around it ("Objects that Sound", section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from avsearch.front_end import FLOW_FRAMES
from avsearch.models.ave import AVENet
from avsearch.models.towers import Tower, conv_unit

_COLOURS = 3
FLOW_CHANNELS = 2 * (FLOW_FRAMES - 1)  # 20: x and y of ten flows


class AVEFlowNet(AVENet):
    """AVE-Net over one frame and ten flows: the sound's tower, both heads and the distance are AVE-Net's own.

    Args:
        widths: channels of the four blocks of both towers.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(widths, vision=FlowTower(widths))


class FlowTower(nn.Module):
    """A trunk of three blocks for the frame and one for the flow, joined: (B, 23, H, W) -> (B, widths[3], h, w).

    Both trunks are the vision tower's own as far as pool3; their channels are put side by side (512 in size
    `paper`), and conv4_1 and conv4_2 see them together. How the flow enters its trunk is not stated: its 20
    channels take the place of the three colours.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.frame = Tower(_COLOURS, widths[:3])
        self.flow = Tower(FLOW_CHANNELS, widths[:3])
        self.pool3 = nn.MaxPool2d(2)
        self.block4 = nn.Sequential(*conv_unit(2 * widths[2], widths[3]), *conv_unit(widths[3], widths[3]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Channels 0 to 2 are the frame, the others its flow."""
        both = torch.cat([self.frame(images[:, :_COLOURS]), self.flow(images[:, _COLOURS:])], dim=1)
        joined: torch.Tensor = self.block4(self.pool3(both))
        return joined
