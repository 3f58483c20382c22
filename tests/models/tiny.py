"""Networks small enough for tests, and the weights files that hold them."""

from dataclasses import replace

import torch

from avsearch.front_end import FrontEnd
from avsearch.models.ave import AVENet
from avsearch.models.header import WeightsHeader
from avsearch.models.networks import save_network
from avsearch.moments import Modality

WIDTHS = (4, 8, 8, 8)
FRONT_END = FrontEnd(image_side=32, short_side=36, window=480, hop=480, n_fft=512, num_bands=0)
HEADER = WeightsHeader(
    architecture="ave",
    widths=WIDTHS,
    size="small",
    dim=128,
    modalities=(Modality.IMAGE, Modality.AUDIO),
    num_frames=1,
    front_end=FRONT_END,
    recipe={"name": "ave-nce"},
    provenance={"seed": 0},
)


def network(widths=WIDTHS, seed=0):
    """An AVE-Net whose batch norms are far from the identity, in evaluation mode."""
    torch.manual_seed(seed)
    return shaken(AVENet(widths))


def shaken(net):
    """The network with random batch norms, in evaluation mode."""
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            torch.nn.init.normal_(part.running_mean, std=0.1)
            torch.nn.init.uniform_(part.running_var, 0.3, 1.5)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, std=0.1)
    return net.eval()


def save(path, net=None, **changes):
    """Write a weights file; `changes` are of its header."""
    return save_network(path, net or network(), replace(HEADER, **changes))
