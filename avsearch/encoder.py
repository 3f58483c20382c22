"""Frames or sounds -> unit vectors, or what a pair of them makes, by the network of one weights file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avsearch import features
from avsearch.device import choose_device, fast_bfloat16
from avsearch.flow import flow_images
from avsearch.front_end import FrontEnd
from avsearch.models.avol import AVOLNet
from avsearch.models.header import WeightsHeader
from avsearch.models.network import Embedder, Network
from avsearch.moments import Modality

CPU_BATCH = 16  # fits into a core's cache; on one core, sounds of size small: 700 a second against 515 with 64
GPU_BATCH = 256
_Preparation = Callable[[np.ndarray], torch.Tensor]
_Judgement = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
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
        moment; or, if it asks for flow, (B, side, side, 3 + 2 (T - 1)) as `media.read_looks` gives them. Of bare
        squares of T frames the flow is computed here: near their edges it is less sure than that of whole frames.
        """
        return self._encode(
            frames, lambda batch: self._network.embed_images(self._images(batch)), self.batch_size(Modality.IMAGE)
        )

    def encode_sounds(self, waveforms: np.ndarray) -> np.ndarray:
        """(B, 48000) float32 at 48 kHz -> (B, D) float32 unit rows."""
        return self._encode(
            waveforms,
            lambda batch: self._network.embed_sounds(self._sounds(batch)),
            self.batch_size(Modality.AUDIO),
        )

    @property
    def judges(self) -> bool:
        """Whether the network says of a picture and a sound if they belong together."""
        return isinstance(self._network, Network)

    @property
    def has_map(self) -> bool:
        """Whether it says where in the picture the sound comes from."""
        return isinstance(self._network, AVOLNet)

    def log_odds(self, frames: np.ndarray, sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The network's own judgement of B pairs, above 0 for "they belong together".

        Args:
            frames: as in `encode_images`; each is seen once.
            sounds: what each is paired with, (B, 48000) float32 at 48 kHz each.

        Returns:
            (B,) float32 for each of `sounds`.

        Raises:
            TypeError: the network judges no pairs.
        """
        if not isinstance(self._network, Network):
            raise TypeError(f"{self.header.architecture} judges no pairs")
        return self._of_pairs(self._network, frames, sounds, images=self._images, judge=self._network.log_odds)

    def answers(self, frames: np.ndarray, sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The log-odds that each place of a picture makes a sound.

        Args:
            frames: (B, H, W, 3) uint8 of any one size; their scale is that of `front_end.short_side`. Each is seen
                once.
            sounds: what each is asked with, (B, 48000) float32 at 48 kHz each.

        Returns:
            (B, H // 16, W // 16) float32 for each of `sounds`, where the network's stride is 16.

        Raises:
            TypeError: the network has no map.
        """
        if not isinstance(self._network, AVOLNet):
            raise TypeError(f"{self.header.architecture} has no map")
        return self._of_pairs(self._network, frames, sounds, images=self._whole, judge=self._network.answers)

    @torch.inference_mode()
    def _of_pairs(
        self,
        network: Network,
        frames: np.ndarray,
        sounds: Sequence[np.ndarray],
        *,
        images: _Preparation,
        judge: _Judgement,
    ) -> list[np.ndarray]:
        """See and hear as when encoding, then judge in float32, as in training; B is at least 1."""
        size = self.batch_size(Modality.IMAGE)
        judged: list[list[np.ndarray]] = [[] for _ in sounds]
        for first in range(0, len(frames), size):
            batch = slice(first, first + size)
            with self._autocast():
                seen = network.see(images(frames[batch]))
                heard = [network.hear(self._sounds(waveforms[batch])) for waveforms in sounds]
            for parts, one in zip(judged, heard, strict=True):
                parts.append(judge(seen, one).float().cpu().numpy())
        return [np.concatenate(parts) for parts in judged]

    @torch.inference_mode()
    def _encode(self, inputs: np.ndarray, embed: Callable[[np.ndarray], torch.Tensor], size: int) -> np.ndarray:
        vectors = [np.zeros((0, self.header.dim), np.float32)]
        for first in range(0, len(inputs), size):
            with self._autocast():
                vectors.append(embed(inputs[first : first + size]).float().cpu().numpy())
        return np.concatenate(vectors)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=fast_bfloat16(self._device))

    def _images(self, frames: np.ndarray) -> torch.Tensor:
        seen = flow_images(frames) if self.front_end.flow and frames.ndim == 5 else frames
        return features.channels_last(features.image_tensor(self._on_device(seen), self.front_end))

    def _whole(self, frames: np.ndarray) -> torch.Tensor:
        """Frames of any shape: each is set into a square, which is what `features` knows, and cut out again."""
        _, height, width, _ = frames.shape
        side = max(height, width)
        squares = np.pad(frames, ((0, 0), (0, side - height), (0, side - width), (0, 0)))
        of_side = replace(self.front_end, image_side=side, short_side=side)
        images = features.image_tensor(self._on_device(squares), of_side)
        return features.channels_last(images[:, :, :height, :width])

    def _sounds(self, waveforms: np.ndarray) -> torch.Tensor:
        return features.log_spectrogram(self._on_device(waveforms), self.front_end)

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
