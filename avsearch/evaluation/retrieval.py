"""Labelled queries in four directions: everything asks, everything is ranked, and chance stands beside it.

Works through blocks of queries, so that memory does not grow with queries x candidates.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch import metrics
from avsearch.evaluation.items import Items, ItemVectors
from avsearch.evaluation.ranking import Candidates, Ranking, candidates_among, largest, ranked
from avsearch.evaluation.relevance import BINARY, Gain, Grading, LabelSets, Postings, SelfRule, left_out, postings
from avsearch.evaluation.results import Answers, Column, Evaluation, Measure, columns_of, joined, scores_of
from avsearch.moments import DIRECTIONS, Direction, Progress, Silent

BLOCK_SCORES = 1 << 21  # of queries x candidates at a time: some 100 MB in all
NUM_THREADS = 2  # blocks at once: sorting and arithmetic leave other threads alone

Floats = NDArray[np.float64]


def evaluate(items: Items, *, progress: Progress | None = None) -> Evaluation:
    """Let everything ask in all four directions.

    A candidate's score is that of its best moment: the scalar product of unit vectors, which orders as their
    Euclidean distance does. Equal scores come in the order of the items.
    """
    progress = progress or Silent()
    progress.stage("evaluate", len(DIRECTIONS), "direction")
    answers: dict[Direction, Answers] = {}
    for direction in DIRECTIONS:
        contest = contest_of(items, direction)
        if contest is not None:
            answers[direction] = contest.all_answers()
        progress.advance()
    scores = {direction: scores_of(got, seed=items.settings.seed) for direction, got in answers.items()}
    return Evaluation(items, answers, scores)


def contest_of(items: Items, direction: Direction) -> Contest | None:
    """Who asks and who is ranked in one direction; None where nothing asks or nothing can be found."""
    queries, targets = items.vectors.get(direction.query), items.vectors.get(direction.target)
    if queries is None or targets is None or not len(queries.item) or not len(targets.item):
        return None
    groups = items.groups if direction.is_same_modality else (frozenset[tuple[str, str]](),) * len(items.names)
    return Contest(
        queries=queries,
        candidates=candidates_among(targets),
        labels=items.label_sets,
        groups=groups,
        of_group=postings(groups),
        grading=items.settings.grading,
        k=items.settings.k,
    )


@dataclass(frozen=True)
class Contest:
    """All that the queries of one direction need."""

    queries: ItemVectors
    candidates: Candidates
    labels: LabelSets
    groups: Sequence[frozenset[tuple[str, str]]]
    of_group: Postings
    grading: Grading
    k: int

    def all_answers(self) -> Answers:
        """Every block of queries, a few at once; the order of the queries is kept."""
        with ThreadPoolExecutor(NUM_THREADS) as pool:
            return joined(list(pool.map(self.answers, self.blocks())))

    def blocks(self) -> Iterator[slice]:
        """The query rows, so many at a time that their scores stay within BLOCK_SCORES."""
        size = max(BLOCK_SCORES // max(len(self.candidates.vector), 1), 1)
        for start in range(0, len(self.queries.item), size):
            yield slice(start, start + size)

    def rounds(self, block: slice) -> dict[SelfRule, Round]:
        """A block of queries under both self rules."""
        asking, who_asks = np.unique(self.queries.item[block], return_inverse=True)
        scores = self.candidates.best_scores(self.queries.vector[block])
        relevance = {it: self._relevance(asking, it) for it in dict.fromkeys([BINARY, self.grading])}
        out = left_out(self.groups, self.of_group, asking)[:, self.candidates.item]
        own = self.candidates.item[None, :] == asking[:, None]
        ranking = ranked(scores, (relevance[BINARY] > 0)[who_asks], out[who_asks])
        rules = {SelfRule.OUT: (ranking.contending(), out), SelfRule.IN: (ranking, np.zeros_like(out))}
        return {
            rule: Round(
                rule=rule,
                ranking=order,
                scores=scores,
                judged={it: _judged(it, np.where(left, np.float32(0), of), self.k) for it, of in relevance.items()},
                num_candidates=np.count_nonzero(~left, axis=1),
                own=own,
                who_asks=who_asks,
                k=self.k,
            )
            for rule, (order, left) in rules.items()
        }

    def answers(self, block: slice) -> Answers:
        rounds = self.rounds(block)
        columns = columns_of(self.grading)
        pairs = dict[Column, tuple[Floats, Floats]]()
        for rule, played in rounds.items():
            own = [column for column in columns if column.self_rule is rule]
            pairs |= zip(own, played.figures(own), strict=True)
        headline = rounds[SelfRule.OUT]
        curve, chance_curve = headline.curves()
        hits, scores = headline.best(self.k)
        return Answers(
            item=self.queries.item[block],
            start_us=self.queries.start_us[block],
            columns=columns,
            found=np.column_stack([pairs[it][0] for it in columns]),
            chance=np.column_stack([pairs[it][1] for it in columns]),
            own_first=rounds[SelfRule.IN].chance_own_first(self.grading),
            curve=curve,
            chance_curve=chance_curve,
            hits=np.where(np.isneginf(scores), -1, self.candidates.item[hits]),
            scores=scores,
            right=headline.ranking.relevant()[:, : self.k],
            num_relevant=headline.num_relevant[headline.who_asks],
            num_candidates=headline.num_candidates[headline.who_asks],
        )

    def _relevance(self, asking: NDArray[np.int64], grading: Grading) -> NDArray[np.float32]:
        """(U,) items -> (U, M) float32: the relevance of every candidate to each."""
        sets, row = np.unique(self.labels.of_item[asking], return_inverse=True)
        of_candidate = self.labels.of_item[self.candidates.item]
        return self.labels.relevance(sets, grading.relevance)[row[:, None], of_candidate]


@dataclass(frozen=True)
class Judged:
    """U items' candidates by one grading; what is left out has relevance 0.

    Attributes:
        gain: what relevance is worth.
        relevance: (U, M) float32.
        totals: (U,) float64, the gain of all candidates together.
        ideal: (U, min(k, M)) float64, the largest gains, descending.
    """

    gain: Gain
    relevance: NDArray[np.float32]
    totals: Floats
    ideal: Floats


def _judged(grading: Grading, relevance: NDArray[np.float32], k: int) -> Judged:
    gain = grading.gain
    return Judged(gain, relevance, gain.totals(relevance), gain.of(largest(relevance, k)))


@dataclass(frozen=True)
class Round:
    """B queries of U items against M candidates, under one self rule.

    Attributes:
        rule: whether what a query stems from is left out.
        ranking: who comes where; under `SelfRule.OUT` what is left out comes last and is not relevant.
        scores: (B, M) float32.
        judged: by each grading.
        num_candidates: (U,) int64, those that are not left out.
        own: (U, M) bool, the candidate that is the item itself.
        who_asks: (B,) int64, which of the U items each query stems from.
        k: how many ranks count.
    """

    rule: SelfRule
    ranking: Ranking
    scores: NDArray[np.float32]
    judged: Mapping[Grading, Judged]
    num_candidates: NDArray[np.int64]
    own: NDArray[np.bool_]
    who_asks: NDArray[np.int64]
    k: int

    def relevant(self) -> NDArray[np.bool_]:
        """(U, M): whether each candidate shares a label with each item."""
        return self.judged[BINARY].relevance > 0

    @functools.cached_property
    def num_relevant(self) -> NDArray[np.int64]:
        """How many candidates share a label with each item: (U,)."""
        counts: NDArray[np.int64] = np.count_nonzero(self.relevant(), axis=1)
        return counts

    def figures(self, columns: Sequence[Column]) -> list[tuple[Floats, Floats]]:
        """For each column (B,) reached and (B,) by chance."""
        in_rank_order = self.ranking.relevant()
        return [
            self._ndcg(column.grading)
            if column.measure is Measure.NDCG
            else self._by_relevance(column.measure, in_rank_order)
            for column in columns
        ]

    def curves(self) -> tuple[Floats, Floats]:
        """(B, k) and (B, k): the headline nDCG at every rank, and its chance."""
        judged = self.judged[BINARY]
        chance = metrics.expected_ndcg_curve(
            self._mean_gains(judged), self.num_candidates, ideal_gains=judged.ideal
        )
        return metrics.ndcg_curve(self._found(judged), judged.ideal[self.who_asks]), chance[self.who_asks]

    def best(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(B, count) candidates, the best first, and their scores, -inf for those that are left out."""
        first = self.ranking.first(count)
        scores = np.take_along_axis(self.scores, first, axis=1)
        out = self.ranking.left_out(count) & (self.rule is SelfRule.OUT)
        return first, np.where(out, np.float32(-np.inf), scores)

    def chance_own_first(self, grading: Grading) -> Floats:
        """(B,) chance of nDCG if the own item, where it is a candidate, came first and the others at random."""
        judged = self.judged[grading]
        own = judged.gain.totals(np.where(self.own, judged.relevance, np.float32(0)))
        num_others = self.num_candidates - np.count_nonzero(self.own, axis=1)
        others = (judged.totals - own) / np.maximum(num_others, 1)
        chance = metrics.expected_ndcg_at_k_own_first(own, others, num_others, ideal_gains=judged.ideal, k=self.k)
        return np.where(self.own.any(axis=1), chance, np.nan)[self.who_asks]

    def _ndcg(self, grading: Grading) -> tuple[Floats, Floats]:
        judged = self.judged[grading]
        chance = metrics.expected_ndcg_at_k(
            self._mean_gains(judged), self.num_candidates, ideal_gains=judged.ideal, k=self.k
        )
        found = metrics.ndcg_at_k(self._found(judged), judged.ideal[self.who_asks], self.k)
        return found, chance[self.who_asks]

    def _by_relevance(self, measure: Measure, in_rank_order: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        if measure is Measure.RECALL:
            found = metrics.recall_at_k(in_rank_order, self.k)
            chance = metrics.expected_recall_at_k(self.num_relevant, self.num_candidates, k=self.k)
        elif measure is Measure.MAP:
            found = metrics.average_precision(in_rank_order)
            chance = metrics.expected_average_precision(self.num_relevant, self.num_candidates)
        else:
            found = metrics.reciprocal_rank(in_rank_order)
            chance = metrics.expected_reciprocal_rank(self.num_relevant, self.num_candidates)
        return found, chance[self.who_asks]

    def _found(self, judged: Judged) -> Floats:
        """(B, min(k, M)): the gains of what was found, in the order of rank."""
        return judged.gain.of(judged.relevance[self.who_asks[:, None], self.ranking.first(self.k)])

    def _mean_gains(self, judged: Judged) -> Floats:
        """(U,)."""
        mean: Floats = judged.totals / np.maximum(self.num_candidates, 1)
        return mean
