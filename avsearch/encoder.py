"""Frames or sounds -> unit vectors, by the network of one weights file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avsearch import features
from avsearch.device import choose_device, fast_bfloat16
from avsearch.flow import flow_images
from avsearch.front_end import FrontEnd
from avsearch.models.header import WeightsHeader
from avsearch.models.network import Embedder
from avsearch.moments import Modality

CPU_BATCH = 16  # fits into a core's cache; on one core, sounds of size small: 700 a second against 515 with 64
GPU_BATCH = 256
_NORMS = torch.nn.BatchNorm2d | torch.nn.BatchNorm3d


class Encoder:
    """A loaded network; it declares what it needs through `header` and `front_end`."""

    def __init__(self, network: Embedder, header: WeightsHeader, device: torch.device) -> None:
        self._network = network
        self._device = device
        self._num_threads = torch.get_num_threads()
        self.header = header

    @property
    def front_end(self) -> FrontEnd:
        return self.header.front_end

    def batch_size(self, modality: Modality) -> int:
        """How many moments go through the network at once; one of many frames counts as many."""
        size = CPU_BATCH if self._device.type == "cpu" else GPU_BATCH
        return size if modality is Modality.AUDIO else max(size // self.front_end.num_frames, 1)

    @property
    def num_at_once(self) -> int:
        """How many threads may encode at the same time: as many as cores, or one for a GPU."""
        return self._num_threads if self._device.type == "cpu" else 1

    def work_alone(self) -> None:
        """From now on the calling thread computes on its own core alone, as do those that start later.

        Two threads that share each operation wait for each other whenever a third process takes a core;
        two that have an operation each do not.
        """
        if self._device.type == "cpu":
            torch.set_num_threads(1)

    def work_together(self) -> None:
        """Threads share each operation again, as when the encoder was loaded."""
        torch.set_num_threads(self._num_threads)

    def encode_images(self, frames: np.ndarray) -> np.ndarray:
        """Squares of the moments (`front_end.centre_square`) -> (B, D) float32 unit rows.

        They are (B, side, side, 3) uint8; or (B, T, side, side, 3) where the front end asks for T frames around a
        moment; flow is computed here if it asks for that.
        """

        def embed(batch: np.ndarray) -> torch.Tensor:
            seen = flow_images(batch) if self.front_end.flow else batch
            images = features.image_tensor(self._on_device(seen), self.front_end)
            return self._network.embed_images(features.channels_last(images))

        return self._encode(frames, embed, self.batch_size(Modality.IMAGE))

    def encode_sounds(self, waveforms: np.ndarray) -> np.ndarray:
        """(B, 48000) float32 at 48 kHz -> (B, D) float32 unit rows."""

        def embed(batch: np.ndarray) -> torch.Tensor:
            return self._network.embed_sounds(features.log_spectrogram(self._on_device(batch), self.front_end))

        return self._encode(waveforms, embed, self.batch_size(Modality.AUDIO))

    @torch.inference_mode()
    def _encode(self, inputs: np.ndarray, embed: Callable[[np.ndarray], torch.Tensor], size: int) -> np.ndarray:
        vectors = [np.zeros((0, self.header.dim), np.float32)]
        for first in range(0, len(inputs), size):
            with torch.autocast(self._device.type, torch.bfloat16, enabled=fast_bfloat16(self._device)):
                vectors.append(embed(inputs[first : first + size]).float().cpu().numpy())
        return np.concatenate(vectors)

    def _on_device(self, batch: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(batch)).to(self._device)  # a copy: torch wants arrays that can be written


def load_encoder(path: Path, device: str = "auto") -> Encoder:
    """Load a weights file for encoding: batch norm folded into the convolutions, channels last.

    Args:
        path: the weights file.
        device: `auto` (a GPU when there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        WeightsError: the file cannot be used.
        UsageError: there is no such device.
    """
    from avsearch.models.networks import load_network  # noqa: PLC0415  (encoding itself needs torch and NumPy alone)

    network, header = load_network(path)
    return encoder_of(network, header, choose_device(device))


def encoder_of(network: Embedder, header: WeightsHeader, device: torch.device) -> Encoder:
    """A network in evaluation mode made ready to encode; it is changed for good."""
    _fold_batch_norms(network)
    network.to(device)
    for parameter in network.parameters():
        parameter.data = features.channels_last(parameter.data)
    return Encoder(network, header, device)


def _fold_batch_norms(network: torch.nn.Module) -> None:
    """Each convolution takes over the scale and shift of the batch norm behind it; the output is the same."""
    for sequence in (part for part in network.modules() if isinstance(part, torch.nn.Sequential)):
        for index in range(1, len(sequence)):
            before, norm = sequence[index - 1], sequence[index]
            if isinstance(before, torch.nn.Conv2d | torch.nn.Conv3d) and isinstance(norm, _NORMS):
                sequence[index - 1] = fuse_conv_bn_eval(before, norm)
                sequence[index] = torch.nn.Identity()
