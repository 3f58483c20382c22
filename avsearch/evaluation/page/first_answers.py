"""What a person sees of a ranking: how many of the first answers are right, and whether the very first one is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avsearch.evaluation.results import HEADLINE, Evaluation
from avsearch.moments import Direction


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
    right, relevant, candidates = (
        it[counted] for it in (answers.right, answers.num_relevant, answers.num_candidates)
    )
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
