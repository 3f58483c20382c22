"""Truth here: hits written by hand."""

from pathlib import Path

import numpy as np
import pytest

from avsearch.evaluation.classes import class_scores, confusion
from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol
from avsearch.evaluation.retrieval import evaluate
from avsearch.moments import Direction, Modality

IMAGE_IMAGE = Direction(Modality.IMAGE, Modality.IMAGE)


def evaluation_of(labels, degrees, k=2):
    angle = np.radians(degrees)
    vector = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    each = np.arange(len(labels))
    return evaluate(
        Items(
            names=tuple(f"{index}.mp4" for index in each),
            paths=tuple(Path(f"{index}.mp4") for index in each),
            labels=tuple(frozenset(of_item.split(";")) for of_item in labels),
            groups=(frozenset(),) * len(labels),
            vectors={Modality.IMAGE: ItemVectors(vector, each, each)},
            settings=EvaluationSettings(Path("manifest.csv"), k=k),
            protocol=Protocol("paper", "as a test says", "0" * 16, "ave", "ave", "small", seed=0),
        )
    )


def test_each_class_has_the_mean_of_its_own_queries_and_the_worst_comes_first():
    """0 and 1 (a) find each other first, 2 and 3 (b) find a first; c has nothing to find."""
    evaluation = evaluation_of(["a", "a", "b", "b", "c"], [0, 1, 20, 90, 180])
    by_label = {score.label: score for score in class_scores(evaluation, IMAGE_IMAGE)}
    assert [score.label for score in class_scores(evaluation, IMAGE_IMAGE)] == ["b", "a", "c"]
    assert (by_label["a"].num_items, by_label["a"].num_queries, by_label["a"].mean) == (2, 2, pytest.approx(1.0))
    assert by_label["b"].mean == pytest.approx((0 + 1) / 2)  # 2 finds 1, 0; 3 finds 2
    assert (by_label["c"].mean, by_label["c"].chance, by_label["c"].num_queries) == (None, None, 1)
    assert by_label["a"].chance == pytest.approx(1 / 4 * (1 + 1 / np.log2(3)))


def test_confusion_tells_whose_hits_are_whose():
    evaluation = evaluation_of(["a", "a", "b", "b"], [0, 1, 20, 90])
    found = confusion(evaluation, IMAGE_IMAGE)
    # 0: 1 2 -> a b; 1: 0 2 -> a b; 2: 1 0 -> a a; 3: 2 1 -> b a
    assert found.labels == ("a", "b")
    assert found.share.tolist() == [[0.5, 0.5], [0.75, 0.25]]
    assert found.worst(5) == [("b", "a", 0.75), ("a", "b", 0.5)]


def test_an_item_of_two_labels_counts_half_for_each_on_either_side():
    evaluation = evaluation_of(["a;b", "c"], [0, 1], k=1)
    found = confusion(evaluation, IMAGE_IMAGE)
    assert found.share.tolist() == [[0, 0, 1], [0, 0, 1], [0.5, 0.5, 0]]


def test_a_direction_in_which_nothing_asks_has_neither():
    evaluation = evaluation_of(["a", "a"], [0, 1])
    nothing = Direction(Modality.AUDIO, Modality.AUDIO)
    assert class_scores(evaluation, nothing) == []
    assert confusion(evaluation, nothing) is None
