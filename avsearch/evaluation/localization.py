"""Does the map say where the sound comes from? Pointing, the two-photo test, and the mismatch check.

pointing    the peak of the map of the whole frame lies inside one of the item's boxes; beside it, on the very same
            frames, the answer that always points at the centre ("Objects that Sound", section 4.3)
two photos  two pictures of different classes side by side, and the sound of one: the peak must fall on its half;
            needs no boxes, and the centre is worth 50 %
mismatch    the maximum of the map for the true sound, for the sound of an item that shares no label, and for
            silence: a network that lights up whatever is heard has not learnt where sound comes from
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.statistics import accuracy_interval
from avsearch.localize import probabilities
from avsearch.metrics import roc_auc
from avsearch.moments import Place

CENTRE = Place(0.5, 0.5)
CHANCE = 0.5  # of the two halves, and of an area under the curve
_PARTNERS = 3  # the stream of random numbers that partners are drawn by
_DIGITS = 6


@dataclass(frozen=True)
class Pointing:
    """N frames: whether the peak lies inside a box, and whether the centre does.

    Attributes:
        names: of the items.
        hits: (N,) bool, of the peak.
        centre_hits: (N,) bool, of the centre of the same frames.
    """

    names: tuple[str, ...]
    hits: NDArray[np.bool_]
    centre_hits: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        return float(self.hits.mean())

    @property
    def centre(self) -> float:
        """The baseline: what it is worth to answer the centre always."""
        return float(self.centre_hits.mean())


@dataclass(frozen=True)
class TwoPhotos:
    """P pairs of pictures that share no label, each asked with the sound of either.

    Attributes:
        names: of the left and of the right item of each pair.
        hits: (P, 2) bool: with the sound of the left picture, and of the right one, the peak fell on its half.
    """

    names: tuple[tuple[str, str], ...]
    hits: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        return float(self.hits.mean())


@dataclass(frozen=True)
class Mismatch:
    """The maximum of the map of N pictures, as log-odds.

    Attributes:
        names: of the items.
        own: (N,) with the item's own sound.
        other: (N,) with the sound of an item that shares no label; NaN where none was at hand.
        silence: (N,) with a second of silence.
    """

    names: tuple[str, ...]
    own: NDArray[np.float32]
    other: NDArray[np.float32]
    silence: NDArray[np.float32]

    @property
    def means(self) -> tuple[float, float | None, float]:
        """The mean probability for own, other and no sound."""
        known = self._known
        other = float(probabilities(known).mean()) if known.size else None
        return float(probabilities(self.own).mean()), other, float(probabilities(self.silence).mean())

    @property
    def auc(self) -> float | None:
        """How often an own sound lights a picture up more than a mismatched one does; None without these."""
        return roc_auc(self.own, self._known) if self._known.size else None

    @property
    def auc_silence(self) -> float:
        """The same of own sounds and silence."""
        return roc_auc(self.own, self.silence)

    @property
    def _known(self) -> NDArray[np.float32]:
        return self.other[~np.isnan(self.other)]


@dataclass(frozen=True)
class Localization:
    """The three measurements; None for one that the items did not allow."""

    pointing: Pointing | None
    two_photos: TwoPhotos | None
    mismatch: Mismatch | None

    def figures(self) -> Iterator[tuple[str, str, str, str]]:
        """What is measured, what was reached, its baseline, and of how many."""
        if self.pointing is not None:
            reached, centre = accuracy_interval(self.pointing.hits), self.pointing.centre
            count = f"{len(self.pointing.hits)} frames"
            yield "pointing into the box", str(reached), f"{centre:.3f}, the centre", count
        if self.two_photos is not None:
            count = f"{self.two_photos.hits.size} questions"
            yield "two-photo test", str(accuracy_interval(self.two_photos.hits)), f"{CHANCE:.3f}", count
        if self.mismatch is not None:
            yield from _mismatch_figures(self.mismatch)

    def record(self) -> dict[str, Any]:
        """The same for `report.json`."""
        return {
            "pointing": _record(self.pointing),
            "two_photo": _record(self.two_photos),
            "mismatch": _record(self.mismatch),
        }


def _mismatch_figures(it: Mismatch) -> Iterator[tuple[str, str, str, str]]:
    count = f"{len(it.names)} pictures"
    own, other, silence = it.means
    if it.auc is not None:
        yield "mismatch AUC, own sounds against others", f"{it.auc:.3f}", f"{CHANCE:.3f}", count
    yield "mismatch AUC, own sounds against silence", f"{it.auc_silence:.3f}", f"{CHANCE:.3f}", count
    baselines = f"{'-' if other is None else format(other, '.3f')} others, {silence:.3f} silence"
    yield "mean maximum of the map, own sounds", f"{own:.3f}", baselines, count


def _record(it: Pointing | TwoPhotos | Mismatch | None) -> dict[str, Any] | None:
    figures: dict[str, float | None]
    match it:
        case Pointing():
            figures = {**_accuracy(it.hits), "centre": it.centre, "frames": len(it.hits)}
        case TwoPhotos():
            figures = {**_accuracy(it.hits), "chance": CHANCE, "questions": it.hits.size}
        case Mismatch():
            own, other, silence = it.means
            means = {"mean_own": own, "mean_other": other, "mean_silence": silence}
            figures = {"auc": it.auc, "auc_silence": it.auc_silence, **means, "pictures": len(it.names)}
        case None:
            return None
    return {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in figures.items()}


def _accuracy(hits: NDArray[np.bool_]) -> dict[str, float]:
    interval = accuracy_interval(hits)
    return {"accuracy": interval.mean, "low": interval.low, "high": interval.high}
