"""What a person sees of a ranking: how many of the first answers are right, and whether the very first one is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.classes import label_matrix
from avsearch.evaluation.relevance import Relevance, left_out, postings
from avsearch.evaluation.results import HEADLINE, Evaluation
from avsearch.moments import Direction

Floats = NDArray[np.float64]
BLOCK_CELLS = 1 << 23  # at a time


@dataclass(frozen=True)
class FirstAnswers:
    """Means over the queries that have a right answer at all; right is what shares a label with the query.

    Attributes:
        looked_at: how many answers are looked at: k, or all there are.
        right: how many of them are right.
        possible: how many could be, since some classes are small.
        by_chance: how many are right in random order.
        first_right: the share of queries whose first answer is right.
        first_by_chance: the same in random order.
        num_queries: over how many queries.
    """

    looked_at: int
    right: float
    possible: float
    by_chance: float
    first_right: float
    first_by_chance: float
    num_queries: int


def first_answers(evaluation: Evaluation, direction: Direction) -> FirstAnswers | None:
    """Count the right answers; None where no query has one to find."""
    answers = evaluation.answers.get(direction)
    if answers is None:
        return None
    counted = ~np.isnan(answers.of(HEADLINE))
    looked_at = answers.hits.shape[1]
    if not counted.any() or not looked_at:
        return None
    right = right_hits(evaluation, direction)[counted]
    relevant, candidates = (it[counted] for it in _to_find(evaluation, direction))
    shown = np.minimum(looked_at, candidates)
    return FirstAnswers(
        looked_at=looked_at,
        right=float(right.sum(axis=1).mean()),
        possible=float(np.minimum(relevant, shown).mean()),
        by_chance=float((shown * relevant / candidates).mean()),
        first_right=float(right[:, 0].mean()),
        first_by_chance=float((relevant / candidates).mean()),
        num_queries=int(counted.sum()),
    )


def right_hits(evaluation: Evaluation, direction: Direction) -> NDArray[np.bool_]:
    """(Q, k) bool: which hits share a label with their query."""
    answers, bears = evaluation.answers[direction], label_matrix(evaluation)
    right = np.zeros(answers.hits.shape, np.bool_)
    size = max(BLOCK_CELLS // max(answers.hits.shape[1] * bears.shape[1], 1), 1)
    for first in range(0, len(right), size):
        some = slice(first, first + size)
        shared = bears[answers.item[some], None] & bears[answers.hits[some]]
        right[some] = shared.any(axis=2) & (answers.hits[some] >= 0)
    return right


def _to_find(evaluation: Evaluation, direction: Direction) -> tuple[Floats, Floats]:
    """(Q,) relevant candidates, and (Q,) candidates, of each query, self-out."""
    items = evaluation.items
    candidates = np.unique(items.vectors[direction.target].item)
    groups = items.groups if direction.is_same_modality else (frozenset[tuple[str, str]](),) * len(items.names)
    bearers, of_item = postings(groups), items.label_sets.of_item
    asking, who_asks = np.unique(evaluation.answers[direction].item, return_inverse=True)
    counts = np.zeros((2, len(asking)))
    size = max(BLOCK_CELLS // len(candidates), 1)
    for first in range(0, len(asking), size):
        some = asking[first : first + size]
        competes = ~left_out(groups, bearers, some)[:, candidates]
        relevant = items.label_sets.relevance(of_item[some], Relevance.OVERLAP)[:, of_item[candidates]] > 0
        counts[:, first : first + size] = (competes & relevant).sum(axis=1), competes.sum(axis=1)
    return counts[0, who_asks], counts[1, who_asks]
