"""Audio-visual correspondence (AVC): does the network tell a frame's own second from one of another item?

Positives and negatives are one to one. All seconds lie around frame times of their own video, since a second that
was cut anywhere could be told by its cut ("Objects that Sound", section 3.3); negatives are told by content, never
by label, so some are of the same class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.items import name_of
from avsearch.evaluation.statistics import accuracy_interval
from avsearch.metrics import avc_accuracy, roc_auc
from avsearch.pairs import negative_partners

if TYPE_CHECKING:
    from avsearch.encoder import Encoder
    from avsearch.evaluation.assembly import Case
    from avsearch.evaluation.drawn import Sample

CHANCE = 0.5
_PARTNERS = 2  # the stream of random numbers that partners are drawn by


@dataclass(frozen=True)
class Correspondence:
    """What the network said of N frames, each with its own second and with another's.

    Attributes:
        names: of the items, as the manifest writes them.
        own: (N,) log-odds that the frame and its own second belong together.
        other: (N,) the same with the second of another item.
    """

    names: tuple[str, ...]
    own: NDArray[np.float32]
    other: NDArray[np.float32]

    def __post_init__(self) -> None:
        if not self.names or not self.own.shape == self.other.shape == (len(self.names),):
            raise ValueError(f"{self.own.shape} and {self.other.shape} answers do not fit {len(self.names)} items")

    @property
    def num_pairs(self) -> int:
        """Half of them correspond."""
        return 2 * len(self.names)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N, 2): whether it was right about the own second, and about the other."""
        return np.stack([self.own > 0, self.other <= 0], axis=1)

    @property
    def accuracy(self) -> float:
        """The part of all pairs that it told rightly, by its own threshold; chance is 0.5."""
        corresponds = np.repeat([True, False], len(self.names))
        return avc_accuracy(np.concatenate([self.own, self.other]), corresponds)

    @property
    def auc(self) -> float:
        """How often an own second scores above another's: what a better threshold could not change."""
        return roc_auc(self.own, self.other)

    def figures(self) -> Iterator[tuple[str, str, str, str]]:
        """What is measured, what was reached, its baseline, and of how many."""
        count = f"{self.num_pairs} pairs"
        yield "AVC accuracy", str(accuracy_interval(self.right)), f"{CHANCE:.3f}", count
        yield "AVC, area under the curve", f"{self.auc:.3f}", f"{CHANCE:.3f}", count

    def record(self) -> dict[str, Any]:
        """The same for `report.json`."""
        interval = accuracy_interval(self.right)
        return {
            "accuracy": round(interval.mean, 6),
            "low": round(interval.low, 6),
            "high": round(interval.high, 6),
            "auc": round(self.auc, 6),
            "chance": CHANCE,
            "pairs": self.num_pairs,
        }


class CorrespondenceJudge:
    """Asks the network about the samples of an evaluation; a `drawn.Judge`."""

    def __init__(self, encoder: Encoder, seed: int) -> None:
        self._encoder = encoder
        self._rng = np.random.default_rng([seed, _PARTNERS])
        self._names: list[str] = []
        self._own: list[NDArray[np.float32]] = []
        self._other: list[NDArray[np.float32]] = []

    def take(self, samples: Sequence[Sample]) -> Sequence[Case]:
        """Judge those that have both sides, each also with the second of another one of them."""
        asked = [(it, it.look, it.waveform) for it in samples if it.look is not None and it.waveform is not None]
        if len(asked) < 2:
            return ()
        looks, waveforms = np.stack([look for _, look, _ in asked]), np.stack([heard for _, _, heard in asked])
        partners = negative_partners(np.arange(len(asked)), self._rng)
        self._names += [name_of(sample.row) for sample, _, _ in asked]
        own, other = self._encoder.log_odds(looks, [waveforms, waveforms[partners]])
        self._own.append(own)
        self._other.append(other)
        return ()

    def result(self) -> Correspondence | None:
        """What all samples gave; None if there were no two with picture and sound."""
        if not self._names:
            return None
        return Correspondence(tuple(self._names), np.concatenate(self._own), np.concatenate(self._other))
