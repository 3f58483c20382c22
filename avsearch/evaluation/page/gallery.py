"""Which queries a reader sees and hears: best, middling and worst of each direction, with what they found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.results import HEADLINE, Answers, Evaluation
from avsearch.evaluation.systems import System
from avsearch.media.shown import Wanted
from avsearch.moments import DIRECTIONS, Direction, Modality

QUERIES_SHOWN = 3  # of a kind and direction
HITS_SHOWN = 4
QUERIES_COMPARED = 2  # where a second system answers too


class Kind(Enum):
    """How well the queries did; the value is for people."""

    BEST = "Best"
    MIDDLE = "In the middle"
    WORST = "Worst"


@dataclass(frozen=True)
class ShownMoment:
    """A moment of an item; `name` is its path as the manifest writes it."""

    wanted: Wanted
    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ShownHit:
    """A hit: `is_right` if it shares a label with the query."""

    moment: ShownMoment
    rank: int
    score: float
    is_right: bool


@dataclass(frozen=True)
class ShownAnswer:
    """What one system answered: its headline for this query, and its first hits."""

    system: str
    ndcg: float
    hits: tuple[ShownHit, ...]


@dataclass(frozen=True)
class ShownQuery:
    """A query, and the answers of each system that was asked it."""

    kind: Kind
    moment: ShownMoment
    answers: tuple[ShownAnswer, ...]


def gallery(systems: Sequence[System], *, seed: int) -> dict[Direction, list[ShownQuery]]:
    """The queries to show of the first system, with the answers of another where there are just two."""
    compared = systems if len(systems) == 2 else systems[:1]
    count = QUERIES_SHOWN if len(compared) == 1 else QUERIES_COMPARED
    first = systems[0].first
    shown = {}
    for direction in DIRECTIONS:
        answers = first.answers.get(direction)
        if answers is not None:
            chosen = choose_queries(answers, count=count, seed=seed)
            shown[direction] = [
                _shown_query(compared, direction, kind, row) for kind in Kind for row in chosen[kind]
            ]
    return {direction: queries for direction, queries in shown.items() if queries}


def choose_queries(answers: Answers, *, count: int, seed: int) -> dict[Kind, list[int]]:
    """So many rows of each kind by the headline, no item twice; among equals a seed draws.

    The best come first, then the worst of what is left, then the nearest to the middle of all, on both sides.
    """
    reached = answers.of(HEADLINE)
    drawn = np.random.default_rng(seed).permutation(len(reached))
    order = drawn[np.argsort(-reached[drawn], kind="stable")]
    order = order[~np.isnan(reached[order])]
    taken: set[int] = set()
    best = _take(order, count, answers.item, taken)
    worst = _take(order[::-1], count, answers.item, taken)
    middle = _take(_from_the_middle(order), count, answers.item, taken)
    return {Kind.BEST: best, Kind.MIDDLE: middle, Kind.WORST: worst}


def moments_of(queries: Iterable[ShownQuery]) -> Iterator[Wanted]:
    """All that must be read to show them."""
    for query in queries:
        yield query.moment.wanted
        yield from (hit.moment.wanted for answer in query.answers for hit in answer.hits)


def shown_moment(evaluation: Evaluation, item: int, modality: Modality, start_us: int) -> ShownMoment:
    """A moment of an item with what is said of it."""
    items = evaluation.items
    wanted = Wanted(items.paths[item], modality, start_us)
    return ShownMoment(wanted, items.names[item], tuple(sorted(items.labels[item])))


def _take(order: NDArray[np.int64], count: int, item: NDArray[np.int64], taken: set[int]) -> list[int]:
    rows: list[int] = []
    for row in order.tolist():
        if len(rows) < count and int(item[row]) not in taken:
            rows.append(row)
            taken.add(int(item[row]))
    return rows


def _from_the_middle(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The median first, then by turns what did a little better and a little worse."""
    distance = np.abs(np.arange(len(order)) - (len(order) - 1) / 2)
    return order[np.argsort(distance, kind="stable")]


def _shown_query(systems: Sequence[System], direction: Direction, kind: Kind, row: int) -> ShownQuery:
    first = systems[0].first
    answers = first.answers[direction]
    item, start_us = int(answers.item[row]), int(answers.start_us[row])
    asked = (first.items.names[item], start_us)
    found = [(system, _row_of(system.first, direction, asked)) for system in systems[1:]]
    rows = [(systems[0], row), *((system, other) for system, other in found if other is not None)]
    return ShownQuery(
        kind,
        shown_moment(first, item, direction.query, start_us),
        tuple(_answer(system, direction, its_row) for system, its_row in rows),
    )


def _row_of(evaluation: Evaluation, direction: Direction, asked: tuple[str, int]) -> int | None:
    """The row of a query that is known by its item's name and its moment."""
    answers = evaluation.answers.get(direction)
    name, start_us = asked
    if answers is None or name not in evaluation.items.names:
        return None
    item = evaluation.items.names.index(name)
    rows = np.flatnonzero((answers.item == item) & (answers.start_us == start_us))
    return int(rows[0]) if rows.size else None


def _answer(system: System, direction: Direction, row: int) -> ShownAnswer:
    evaluation = system.first
    answers = evaluation.answers[direction]
    hits = []
    for number, hit in enumerate(answers.hits[row, :HITS_SHOWN].tolist()):
        if hit >= 0:
            moment = shown_moment(evaluation, hit, direction.target, _best_start(evaluation, direction, row, hit))
            score, is_right = float(answers.scores[row, number]), bool(answers.right[row, number])
            hits.append(ShownHit(moment, number + 1, score, is_right))
    return ShownAnswer(system.name, float(answers.of(HEADLINE)[row]), tuple(hits))


def _best_start(evaluation: Evaluation, direction: Direction, row: int, hit: int) -> int:
    """When the moment begins by which an item was found: its nearest to the query.

    The rows of answers are those of the vectors that ask.
    """
    asking, found = (evaluation.items.vectors[modality] for modality in (direction.query, direction.target))
    first, end = np.searchsorted(found.item, [hit, hit + 1])
    scores = found.vector[first:end].astype(np.float64) @ asking.vector[row].astype(np.float64)
    return int(found.start_us[first + int(np.argmax(scores))])
