"""How relevant an item is to a query, what that is worth, and which items a query does not compete for.

Many items bear the same labels, so relevance is worked out between the distinct sets of labels, not between items.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


class Relevance(StrEnum):
    """How two sets of labels are compared.

    `overlap`: 1 where they share a label, else 0. `iou`: the labels that both have over those that either has.
    `ontology`: 20 - d, with the distance d of two classes in a tree, the largest over all pairs of labels
    ("Objects that Sound", section 4.1).
    """

    OVERLAP = "overlap"
    IOU = "iou"
    ONTOLOGY = "ontology"


class Gain(StrEnum):
    """What relevance r is worth: 2^r - 1 (Burges et al. 2005; the paper's chance agrees with it), or r itself."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"

    def of(self, relevance: NDArray[np.floating]) -> NDArray[np.float64]:
        """Any shape, not negative -> the same shape float64; 0 where the relevance is 0."""
        exact = relevance.astype(np.float64)
        return exact if self is Gain.LINEAR else np.exp2(exact) - 1.0

    def totals(self, relevance: Floats) -> NDArray[np.float64]:
        """(U, M) float32 -> (U,) float64: the gain of all of each row together, each to seven digits."""
        gains = relevance if self is Gain.LINEAR else np.exp2(relevance) - np.float32(1.0)
        total: NDArray[np.float64] = gains.sum(axis=1, dtype=np.float64)
        return total


@dataclass(frozen=True)
class Grading:
    """A way to judge; `binary`, the headline, is the overlap of labels, where both gains are the same."""

    relevance: Relevance
    gain: Gain

    def __str__(self) -> str:
        return "binary" if self.relevance is Relevance.OVERLAP else f"{self.relevance}, {self.gain} gain"


BINARY = Grading(Relevance.OVERLAP, Gain.LINEAR)


class SelfRule(StrEnum):
    """Whether a query competes for what it stems from."""

    OUT = "self-out"
    IN = "self-in"


@dataclass(frozen=True)
class Postings:
    """For each value, those that bear it: (n,) int64 ascending."""

    of_value: dict[Hashable, Integers]

    def sharing(self, values: Iterable[Hashable]) -> Integers:
        """(n,) int64: those that bear the values, once for each value that they share."""
        found = [self.of_value[value] for value in values]
        return np.concatenate(found) if found else np.zeros(0, np.int64)


def postings(values_of: Sequence[Iterable[Hashable]]) -> Postings:
    """Turn the values of each into the bearers of each value."""
    bearers: dict[Hashable, list[int]] = {}
    for index, values in enumerate(values_of):
        for value in values:
            bearers.setdefault(value, []).append(index)
    return Postings({value: np.array(found, np.int64) for value, found in bearers.items()})


@dataclass(frozen=True)
class LabelSets:
    """The S distinct sets of labels that N items bear.

    Attributes:
        sets: each of them once, in the order in which they first occur.
        of_item: (N,) int64, which of them each item bears.
        bearing: the sets that hold each label.
        classes: the relevance of each label to each other one, for `Relevance.ONTOLOGY`.
    """

    sets: tuple[frozenset[str], ...]
    of_item: Integers
    bearing: Postings
    classes: ClassRelevance | None = None

    def relevance(self, rows: Integers, by: Relevance) -> Floats:
        """(U,) indices of sets -> (U, S) float32, the relevance of every set to each of these.

        Raises:
            ValueError: relevance by ontology is asked for, and there is none.
        """
        if by is Relevance.ONTOLOGY:
            if self.classes is None:
                raise ValueError("relevance by ontology needs the classes' own relevance")
            return self.classes.of_sets([self.sets[row] for row in rows], self.sets)
        shared = np.stack([self._shared(row) for row in rows]) if len(rows) else np.zeros((0, len(self.sets)))
        if by is Relevance.OVERLAP:
            return (shared > 0).astype(np.float32)
        sizes = np.array([len(labels) for labels in self.sets])
        overlap: Floats = (shared / (sizes[rows][:, None] + sizes[None, :] - shared)).astype(np.float32)
        return overlap

    def _shared(self, row: np.int64) -> Integers:
        """(S,): how many labels each set has in common with this one."""
        return np.bincount(self.bearing.sharing(self.sets[row]), minlength=len(self.sets))


def label_sets(labels: Sequence[frozenset[str]], classes: ClassRelevance | None = None) -> LabelSets:
    """Find the distinct sets among the labels of N items."""
    index = {labels_of_one: number for number, labels_of_one in enumerate(dict.fromkeys(labels))}
    of_item = np.array([index[labels_of_one] for labels_of_one in labels], np.int64)
    return LabelSets(tuple(index), of_item, postings(tuple(index)), classes)


@dataclass(frozen=True)
class ClassRelevance:
    """The relevance of classes to each other.

    Attributes:
        index: where each label stands; one that is missing is relevant only to sets that hold the same label.
        matrix: (C, C) float32, symmetric, not negative.
        same: what a label is to itself, missing ones included.
    """

    index: Mapping[str, int]
    matrix: Floats
    same: float

    def of_sets(self, rows: Sequence[frozenset[str]], columns: Sequence[frozenset[str]]) -> Floats:
        """U sets, S sets -> (U, S) float32: the largest relevance over all pairs of their labels."""
        known = [[self.index[label] for label in labels if label in self.index] or [-1] for labels in columns]
        starts = np.cumsum([0, *map(len, known)])[:-1]
        flat = np.concatenate([np.array(of_one, np.int64) for of_one in known])
        found = np.zeros((len(rows), len(columns)), np.float32)
        for row, labels in enumerate(rows):
            own = [self.index[label] for label in labels if label in self.index]
            best = np.append(self.matrix[own].max(axis=0), 0.0) if own else np.zeros(len(self.matrix) + 1)
            found[row] = np.maximum.reduceat(best[flat], starts)
            strangers = {label for label in labels if label not in self.index}
            if strangers:
                found[row, [bool(strangers & of_one) for of_one in columns]] = self.same
        return found


def left_out(
    groups: Sequence[frozenset[tuple[str, str]]], bearers: Postings, query_items: Integers
) -> NDArray[np.bool_]:
    """The candidates that a query item does not compete for: itself, and whatever shares a value with it.

    Args:
        groups: the values of each of the N items; give empty ones to leave out nothing but the item itself.
        bearers: `postings(groups)`.
        query_items: (U,) int64 item indices.

    Returns:
        (U, N) bool.
    """
    out = np.zeros((len(query_items), len(groups)), np.bool_)
    out[np.arange(len(query_items)), query_items] = True
    for row, item in enumerate(query_items):
        out[row, bearers.sharing(groups[item])] = True
    return out
