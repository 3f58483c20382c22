"""What an evaluation found: every query's figures, and their means with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.items import EvaluationSettings, Items, Protocol
from avsearch.evaluation.problems import Problem
from avsearch.evaluation.relevance import BINARY, Grading, Relevance, SelfRule
from avsearch.evaluation.statistics import Interval, bootstrap_means
from avsearch.moments import Direction

Floats = NDArray[np.float64]


class Measure(StrEnum):
    """How well the relevant candidates of one query were found; docs/evaluation.md has the formulas."""

    NDCG = "ndcg"
    RECALL = "recall"
    MAP = "map"
    MRR = "mrr"

    def at(self, k: int) -> str:
        """`ndcg@30`; MAP and MRR go through the whole ranking."""
        return f"{self}@{k}" if self in {Measure.NDCG, Measure.RECALL} else str(self)


@dataclass(frozen=True)
class Column:
    """One way to count; only nDCG knows grades."""

    measure: Measure
    self_rule: SelfRule = SelfRule.OUT
    grading: Grading = BINARY


HEADLINE = Column(Measure.NDCG)


def columns_of(grading: Grading) -> tuple[Column, ...]:
    """All ways to count: by labels shared or not, and nDCG by the grading too, where it is another."""
    binary = [Column(measure, rule) for rule in SelfRule for measure in Measure]
    graded = [Column(Measure.NDCG, rule, grading) for rule in SelfRule]
    return (*binary, *(() if grading.relevance is Relevance.OVERLAP else graded))


@dataclass(frozen=True)
class Answers:
    """What Q queries of one direction got.

    Attributes:
        item: (Q,) int64, which item each query stems from.
        start_us: (Q,) int64, when its moment begins.
        columns: the C ways to count.
        found: (Q, C) float64; NaN where a query has no relevant candidate.
        chance: (Q, C) float64, what random order of the same candidates gives on average; NaN likewise.
        own_first: (Q,) float64, chance of the last nDCG, self-in, if the query's own item came first for sure.
        curve: (Q, min(k, M)) float64, the headline nDCG at every rank up to k.
        chance_curve: likewise.
        hits: (Q, min(k, M)) int64, the items that came first, self-out; -1 where there are no more.
        scores: (Q, min(k, M)) float32, their cosines.
        right: (Q, min(k, M)) bool, which of them share a label with what is asked.
        num_relevant: (Q,) int64, how many candidates do, self-out.
        num_candidates: (Q,) int64, how many candidates there are, self-out.
    """

    item: NDArray[np.int64]
    start_us: NDArray[np.int64]
    columns: tuple[Column, ...]
    found: Floats
    chance: Floats
    own_first: Floats
    curve: Floats
    chance_curve: Floats
    hits: NDArray[np.int64]
    scores: NDArray[np.float32]
    right: NDArray[np.bool_]
    num_relevant: NDArray[np.int64]
    num_candidates: NDArray[np.int64]

    def of(self, column: Column) -> Floats:
        """(Q,) what each query reached."""
        reached: Floats = self.found[:, self.columns.index(column)]
        return reached

    def chance_of(self, column: Column) -> Floats:
        """(Q,) what each query reaches by chance."""
        reached: Floats = self.chance[:, self.columns.index(column)]
        return reached


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers to several blocks of queries, of which there is at least one, as one."""
    names = [field.name for field in fields(Answers) if field.name != "columns"]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Answers(columns=parts[0].columns, **arrays)


@dataclass(frozen=True)
class Score:
    """Means over the queries that have a relevant candidate.

    Attributes:
        interval: of what was reached, with 95 % confidence.
        chance: what random order gives.
        num_queries: how many that are.
        chance_own_first: of graded nDCG, self-in: chance if the own item came first; else None.
    """

    interval: Interval
    chance: float
    num_queries: int
    chance_own_first: float | None = None

    @property
    def mean(self) -> float:
        return self.interval.mean


@dataclass(frozen=True)
class QueryCount:
    """How many queries a direction has, and how many of them have no relevant candidate."""

    asked: int
    without_relevant: Mapping[SelfRule, int]


@dataclass(frozen=True)
class Evaluation:
    """What came out; all of it follows from the items and their settings.

    A direction in which nothing asks has no answers and no scores.
    """

    items: Items
    answers: Mapping[Direction, Answers]
    scores: Mapping[Direction, Mapping[Column, Score]]

    @property
    def settings(self) -> EvaluationSettings:
        return self.items.settings

    @property
    def protocol(self) -> Protocol:
        return self.items.protocol

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.items.problems

    @property
    def num_items(self) -> int:
        return len(self.items.names)

    @property
    def columns(self) -> tuple[Column, ...]:
        return columns_of(self.settings.grading)

    def score(self, direction: Direction, column: Column = HEADLINE) -> Score | None:
        """None where nothing asks, or nothing that asks has a relevant candidate."""
        return self.scores.get(direction, {}).get(column)

    def curve(self, direction: Direction) -> tuple[Floats, Floats] | None:
        """The mean of the headline nDCG at the ranks 1..k, (k,), and its chance, (k,); None where nothing asks."""
        answers = self.answers.get(direction)
        if answers is None or np.isnan(answers.curve).all():
            return None
        return np.nanmean(answers.curve, axis=0), np.nanmean(answers.chance_curve, axis=0)

    def queries(self, direction: Direction) -> QueryCount:
        """How many asked."""
        answers = self.answers.get(direction)
        if answers is None:
            return QueryCount(0, dict.fromkeys(SelfRule, 0))
        lacking = {rule: int(np.isnan(answers.of(Column(Measure.NDCG, rule))).sum()) for rule in SelfRule}
        return QueryCount(len(answers.item), lacking)


def scores_of(answers: Answers, *, seed: int) -> dict[Column, Score]:
    """The mean of each column, over the queries that have one."""
    intervals = bootstrap_means(answers.found, answers.item, seed=seed)
    scores = {}
    for number, (column, interval) in enumerate(zip(answers.columns, intervals, strict=True)):
        counted = ~np.isnan(answers.found[:, number])
        if interval is not None:
            own_first = counted & ~np.isnan(answers.own_first)
            last = column == [it for it in answers.columns if it.measure is Measure.NDCG][-1]
            scores[column] = Score(
                interval=interval,
                chance=float(answers.chance[counted, number].mean()),
                num_queries=int(counted.sum()),
                chance_own_first=float(answers.own_first[own_first].mean()) if last and own_first.any() else None,
            )
    return scores
