"""A checkpoint of torchvision's VGG16 -> one weights file of avsearch."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from avsearch.errors import WeightsError
from avsearch.front_end import PAPER_FRONT_END
from avsearch.models.header import WeightsHeader
from avsearch.models.networks import save_network
from avsearch.models.vgg16 import VGG16, VGG16_HIDDEN, VGG16_WIDTHS
from avsearch.moments import Modality

VGG16_FRONT_END = replace(PAPER_FRONT_END, pixel_mean=(0.485, 0.456, 0.406), pixel_std=(0.229, 0.224, 0.225))
"""A square of 224 out of 256 pixels, standardised as torchvision's checkpoints expect; of sound it asks nothing."""

_HINT = (
    "Give the state dict of torchvision's VGG16: `torch.save(torchvision.models.vgg16(weights=...).state_dict(), "
    "FILE)` writes one."
)


def import_vgg16(
    checkpoint: Path, out: Path, *, widths: Sequence[int] = VGG16_WIDTHS, hidden: int = VGG16_HIDDEN
) -> WeightsHeader:
    """Check a checkpoint and write it as a weights file; returns its header.

    Args:
        checkpoint: a `.safetensors` file, or one that `torch.save` wrote, of which only tensors are read: it runs
            no code.
        out: the weights file.
        widths: channels of the five blocks; anything but VGG16's own is for tests.
        hidden: length of the hidden layers; likewise.

    Raises:
        WeightsError: the checkpoint cannot be read or does not fit, or the weights file cannot be written.
    """
    tensors = _read(checkpoint)
    with torch.device("meta"):
        network = VGG16(widths, hidden)
    _require_same(checkpoint, tensors, network)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    header = WeightsHeader(
        architecture="vgg16",
        widths=tuple(widths),
        size="paper",
        dim=hidden,
        modalities=(Modality.IMAGE,),
        num_frames=1,
        front_end=VGG16_FRONT_END,
        recipe={"name": "vgg16"},
        provenance={"checkpoint": checkpoint.name},
    )
    return save_network(out, network, header)


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    """The tensors of a file; `torch.load` is kept to tensors and plain containers."""
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such checkpoint.", hint=_HINT)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}).", hint=_HINT) from error
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError) as error:
        raise WeightsError(f"{path}: is neither safetensors nor a checkpoint of tensors.", hint=_HINT) from error
    tensors = found.get("state_dict", found) if isinstance(found, dict) else {}
    return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor)}


def _require_same(path: Path, tensors: Mapping[str, torch.Tensor], network: VGG16) -> None:
    """Name the first tensor that is missing, strange, or of another shape."""
    wanted = network.state_dict()
    for name, like in wanted.items():
        if name not in tensors:
            raise WeightsError(f"{path}: lacks the tensor {name}, so it is no VGG16 of torchvision.", hint=_HINT)
        if tensors[name].shape != like.shape:
            shapes = " and not ".join(str(tuple(it.shape)) for it in (tensors[name], like))
            raise WeightsError(f"{path}: its tensor {name} is of shape {shapes}.", hint=_HINT)
    if strange := sorted(set(tensors) - set(wanted)):
        raise WeightsError(
            f"{path}: has a tensor {strange[0]} that VGG16 does not have; with batch norm it is another network.",
            hint=_HINT,
        )
