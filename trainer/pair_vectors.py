"""The vectors that networks make of pairs of frames and seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avsearch import features
from avsearch.device import choose_device, fast_bfloat16
from avsearch.errors import UsageError, WeightsError
from avsearch.models.aligned import ARCHITECTURE, AUDIO, IMAGE, SHARED
from avsearch.models.header import WeightsHeader
from avsearch.models.network import Embedder
from avsearch.models.networks import load_network
from avsearch.models.weights import read_usable_header
from avsearch.moments import Modality, Progress
from trainer.batches import Pairs
from trainer.dataset import Clips, validation_pairs

PAIRS_PER_CLIP = 4
_MEDIA_AT_A_TIME = 4
_ROWS = 64


@dataclass(frozen=True)
class PairVectors:
    """Of N pairs: `x` (N, Dx) and `y` (N, Dy) float32 unit rows; `media` (N,) int64 numbers their videos."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    media: NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """A loaded network and what its file says."""

    network: Embedder
    header: WeightsHeader


@dataclass(frozen=True)
class Networks:
    """Who sees and who hears; the same one twice where one does both."""

    image: Side
    audio: Side
    device: torch.device

    @property
    def parts(self) -> dict[str, Side]:
        """Each network once, by the name of its part in a weights file."""
        return {SHARED: self.image} if self.image is self.audio else {IMAGE: self.image, AUDIO: self.audio}

    @torch.inference_mode()
    def embed(self, batch: Pairs) -> PairVectors:
        """Pairs -> what is searched by, computed as in use."""
        seen, heard = [], []
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast_bfloat16(self.device)):
            for frames, sounds in zip(
                torch.split(batch.frames, _ROWS), torch.split(batch.sounds, _ROWS), strict=True
            ):
                images = features.image_tensor(frames.to(self.device), self.image.header.front_end)
                spectrograms = features.log_spectrogram(sounds.to(self.device), self.audio.header.front_end)
                seen.append(self.image.network.embed_images(images).cpu().numpy())
                heard.append(self.audio.network.embed_sounds(spectrograms).cpu().numpy())
        return PairVectors(np.concatenate(seen), np.concatenate(heard), batch.media.numpy())


def load_networks(models: Sequence[Path], device: str) -> Networks:
    """Load the one that does both, or the one for pictures and the one for sounds.

    Raises:
        UsageError: not one or two models, or there is no such device.
        WeightsError: a model cannot be used, is aligned already, or lacks its modality.
    """
    if len(models) not in {1, 2}:
        raise UsageError(
            f"{len(models)} models cannot be aligned.",
            hint="Name one for pictures and sounds, or one for pictures and then one for sounds.",
        )
    target = choose_device(device)
    needed = [(models[0], Modality.IMAGE), (models[-1], Modality.AUDIO)]
    for path, modality in needed:
        _refuse_unfit(read_usable_header(path), path, modality)
    image = Side(*load_network(models[0]))
    audio = Side(*load_network(models[-1]))
    if image.header.fingerprint == audio.header.fingerprint:
        audio = image
    for side in (image, audio):
        side.network.to(target)
    return Networks(image, audio, target)


def pair_vectors(networks: Networks, clips: Clips, progress: Progress) -> Iterator[PairVectors]:
    """Of evenly spaced pairs of every clip, some media at a time."""
    for numbers in np.array_split(np.arange(clips.num_media), max(clips.num_media // _MEDIA_AT_A_TIME, 1)):
        chosen = np.flatnonzero(np.isin(clips.media, numbers))
        some = Clips([clips.clips[int(index)] for index in chosen], clips.media[chosen], clips.checked[chosen])
        batch = validation_pairs(some, networks.image.header.front_end, pairs_per_clip=PAIRS_PER_CLIP)
        yield networks.embed(batch)
        progress.advance(len(numbers))


def _refuse_unfit(header: WeightsHeader, path: Path, modality: Modality) -> None:
    if header.architecture == ARCHITECTURE:
        raise WeightsError(f"{path}: is aligned already.", hint="Name the models that it was made of.")
    if modality not in header.modalities:
        raise WeightsError(
            f"{path}: makes no vectors of {'pictures' if modality is Modality.IMAGE else 'sounds'}.",
            hint="Name a model for pictures first and one for sounds second; one model alone has to do both.",
        )
