"""How well a network tells true pairs from false ones on held-out media."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from avsearch import features, metrics
from avsearch.device import fast_bfloat16
from avsearch.front_end import FrontEnd
from avsearch.models.network import Network
from trainer.dataset import Batch

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
def validate(network: Network, batch: Batch, front_end: FrontEnd, device: torch.device) -> Validation:
    """Judge every frame with every second, in evaluation mode; pairs of one video, but its own, are left out."""
    network.eval()
    seen, heard = perceive(network, batch, front_end, device)
    negative = batch.media[:, None] != batch.media[None, :]
    odds = [network.log_odds(one.expand(len(heard), *one.shape[1:]), heard) for one in torch.split(seen, 1)]
    says_yes = (torch.stack(odds) > 0).cpu()
    cosine = (network.image_vectors(seen) @ network.sound_vectors(heard).T).cpu()
    network.train()
    right_yes = says_yes.diagonal().float().mean()
    right_no = 1 - says_yes[negative].float().mean()
    nearer = (cosine.diagonal()[:, None] > cosine)[negative].float().mean()
    return Validation(
        float(right_yes + right_no) / 2, float(nearer), ndcg_by_pair(cosine.numpy(), negative.numpy())
    )


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
    network: Network, batch: Batch, front_end: FrontEnd, device: torch.device
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
