"""Truth here: clusters that are known beforehand, nearest neighbours by scikit-learn, and a second process."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from avsearch.evaluation.page import embedding_map as module
from avsearch.evaluation.page.embedding_map import classes_shown, embedding_map, map_caption, map_plot
from avsearch.moments import Modality

LABELS = ["bell", "bird", "car"] * 15

ELSEWHERE = """
import numpy as np
from avsearch.evaluation.page.embedding_map import _placed
vectors = np.random.default_rng(0).standard_normal((510, 60))
print(_placed(vectors, 3).tobytes().hex())
"""


def test_moments_of_a_class_lie_together(items_of):
    found = embedding_map(items_of(LABELS, noise=0.1), seed=0)
    classes = [LABELS[item] for item in found.item]
    others = KNeighborsClassifier(5).fit(found.place, classes)
    assert found.place.shape == (90, 2)
    assert others.score(found.place, classes) == 1.0


@pytest.mark.slow
def test_two_processes_place_alike():
    vectors = np.random.default_rng(0).standard_normal((510, 60))
    command = [sys.executable, "-c", ELSEWHERE]
    outputs = {subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)}
    assert outputs == {module._placed(vectors, 3).tobytes().hex()}


def test_a_sample_shows_as_many_of_each_modality_and_says_so(items_of, monkeypatch):
    monkeypatch.setattr(module, "MOST_MOMENTS", 30)
    items = items_of(LABELS)
    found = embedding_map(items, seed=0)
    assert [found.modality.count(modality) for modality in Modality] == [15, 15]
    assert "15 of 45 pictures and 15 of 45 sounds, drawn by seed." in map_caption(found)
    assert not np.array_equal(found.item, embedding_map(items, seed=1).item)
    assert np.array_equal(found.item, embedding_map(items, seed=0).item)


def test_everything_is_shown_where_there_is_room(items_of):
    found = embedding_map(items_of(LABELS, per_item=2), seed=0)
    assert found.item.tolist() == [it for it in range(45) for _ in range(2)] * 2
    assert map_caption(found).startswith("All 90 pictures and all 90 sounds.")


@pytest.mark.parametrize("labels", [["bell"], ["bell", "bird", "car"]], ids=["one", "three"])
def test_few_moments_make_no_map(items_of, labels):
    assert embedding_map(items_of(labels), seed=0) is None


def test_moments_that_are_all_alike_make_no_map(items_of):
    assert embedding_map(items_of(["bell"] * 20, noise=0.0), seed=0) is None


def test_pictures_alone_make_a_map_too(items_of):
    found = embedding_map(items_of(LABELS, modalities=(Modality.IMAGE,)), seed=0)
    assert set(found.modality) == {Modality.IMAGE}
    assert "triangles" not in map_caption(found)


def test_of_many_classes_the_most_frequent_have_colours_and_the_others_are_counted(items_of):
    labels = [f"class {number:02}" for number in range(20) for _ in range(1 + (number < 14))]
    items = items_of([*labels, *(f"class {number:02}" for number in range(14, 20))][: len(labels)], noise=0.3)
    classes = [min(items.labels[item]) for item in range(len(labels))]
    assert module._most_frequent(classes) == [f"class {number:02}" for number in range(14)]
    assert map_plot(embedding_map(items, seed=0), items).src.startswith("data:image/svg+xml;base64,")


def test_of_several_labels_the_rarest_is_shown():
    labels = [{"flute", "wind"}, {"oboe", "wind"}, {"flute", "wind"}, {"wind"}, {"harp", "lute"}]
    assert classes_shown(list(map(frozenset, labels))) == ["flute", "oboe", "flute", "wind", "harp"]
