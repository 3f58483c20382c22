"""Truth here: a few clips whose queries are matched and compared by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avsearch.errors import UsageError
from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol
from avsearch.evaluation.retrieval import evaluate
from avsearch.evaluation.systems import Run, apart, compare, group_runs
from avsearch.moments import Direction, Modality

PROTOCOL = Protocol("paper", "as a test says", "0" * 16, "ave", "ave", "small", seed=0)
IMAGE_IMAGE = Direction(Modality.IMAGE, Modality.IMAGE)


def evaluation_of(degrees, names, protocol=PROTOCOL):
    """Pictures on a circle; the first half of the letters are of one class, the second of the other."""
    angle = np.radians(degrees)
    vector = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    each = np.arange(len(names))
    return evaluate(
        Items(
            names=tuple(names),
            paths=tuple(Path(name) for name in names),
            labels=tuple(frozenset("early" if name < "c" else "late" for _ in "x") for name in names),
            groups=(frozenset(),) * len(names),
            vectors={Modality.IMAGE: ItemVectors(vector, each, np.array([ord(name) for name in names]))},
            settings=EvaluationSettings(Path("manifest.csv"), k=1),
            protocol=protocol,
        )
    )


def test_two_systems_are_compared_on_the_queries_that_both_answered_whatever_their_order():
    """First: a-b and c-d find each other (1 1 1 1); second, without b's twin place: only c and d do."""
    first = evaluation_of([0, 1, 90, 91], "abcd")
    second = evaluation_of([90, 91, 80, 0, 180], "dcab" + "e")
    result = compare(*apart([Run("one", first), Run("two", second)]), seed=0)
    assert result.names == ("one", "two")
    test = result.tests[IMAGE_IMAGE]
    # of the second: d finds c, c finds d, a finds c (wrong), b finds a (right)
    assert (test.num_queries, test.better, test.worse, test.equal) == (4, 0, 1, 3)
    assert test.difference.mean == pytest.approx(-0.25)
    assert list(result.adjusted) == [IMAGE_IMAGE]


def test_systems_that_share_no_query_are_refused():
    first, second = evaluation_of([0, 1, 90, 91], "abcd"), evaluation_of([0, 1], "ef")
    with pytest.raises(UsageError, match="share no query"):
        compare(*apart([Run("one", first), Run("two", second)]), seed=0)


def test_runs_of_one_recipe_and_size_are_one_system_and_others_keep_apart():
    evaluation = evaluation_of([0, 1], "ab")
    other = replace(evaluation.items, protocol=replace(PROTOCOL, recipe="l3"))
    runs = [Run("s0", evaluation), Run("s1", evaluation), Run("l", evaluate(other))]
    systems = group_runs(runs)
    assert [(system.name, len(system.runs)) for system in systems] == [("ave", 2), ("l3", 1)]
    spread = systems[0].spread(IMAGE_IMAGE)
    assert (spread.mean, spread.standard_deviation, spread.num) == (1.0, 0.0, 2)
    assert systems[0].spread(Direction(Modality.AUDIO, Modality.AUDIO)) is None


def test_a_recipe_that_comes_twice_in_different_sizes_is_named_with_its_source():
    evaluation = evaluation_of([0, 1], "ab")
    large = evaluate(replace(evaluation.items, protocol=replace(PROTOCOL, size="paper")))
    names = [system.name for system in group_runs([Run("a/small", evaluation), Run("a/large", large)])]
    assert names == ["ave, a/small", "ave, a/large"]


def test_two_protocols_never_stand_in_one_table():
    evaluation = evaluation_of([0, 1], "ab")
    stored = evaluate(replace(evaluation.items, protocol=replace(PROTOCOL, name="library")))
    with pytest.raises(UsageError, match="one table cannot hold both"):
        group_runs([Run("drawn", evaluation), Run("stored", stored)])
