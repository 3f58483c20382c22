"""How well a network tells true pairs from false ones on held-out media."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from avsearch import features, metrics
from avsearch.device import fast_bfloat16
from avsearch.front_end import FrontEnd
from avsearch.models.network import Network
from trainer.batches import Pairs

_ROWS = 64
_K = 30


@dataclass(frozen=True)
class Validation:
    """Figures over all pairs of held-out frames and seconds.

    Attributes:
        avc_accuracy: part of pairs judged right, where positives and negatives weigh half each.
        nearer: how often a frame lies nearer to its own second than to one of another video (0.5: chance).
        ndcg: nDCG@30 where only a frame's own second is relevant, and the other way round; seconds of the same
            video are no candidates. Mean over both directions and all pairs.
    """

    avc_accuracy: float
    nearer: float
    ndcg: float


@torch.inference_mode()
def validate(network: Network, batch: Pairs, front_end: FrontEnd, device: torch.device) -> Validation:
    """Judge every frame with every second, in evaluation mode; pairs of one video, but its own, are left out."""
    network.eval()
    seen, heard = perceive(network, batch, front_end, device)
    negative = batch.media[:, None] != batch.media[None, :]
    says_yes = _says_yes(network, seen, heard)
    cosine = (network.image_vectors(seen) @ network.sound_vectors(heard).T).cpu()
    network.train()
    nearer = (cosine.diagonal()[:, None] > cosine)[negative].float().mean()
    return Validation(
        avc_accuracy(says_yes.diagonal(), says_yes[negative]),
        float(nearer),
        ndcg_by_pair(cosine.numpy(), negative.numpy()),
    )


@torch.inference_mode()
def avc_with_other_cuts(
    network: Network, batch: Pairs, elsewhere: torch.Tensor, front_end: FrontEnd, device: torch.device
) -> float:
    """AVC accuracy where a negative is one of the seconds `elsewhere` (B, 48000) of the other videos."""
    network.eval()
    seen, heard = perceive(network, batch, front_end, device)
    _, others = perceive(network, replace(batch, sounds=elsewhere), front_end, device)
    negative = batch.media[:, None] != batch.media[None, :]
    return avc_accuracy(_says_yes(network, seen, heard).diagonal(), _says_yes(network, seen, others)[negative])


def avc_accuracy(to_positives: torch.Tensor, to_negatives: torch.Tensor) -> float:
    """What was answered, (P,) and (N,) bool -> the part that is right; positives and negatives weigh half each."""
    return float(to_positives.float().mean() + 1 - to_negatives.float().mean()) / 2


def _says_yes(network: Network, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
    """(N, N) bool: does each frame belong to each second?"""
    odds = [network.log_odds(one.expand(len(heard), *one.shape[1:]), heard) for one in torch.split(seen, 1)]
    return (torch.stack(odds) > 0).cpu()


def ndcg_by_pair(similarity: np.ndarray, negative: np.ndarray) -> float:
    """nDCG@30 of finding one's own pair: (N, N) similarities, (N, N) bool -> the mean over both directions.

    With one relevant item it is 1 / log2(rank + 1), and 0 beyond rank 30; an equal one comes before.
    """
    own = similarity.diagonal()
    found = [
        (negative & (similarity >= own[:, None])).sum(axis=1),
        (negative & (similarity >= own[None, :])).sum(axis=0),
    ]
    gains = np.append(metrics.discounts(_K), 0.0)
    return float(np.mean([gains[np.minimum(before, _K)].mean() for before in found]))


def perceive(
    network: Network, batch: Pairs, front_end: FrontEnd, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch -> what the network makes of its frames and of its seconds, on the device, a few at a time."""
    seen, heard = [], []
    with torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device)):
        for frames, waveforms in zip(
            torch.split(batch.frames, _ROWS), torch.split(batch.sounds, _ROWS), strict=True
        ):
            tensor = features.image_tensor(frames.to(device), front_end)
            seen.append(network.see(features.channels_last(tensor)))
            heard.append(network.hear(features.log_spectrogram(waveforms.to(device), front_end)))
    return torch.cat(seen), torch.cat(heard)
