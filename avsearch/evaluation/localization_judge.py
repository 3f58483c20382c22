"""Asks a localizer about the samples of an evaluation, and pairs them; `localization` says what is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.items import EvaluationSettings, name_of
from avsearch.evaluation.localization import CENTRE, Localization, Mismatch, Pointing, TwoPhotos
from avsearch.evaluation.problems import ProblemKind
from avsearch.localize import Localizer, peak
from avsearch.manifest import BOXES_COLUMN, boxes_of

if TYPE_CHECKING:
    from avsearch.evaluation.assembly import Case
    from avsearch.evaluation.drawn import Sample

_PARTNERS = 3  # the stream of random numbers that partners are drawn by


class LocalizationJudge:
    """Asks a localizer about the samples of an evaluation; a `drawn.Judge`."""

    def __init__(self, localizer: Localizer, settings: EvaluationSettings) -> None:
        self._localizer = localizer
        self._label_column = settings.label_column
        self._rng = np.random.default_rng([settings.seed, _PARTNERS])
        self._pointed: list[tuple[str, bool, bool]] = []
        self._photos: list[tuple[tuple[str, str], bool, bool]] = []
        self._maxima: list[tuple[str, float, float, float]] = []

    def take(self, samples: Sequence[Sample]) -> Sequence[Case]:
        """Measure those that have both sides; returns those whose boxes cannot be read."""
        clips = [clip for clip in (_clip(sample, self._label_column) for sample in samples) if clip is not None]
        labels = [clip.labels for clip in clips]
        self._show_two([(clips[left], clips[right]) for left, right in disjoint_pairs(labels, self._rng)])
        self._exchange(clips, disjoint_partners(labels, self._rng))
        return [case for clip in clips for case in self._point(clip)]

    def result(self) -> Localization:
        """What all samples gave."""
        return Localization(_pointing(self._pointed), _two_photos(self._photos), _mismatch(self._maxima))

    def _point(self, clip: _Clip) -> Iterator[Case]:
        try:
            boxes = boxes_of(clip.boxes)
        except ValueError:
            yield ProblemKind.BAD_BOXES, clip.name
            return
        if boxes:
            answers = self._localizer.answers(clip.frame[None], [clip.waveform[None]])[0][0]
            places = peak(answers, clip.frame.shape), CENTRE
            peak_hits, centre_hits = (any(box.holds(place) for box in boxes) for place in places)
            self._pointed.append((clip.name, peak_hits, centre_hits))

    def _show_two(self, pairs: Sequence[tuple[_Clip, _Clip]]) -> None:
        """Each photo is a square, as in training, and the map twice as wide as high."""
        if not pairs:
            return
        frames = np.stack([np.concatenate([left.look, right.look], axis=1) for left, right in pairs])
        sounds = [np.stack([pair[side].waveform for pair in pairs]) for side in (0, 1)]
        of_left, of_right = self._localizer.answers(frames, sounds)
        for (left, right), on_left, on_right in zip(pairs, of_left, of_right, strict=True):
            hits = (peak(on_left, frames.shape[1:]).x < 0.5, peak(on_right, frames.shape[1:]).x >= 0.5)
            self._photos.append(((left.name, right.name), *hits))

    def _exchange(self, clips: Sequence[_Clip], partners: Sequence[int | None]) -> None:
        if not clips:
            return
        looks, own = np.stack([clip.look for clip in clips]), np.stack([clip.waveform for clip in clips])
        other = np.stack([own[index if partner is None else partner] for index, partner in enumerate(partners)])
        answers = self._localizer.answers(looks, [own, other, np.zeros_like(own)])
        maxima = (of_one.max(axis=(1, 2)) for of_one in answers)
        for clip, partner, (true, false, silent) in zip(clips, partners, zip(*maxima, strict=True), strict=True):
            mismatched = float("nan") if partner is None else float(false)
            self._maxima.append((clip.name, float(true), mismatched, float(silent)))


def disjoint_pairs(labels: Sequence[frozenset[str]], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs of items that share no label, each item in one at most: in a random order, with the next that fits."""
    waiting = rng.permutation(len(labels)).tolist()
    pairs = []
    while waiting:
        first = waiting.pop(0)
        second = next((index for index in waiting if labels[first].isdisjoint(labels[index])), None)
        if second is not None:
            waiting.remove(second)
            pairs.append((first, second))
    return pairs


def disjoint_partners(labels: Sequence[frozenset[str]], rng: np.random.Generator) -> list[int | None]:
    """For each item one that shares no label with it, every such one being equally likely; None without any."""
    partners: list[int | None] = []
    for own in labels:
        others = [index for index, of_other in enumerate(labels) if own.isdisjoint(of_other)]
        partners.append(int(rng.choice(others)) if others else None)
    return partners


@dataclass(frozen=True)
class _Clip:
    """A sample with both sides: what is shown, what is heard, and what the manifest says of it."""

    name: str
    labels: frozenset[str]
    boxes: str
    look: NDArray[np.uint8]
    frame: NDArray[np.uint8]
    waveform: NDArray[np.float32]


def _clip(sample: Sample, label_column: str) -> _Clip | None:
    if sample.look is None or sample.frame is None or sample.waveform is None:
        return None
    return _Clip(
        name=name_of(sample.row),
        labels=frozenset(sample.row.labels_in(label_column)),
        boxes=sample.row.columns.get(BOXES_COLUMN, ""),
        look=sample.look,
        frame=sample.frame,
        waveform=sample.waveform,
    )


def _pointing(rows: Sequence[tuple[str, bool, bool]]) -> Pointing | None:
    if not rows:
        return None
    names, hits, centre_hits = zip(*rows, strict=True)
    return Pointing(names, np.array(hits), np.array(centre_hits))


def _two_photos(rows: Sequence[tuple[tuple[str, str], bool, bool]]) -> TwoPhotos | None:
    if not rows:
        return None
    names, on_left, on_right = zip(*rows, strict=True)
    return TwoPhotos(names, np.array([on_left, on_right]).T)


def _mismatch(rows: Sequence[tuple[str, float, float, float]]) -> Mismatch | None:
    if not rows:
        return None
    names, own, other, silence = zip(*rows, strict=True)
    return Mismatch(names, *(np.array(it, np.float32) for it in (own, other, silence)))
