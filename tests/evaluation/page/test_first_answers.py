"""Truth here: counts made by hand, and a slow count over all orders of the candidates."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol
from avsearch.evaluation.page.first_answers import first_answers
from avsearch.evaluation.retrieval import evaluate
from avsearch.moments import Direction, Modality

PROTOCOL = Protocol("paper", "as a test says", "0" * 16, "ave", "ave", "small")
WITHIN = Direction(Modality.IMAGE, Modality.IMAGE)


def on_circle(labels, degrees, *, groups=None, k=30):
    angle = np.radians(degrees)
    vector = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    return evaluate(
        Items(
            names=tuple(map(str, range(len(labels)))),
            paths=tuple(Path(str(number)) for number in range(len(labels))),
            labels=tuple(frozenset(label.split(";")) for label in labels),
            groups=groups or (frozenset(),) * len(labels),
            vectors={Modality.IMAGE: ItemVectors(vector, np.arange(len(labels)), np.arange(len(labels)))},
            settings=EvaluationSettings(Path("manifest.csv"), k=k),
            protocol=PROTOCOL,
        )
    )


def test_right_answers_are_counted_as_by_hand():
    # by angle: 0 finds 1, 2, 3, 4; 1 finds 2 (10 degrees), 0 (20), ...; of five only those of "a" and "b" count
    evaluation = on_circle(["a", "b", "a", "b;a", "c"], [0, 20, 30, 60, 100], k=2)
    assert evaluation.answers[WITHIN].right.tolist() == [
        [False, True],  # 1 is b, 2 is a
        [False, False],  # 2 is a, 0 is a
        [False, True],  # 1 is b, 0 or 3: both lie 30 degrees away, and the earlier item comes first
        [True, True],  # 2 is a, 1 is b; 3 bears both
        [False, False],  # c is alone
    ]
    found = first_answers(evaluation, WITHIN)
    assert found.num_queries == 4
    assert found.right == pytest.approx((1 + 0 + 1 + 2) / 4)
    assert found.first_right == pytest.approx(1 / 4)
    assert found.possible == pytest.approx((2 + 1 + 2 + 2) / 4)


def test_chance_is_the_mean_over_all_orders():
    evaluation = on_circle(["a", "a", "a", "b", "b"], [0, 10, 20, 30, 40], k=2)
    found = first_answers(evaluation, WITHIN)
    right, first = [], []
    for relevant in ([1, 1, 0, 0],) * 3 + ([1, 0, 0, 0],) * 2:
        orders = list(permutations(relevant))
        right.append(np.mean([sum(order[:2]) for order in orders]))
        first.append(np.mean([order[0] for order in orders]))
    assert found.by_chance == pytest.approx(np.mean(right))
    assert found.first_by_chance == pytest.approx(np.mean(first))


def test_what_shares_a_group_is_no_candidate():
    groups = (frozenset([("photo", "x")]),) * 2 + (frozenset(),) * 2
    found = first_answers(on_circle(["a", "a", "a", "b"], [0, 10, 20, 30], groups=groups), WITHIN)
    # 0 and 1 have 2 and 3 to find, of which one is right; 2 has all three, of which two are
    assert found.possible == pytest.approx((1 + 1 + 2) / 3)
    assert found.first_by_chance == pytest.approx((1 / 2 + 1 / 2 + 2 / 3) / 3)


def test_blocks_change_nothing(monkeypatch):
    clips = ["a", "b", "a", "b;a", "c", "c"], [0, 20, 30, 60, 100, 110]
    whole = first_answers(on_circle(*clips), WITHIN)
    monkeypatch.setattr("avsearch.evaluation.retrieval.BLOCK_SCORES", 1)
    assert first_answers(on_circle(*clips), WITHIN) == whole


def test_nothing_is_said_where_nothing_can_be_found():
    alone = on_circle(["a", "b"], [0, 10])
    assert first_answers(alone, WITHIN) is None
    assert first_answers(alone, Direction(Modality.AUDIO, Modality.AUDIO)) is None
