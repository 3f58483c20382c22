"""Frames or sounds -> unit vectors, by the network of one weights file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avsearch import features
from avsearch.device import choose_device, fast_bfloat16
from avsearch.front_end import FrontEnd
from avsearch.models.network import Embedder
from avsearch.models.networks import load_network
from avsearch.models.weights import WeightsHeader

CPU_BATCH = 16  # fits into a core's cache; on one core, sounds of size small: 700 a second against 515 with 64
GPU_BATCH = 256


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

    @property
    def batch_size(self) -> int:
        """How many moments go through the network at once; more are cut up."""
        return CPU_BATCH if self._device.type == "cpu" else GPU_BATCH

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
        """(B, side, side, 3) uint8 squares (`front_end.centre_square`) -> (B, D) float32 unit rows."""

        def embed(batch: torch.Tensor) -> torch.Tensor:
            images = features.image_tensor(batch, self.front_end)
            return self._network.embed_images(images.contiguous(memory_format=torch.channels_last))

        return self._encode(frames, embed)

    def encode_sounds(self, waveforms: np.ndarray) -> np.ndarray:
        """(B, 48000) float32 at 48 kHz -> (B, D) float32 unit rows."""

        def embed(batch: torch.Tensor) -> torch.Tensor:
            return self._network.embed_sounds(features.log_spectrogram(batch, self.front_end))

        return self._encode(waveforms, embed)

    @torch.inference_mode()
    def _encode(self, inputs: np.ndarray, embed: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
        vectors = [np.zeros((0, self.header.dim), np.float32)]
        for first in range(0, len(inputs), self.batch_size):
            batch = torch.from_numpy(np.array(inputs[first : first + self.batch_size])).to(self._device)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=fast_bfloat16(self._device)):
                vectors.append(embed(batch).float().cpu().numpy())
        return np.concatenate(vectors)


def load_encoder(path: Path, device: str = "auto") -> Encoder:
    """Load a weights file for encoding: batch norm folded into the convolutions, channels last.

    Args:
        path: the weights file.
        device: `auto` (a GPU when there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        WeightsError: the file cannot be used.
        UsageError: there is no such device.
    """
    network, header = load_network(path)
    target = choose_device(device)
    _fold_batch_norms(network)
    network.to(target)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    return Encoder(network, header, target)


def _fold_batch_norms(network: torch.nn.Module) -> None:
    """Each convolution takes over the scale and shift of the batch norm behind it; the output is the same."""
    for sequence in (part for part in network.modules() if isinstance(part, torch.nn.Sequential)):
        for index in range(1, len(sequence)):
            before, norm = sequence[index - 1], sequence[index]
            if isinstance(before, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
                sequence[index - 1] = fuse_conv_bn_eval(before, norm)
                sequence[index] = torch.nn.Identity()
