"""How well each class is found, and which classes are taken for which others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.results import HEADLINE, Evaluation
from avsearch.moments import Direction


@dataclass(frozen=True)
class ClassScore:
    """The headline of the queries that bear a label.

    `mean` and `chance` are over those that have a relevant candidate; None where none has.
    """

    label: str
    num_items: int
    num_queries: int
    mean: float | None
    chance: float | None


@dataclass(frozen=True)
class Confusion:
    """Of what the queries of one class find first, how much is of which class.

    An item of several labels counts for each of them, in equal parts, on either side.

    Attributes:
        labels: the C classes.
        share: (C, C) float64; row: the query's class, column: the hits' class; each row sums to 1, or is 0.
    """

    labels: tuple[str, ...]
    share: NDArray[np.float64]

    def worst(self, count: int) -> list[tuple[str, str, float]]:
        """The pairs of classes that are most often confused: asked, found instead, and its share of the hits."""
        apart = np.where(np.eye(len(self.labels), dtype=np.bool_), 0.0, self.share)
        order = np.argsort(-apart, axis=None, kind="stable")[:count]
        pairs = (np.unravel_index(index, apart.shape) for index in order)
        return [(self.labels[a], self.labels[b], float(apart[a, b])) for a, b in pairs if apart[a, b] > 0]


def class_scores(evaluation: Evaluation, direction: Direction) -> list[ClassScore]:
    """The score of each label, the worst first; those without any come last."""
    answers = evaluation.answers.get(direction)
    if answers is None:
        return []
    membership = label_matrix(evaluation)
    found, chance = answers.of(HEADLINE), answers.chance_of(HEADLINE)
    scores = []
    for number, label in enumerate(labels_of(evaluation)):
        asking = membership[answers.item, number]
        counted = asking & ~np.isnan(found)
        scores.append(
            ClassScore(
                label=label,
                num_items=int(membership[:, number].sum()),
                num_queries=int(asking.sum()),
                mean=float(found[counted].mean()) if counted.any() else None,
                chance=float(chance[counted].mean()) if counted.any() else None,
            )
        )
    return sorted(scores, key=lambda score: (score.mean is None, score.mean or 0.0, score.label))


def confusion(evaluation: Evaluation, direction: Direction) -> Confusion | None:
    """Who is taken for whom among the first k hits of the headline; None where nothing asks."""
    answers = evaluation.answers.get(direction)
    if answers is None:
        return None
    weights = label_matrix(evaluation).astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    counts = np.zeros((weights.shape[1], weights.shape[1]))
    for of_rank in answers.hits.T:
        there = of_rank >= 0
        counts += weights[answers.item[there]].T @ weights[of_rank[there]]
    totals = counts.sum(axis=1, keepdims=True)
    return Confusion(labels_of(evaluation), np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0))


def labels_of(evaluation: Evaluation) -> tuple[str, ...]:
    """All labels of the items, in alphabetical order."""
    return tuple(sorted(frozenset[str]().union(*evaluation.items.labels)))


def label_matrix(evaluation: Evaluation) -> NDArray[np.bool_]:
    """(N, C) bool: which items bear which of `labels_of`."""
    number = {label: index for index, label in enumerate(labels_of(evaluation))}
    matrix = np.zeros((len(evaluation.items.names), len(number)), np.bool_)
    for item, labels in enumerate(evaluation.items.labels):
        matrix[item, [number[label] for label in labels]] = True
    return matrix
