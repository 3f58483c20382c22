"""Labelled queries in four directions: everything asks, everything is ranked, and chance stands beside it.

Works through blocks of queries, so that memory does not grow with queries x candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol
from avsearch.evaluation.problems import Problem
from avsearch.evaluation.ranking import Candidates, candidates_among, largest, top_ranked
from avsearch.evaluation.relevance import Gain, Postings, SelfRule, left_out, postings, shared_labels
from avsearch.metrics import expected_ndcg_at_k, ndcg_at_k
from avsearch.moments import DIRECTIONS, Direction, Progress, Silent

BLOCK_SCORES = 1 << 23  # 32 MB of float32 at a time
WAYS = tuple((self_rule, gain) for self_rule in SelfRule for gain in Gain)


@dataclass(frozen=True)
class Score:
    """Means over the queries of one direction that have a relevant candidate; None where there is no query."""

    ndcg: float | None
    chance: float | None


@dataclass(frozen=True)
class Table:
    """One way to count, in four directions."""

    self_rule: SelfRule
    gain: Gain
    scores: Mapping[Direction, Score]


@dataclass(frozen=True)
class QueryCount:
    """How many queries a direction has, and how many of them have no relevant candidate."""

    asked: int
    without_relevant: Mapping[SelfRule, int]


@dataclass(frozen=True)
class Evaluation:
    """What came out; all of it follows from the items and their settings."""

    settings: EvaluationSettings
    protocol: Protocol
    num_items: int
    tables: tuple[Table, ...]
    queries: Mapping[Direction, QueryCount]
    problems: tuple[Problem, ...]

    def table(self, self_rule: SelfRule, gain: Gain) -> Table:
        return next(table for table in self.tables if (table.self_rule, table.gain) == (self_rule, gain))


def evaluate(items: Items, *, progress: Progress | None = None) -> Evaluation:
    """Let everything ask in all four directions.

    A candidate's score is that of its best moment: the scalar product of unit vectors, which orders as their
    Euclidean distance does. Equal scores come in the order of the items.
    """
    progress = progress or Silent()
    progress.stage("evaluate", len(DIRECTIONS), "direction")
    answers: dict[Direction, _Answers] = {}
    for direction in DIRECTIONS:
        answers[direction] = _answer(items, direction)
        progress.advance()
    return Evaluation(
        settings=items.settings,
        protocol=items.protocol,
        num_items=len(items.names),
        tables=tuple(_table(answers, self_rule, gain) for self_rule, gain in WAYS),
        queries={direction: _query_count(answers[direction]) for direction in DIRECTIONS},
        problems=items.problems,
    )


@dataclass(frozen=True)
class _Answers:
    """What Q queries got: `ndcg` and `chance` are (Q, 4) float64, a column for each of WAYS.

    NaN stands where a query has no relevant candidate.
    """

    ndcg: NDArray[np.float64]
    chance: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        nothing = np.zeros((0, len(WAYS)))
        return cls(
            ndcg=np.concatenate([nothing, *(part.ndcg for part in parts)]),
            chance=np.concatenate([nothing, *(part.chance for part in parts)]),
        )


@dataclass(frozen=True)
class _Contest:
    """All that the queries of one direction need."""

    queries: ItemVectors
    candidates: Candidates
    labels: Sequence[frozenset[str]]
    groups: Sequence[frozenset[tuple[str, str]]]
    of_label: Postings
    of_group: Postings

    def blocks(self) -> Iterator[slice]:
        """The query rows, so many at a time that their scores stay within BLOCK_SCORES."""
        size = max(BLOCK_SCORES // max(len(self.candidates.vector), 1), 1)
        for start in range(0, len(self.queries.item), size):
            yield slice(start, start + size)

    def answers(self, block: slice, k: int) -> _Answers:
        asking, who_asks = np.unique(self.queries.item[block], return_inverse=True)
        scores = self.candidates.best_scores(self.queries.vector[block])
        shared = shared_labels(self.labels, self.of_label, asking)[:, self.candidates.item]
        out = left_out(self.groups, self.of_group, asking)[:, self.candidates.item]
        nothing_out = np.zeros_like(out)
        rounds = [
            _Round(scores, shared, out if rule is SelfRule.OUT else nothing_out, who_asks) for rule in SelfRule
        ]
        return _Answers(
            ndcg=np.column_stack([column for played in rounds for column in played.ndcg(k)]),
            chance=np.column_stack([column for played in rounds for column in played.chance(k)]),
        )


@dataclass(frozen=True)
class _Round:
    """B queries of U items against M candidates, under one self rule.

    Attributes:
        scores: (B, M) float32.
        shared: (U, M) int32, the number of shared labels.
        out: (U, M) bool, the candidates that are left out.
        who_asks: (B,) int64, which of the U items each query stems from.
    """

    scores: NDArray[np.float32]
    shared: NDArray[np.int32]
    out: NDArray[np.bool_]
    who_asks: NDArray[np.int64]

    def ndcg(self, k: int) -> list[NDArray[np.float64]]:
        """A (B,) float64 column for each gain; what is left out comes last and gains nothing."""
        ranked = top_ranked(np.where(self.out[self.who_asks], np.float32(-np.inf), self.scores), k)
        shared = np.where(self.out, 0, self.shared)
        found, ideal = shared[self.who_asks[:, None], ranked], largest(shared, k)[self.who_asks]
        return [ndcg_at_k(gain.of(found), gain.of(ideal), k) for gain in Gain]

    def chance(self, k: int) -> list[NDArray[np.float64]]:
        """A (B,) float64 column for each gain."""
        shared = np.where(self.out, 0, self.shared)
        num_candidates = np.count_nonzero(~self.out, axis=1)
        expected = []
        for gain in Gain:
            mean_gains = gain.of(shared).sum(axis=1) / np.maximum(num_candidates, 1)
            ideal_gains = gain.of(largest(shared, k))
            of_items = expected_ndcg_at_k(mean_gains, num_candidates, ideal_gains=ideal_gains, k=k)
            expected.append(of_items[self.who_asks])
        return expected


def _answer(items: Items, direction: Direction) -> _Answers:
    queries, targets = items.vectors.get(direction.query), items.vectors.get(direction.target)
    if queries is None or targets is None:
        return _Answers.joined([])
    groups = items.groups if direction.is_same_modality else [frozenset[tuple[str, str]]()] * len(items.names)
    contest = _Contest(
        queries=queries,
        candidates=candidates_among(targets),
        labels=items.labels,
        groups=groups,
        of_label=postings(items.labels),
        of_group=postings(groups),
    )
    return _Answers.joined([contest.answers(block, items.settings.k) for block in contest.blocks()])


def _table(answers: Mapping[Direction, _Answers], self_rule: SelfRule, gain: Gain) -> Table:
    way = WAYS.index((self_rule, gain))
    scores = {
        direction: Score(ndcg=_mean(got.ndcg[:, way]), chance=_mean(got.chance[:, way]))
        for direction, got in answers.items()
    }
    return Table(self_rule=self_rule, gain=gain, scores=scores)


def _mean(of_queries: NDArray[np.float64]) -> float | None:
    """The mean over the queries that have a relevant candidate."""
    counted = of_queries[~np.isnan(of_queries)]
    return float(counted.mean()) if counted.size else None


def _query_count(answers: _Answers) -> QueryCount:
    """Both gains are positive for the same candidates, so that one of them tells for both."""
    return QueryCount(
        asked=len(answers.ndcg),
        without_relevant={
            rule: int(np.isnan(answers.ndcg[:, WAYS.index((rule, Gain.BINARY))]).sum()) for rule in SelfRule
        },
    )
