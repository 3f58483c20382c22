"""Systems side by side: several runs of each, and two of them compared query by query."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import UsageError
from avsearch.evaluation.benches import Bench
from avsearch.evaluation.classes import ClassScore, Confusion, class_scores, confusion
from avsearch.evaluation.paper import CHANCE_AVC, PaperRow, as_in_the_paper
from avsearch.evaluation.results import HEADLINE, Column, Evaluation
from avsearch.evaluation.statistics import PairedTest, Spread, compare_paired, holm, summarise_runs
from avsearch.moments import DIRECTIONS, Direction

if TYPE_CHECKING:
    from avsearch.evaluation.correspondence import Correspondence
    from avsearch.evaluation.localization import Localization

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Run:
    """One model or library, evaluated once.

    Attributes:
        source: what was evaluated, as a person named it: the folder and file, or the library's folder.
        evaluation: how well it searches.
        correspondence: how well it tells pairs apart; None where its network judges none.
        localization: how well it says where a sound comes from; None where its network has no map.
    """

    source: str
    evaluation: Evaluation
    correspondence: Correspondence | None = None
    localization: Localization | None = None


@dataclass(frozen=True)
class System:
    """Runs of one recipe in one size, which differ by the seed of their training or of their draws."""

    name: str
    runs: tuple[Run, ...]

    @property
    def first(self) -> Evaluation:
        """That of which single queries are shown."""
        return self.runs[0].evaluation

    def spread(self, direction: Direction, column: Column = HEADLINE) -> Spread | None:
        """Mean and standard deviation over the runs; None where a run has no such score."""
        scores = [run.evaluation.score(direction, column) for run in self.runs]
        means = [score.mean for score in scores if score is not None]
        return summarise_runs(means) if len(means) == len(scores) else None


@dataclass(frozen=True)
class Comparison:
    """The second of two systems minus the first, on the queries that both answered.

    Attributes:
        names: of the two.
        tests: of the headline, for each direction in which both answer.
        adjusted: the p-values of all directions together, after Holm.
    """

    names: tuple[str, str]
    tests: Mapping[Direction, PairedTest]
    adjusted: Mapping[Direction, float]


@dataclass(frozen=True)
class Report:
    """All that a report tells.

    Attributes:
        systems: at least one; all by one protocol, on one split.
        comparison: of the first two systems, if it was asked for.
        benches: what `avsearch bench` measured.
        created: the day, as 2026-11-27; the only thing that is not the same in a second report.
    """

    systems: tuple[System, ...]
    created: str
    comparison: Comparison | None = None
    benches: tuple[Bench, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(run for system in self.systems for run in system.runs)

    @property
    def first(self) -> Evaluation:
        """The evaluation whose figures head the report."""
        return self.systems[0].first

    @functools.cached_property
    def class_scores(self) -> Mapping[Direction, list[ClassScore]]:
        """How well the first evaluation finds each class, the worst first."""
        return {direction: class_scores(self.first, direction) for direction in DIRECTIONS}

    @functools.cached_property
    def confusions(self) -> Mapping[Direction, Confusion | None]:
        """Which classes the first evaluation takes for which."""
        return {direction: confusion(self.first, direction) for direction in DIRECTIONS}

    @functools.cached_property
    def beside_the_paper(self) -> tuple[PaperRow, ...]:
        """All runs as the paper counts, graded and self-in, and chance with the own item first.

        Nothing where protocol or data are others than the paper's: then they may not stand in one table.
        """
        if not as_in_the_paper(self.first):
            return ()
        column = self.first.columns[-1]
        chances = [self.first.score(direction, column) for direction in DIRECTIONS]
        own_first = tuple(score.chance_own_first if score else None for score in chances)
        return (
            *(_as_the_paper_counts(run, column) for run in self.runs),
            PaperRow("chance, own item first", own_first, CHANCE_AVC),
        )


def group_runs(runs: Sequence[Run]) -> tuple[System, ...]:
    """Runs of one recipe and size that follow each other are one system; names say what tells systems apart.

    Raises:
        UsageError: they were not evaluated by one protocol.
    """
    if len({run.evaluation.protocol.name for run in runs}) > 1:
        raise two_protocols()
    groups = [tuple(group) for _, group in groupby(runs, key=_kind)]
    plain = [_kind(group[0])[0] for group in groups]
    names = [
        name if plain.count(name) == 1 else f"{name}, {group[0].source}"
        for name, group in zip(plain, groups, strict=True)
    ]
    return tuple(System(name, group) for name, group in zip(names, groups, strict=True))


def two_protocols() -> UsageError:
    """What is said where libraries and weights files are to stand in one table."""
    return UsageError(
        "A library is asked by all its moments, a weights file by drawn ones; one table cannot hold both.",
        hint="Give weights files only, or libraries only.",
    )


def apart(runs: Sequence[Run]) -> tuple[System, ...]:
    """Each run as a system of its own, whatever its recipe."""
    return tuple(System(run.source, (run,)) for run in runs)


def compare(first: System, second: System, *, seed: int) -> Comparison:
    """Compare the headline of two systems; both must have been asked the same queries.

    Raises:
        UsageError: they have no query in common.
    """
    tests = {}
    for direction in DIRECTIONS:
        pair = _paired(first.first, second.first, direction)
        test = None if pair is None else compare_paired(*pair, seed=seed)
        if test is not None:
            tests[direction] = test
    if not tests:
        raise UsageError(
            f"{first.name} and {second.name} share no query.", hint="Evaluate both on the same manifest and split."
        )
    adjusted = holm([test.p_value for test in tests.values()])
    return Comparison((first.name, second.name), tests, dict(zip(tests, adjusted, strict=True)))


def _as_the_paper_counts(run: Run, column: Column) -> PaperRow:
    scores = [run.evaluation.score(direction, column) for direction in DIRECTIONS]
    avc = run.correspondence.accuracy if run.correspondence else None
    return PaperRow(run.source, tuple(score.mean if score else None for score in scores), avc)


def _kind(run: Run) -> tuple[str, str]:
    """What runs of one system have in common: the recipe, or the architecture where there is none, and the size."""
    protocol = run.evaluation.protocol
    return protocol.recipe or protocol.architecture, protocol.size


def _paired(first: Evaluation, second: Evaluation, direction: Direction) -> tuple[Floats, Floats, Integers] | None:
    """What both reached in each query that both were asked, and the item it stems from; None without any."""
    one, other = _by_query(first, direction), _by_query(second, direction)
    shared = [query for query in one if query in other]
    if not shared:
        return None
    item_of = {name: number for number, name in enumerate(first.items.names)}
    before, after = (np.array([values[query] for query in shared]) for values in (one, other))
    return before, after, np.array([item_of[name] for name, _ in shared])


def _by_query(evaluation: Evaluation, direction: Direction) -> dict[tuple[str, int], float]:
    """The headline of each query, known by its item's name and its moment."""
    answers = evaluation.answers.get(direction)
    if answers is None:
        return {}
    names = [evaluation.items.names[item] for item in answers.item]
    return dict(zip(zip(names, answers.start_us.tolist(), strict=True), answers.of(HEADLINE).tolist(), strict=True))
