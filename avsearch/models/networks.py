"""Networks from weights files and back; one table says which architectures there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from avsearch.errors import WeightsError
from avsearch.models.aligned import AlignedNetwork
from avsearch.models.ave import AVENet
from avsearch.models.ave_mf import AVEMultiFrameNet
from avsearch.models.ave_of import AVEFlowNet
from avsearch.models.avol import AttentionAVOLNet, AVOLNet, CosineAVOLNet
from avsearch.models.header import Part, WeightsHeader
from avsearch.models.l3 import L3Net
from avsearch.models.network import Embedder, Network
from avsearch.models.vgg16 import VGG16
from avsearch.models.weights import TRAIN_HINT, read_usable_header, save_weights, verify_weights

NETWORKS: dict[str, Callable[[Sequence[int]], Network]] = {
    "ave": AVENet,
    "l3": L3Net,
    "avol": AVOLNet,
    "avol-cosine": CosineAVOLNet,
    "avol-attention": AttentionAVOLNet,
    "ave-mf": AVEMultiFrameNet,
    "ave-of": AVEFlowNet,
}
"""The networks that can be trained here."""


def build_network(header: WeightsHeader) -> Embedder:
    """The network that a header describes, with random weights.

    Raises:
        LookupError, RuntimeError: there is no such network of these widths or parts.
    """
    if header.parts:
        return AlignedNetwork({part.name: build_network(_alone(header, part)) for part in header.parts}, header.dim)
    if header.architecture == "vgg16":
        return VGG16(header.widths, header.dim)
    return NETWORKS[header.architecture](header.widths)


def save_network(path: Path, network: torch.nn.Module, header: WeightsHeader) -> WeightsHeader:
    """Write a network as one weights file; returns the header with its fingerprint."""
    state = network.state_dict()
    return save_weights(path, {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}, header)


def load_network(path: Path) -> tuple[Embedder, WeightsHeader]:
    """Build the network that a weights file describes and fill it, on the CPU, in evaluation mode.

    Raises:
        WeightsError: the file is damaged, or of an architecture that this version does not know.
    """
    header = read_usable_header(path)
    verify_weights(path)
    try:
        network = build_network(header)
        network.load_state_dict(load_file(path))
    except (RuntimeError, LookupError) as error:
        raise WeightsError(
            f"{path}: its tensors do not fit the architecture {header.architecture} that its header names.",
            hint=TRAIN_HINT,
        ) from error
    return network.eval(), header


def _alone(header: WeightsHeader, part: Part) -> WeightsHeader:
    """The header of one part, as far as building it goes."""
    return replace(header, architecture=part.architecture, widths=part.widths, dim=part.dim, parts=())
