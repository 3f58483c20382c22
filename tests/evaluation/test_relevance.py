"""Truth here: sets compared one by one, a small tree by hand, and the chance line that the paper prints."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.audioset import INSTRUMENT_ROOTS, Ontology, read_ontology, read_segments, with_any
from avsearch.errors import UsageError
from avsearch.evaluation.assembly import class_relevance
from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol
from avsearch.evaluation.markdown import report_markdown
from avsearch.evaluation.relevance import Gain, Relevance, SelfRule, label_sets
from avsearch.evaluation.results import Column, Evaluation, Measure
from avsearch.evaluation.retrieval import evaluate
from avsearch.evaluation.systems import Report, Run, apart
from avsearch.moments import Direction, Modality

IMAGE_IMAGE = Direction(Modality.IMAGE, Modality.IMAGE)
SETS = st.lists(st.frozensets(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=8)
TREE = Ontology(
    names={it: f"name of {it}" for it in "rabcdxy"},
    children={"r": ("a", "b"), "a": ("c", "d"), "b": ("d",), "x": ("y",), "c": (), "d": (), "y": ()},
)


@given(SETS)
def test_relevance_between_sets_is_what_a_loop_over_pairs_says(labels):
    found = label_sets(labels)
    rows = np.arange(len(found.sets))
    overlap, iou = (found.relevance(rows, by)[found.of_item][:, found.of_item] for by in list(Relevance)[:2])
    for (i, one), (j, other) in itertools.product(enumerate(labels), repeat=2):
        assert overlap[i, j] == bool(one & other)
        assert iou[i, j] == pytest.approx(len(one & other) / len(one | other))


def test_gain_is_two_to_the_relevance_minus_one_or_the_relevance():
    relevance = np.array([0, 1, 2, 20], np.float32)
    assert Gain.EXPONENTIAL.of(relevance).tolist() == [0, 1, 3, 2**20 - 1]
    assert Gain.LINEAR.of(relevance).tolist() == [0, 1, 2, 20]


def test_distances_are_counted_in_a_tree_where_each_class_has_its_first_parent():
    """d stands below a and b: here below a alone; x and y are a tree of their own."""
    distances = TREE.tree_distances(list("rabcdx"))
    infinite = math.inf
    assert distances.tolist() == [
        [0, 1, 1, 2, 2, infinite],
        [1, 0, 2, 1, 1, infinite],
        [1, 2, 0, 3, 3, infinite],
        [2, 1, 3, 0, 2, infinite],
        [2, 1, 3, 2, 0, infinite],
        [infinite] * 5 + [0],
    ]


@given(SETS)
def test_relevance_by_ontology_is_the_largest_over_all_pairs_of_labels(labels):
    """e and f are not in the ontology: each matches itself alone."""
    found = label_sets(labels, class_relevance(TREE, set("abcdef")))
    matrix = found.relevance(np.arange(len(found.sets)), Relevance.ONTOLOGY)
    steps = dict(zip("abcd", TREE.tree_distances(list("abcd")), strict=True))
    for (i, one), (j, other) in itertools.product(enumerate(found.sets), repeat=2):
        pairs = [
            20 - steps[a]["abcd".index(b)] if a in steps and b in steps else 20.0 * (a == b)
            for a, b in itertools.product(one, other)
        ]
        assert matrix[i, j] == max(pairs)


def test_labels_are_known_by_id_or_by_name():
    by_id, by_name = (
        class_relevance(TREE, labels) for labels in ({"c", "d"}, {"name of c", "name of d", "no such"})
    )
    assert by_id.matrix.tolist() == by_name.matrix.tolist() == [[20, 18], [18, 20]]
    assert set(by_name.index) == {"name of c", "name of d"}


def test_relevance_by_ontology_without_one_is_wrong_usage():
    with pytest.raises(UsageError, match="needs the ontology"):
        EvaluationSettings(Path("manifest.csv"), relevance=Relevance.ONTOLOGY)


@pytest.fixture(scope="module")
def instruments(shared_data):
    """AudioSet-Instruments' evaluation clips, by the paper's protocol; pictures alone, which all look alike."""
    folder = shared_data / "audioset"
    ontology = read_ontology(folder / "ontology.json")
    clips = with_any(read_segments(folder / "eval_segments.csv"), ontology.below(INSTRUMENT_ROOTS))
    assert len(clips) == 4361
    labels = tuple(frozenset(clip.ids) for clip in clips)
    one_direction = ItemVectors(np.ones((len(clips), 1), np.float32), np.arange(len(clips)), np.arange(len(clips)))
    settings = EvaluationSettings(
        Path("eval.csv"), relevance=Relevance.ONTOLOGY, ontology=folder / "ontology.json", seed=0
    )
    return evaluate(
        Items(
            names=tuple(clip.youtube_id for clip in clips),
            paths=tuple(Path(clip.youtube_id) for clip in clips),
            labels=labels,
            groups=(frozenset(),) * len(clips),
            vectors={Modality.IMAGE: one_direction},
            settings=settings,
            protocol=Protocol("paper", "as a test says", "0" * 16, "ave", "ave", "paper", seed=0),
            classes=class_relevance(ontology, frozenset().union(*labels)),
        )
    )


def test_the_papers_chance_line_of_407_is_reproduced_on_its_clips(instruments):
    """2^r - 1, all labels of AudioSet, the query's own clip at rank 1: published .407."""
    grading = instruments.settings.grading
    kept, out = (instruments.score(IMAGE_IMAGE, Column(Measure.NDCG, it, grading)) for it in list(SelfRule)[::-1])
    assert kept.chance_own_first == pytest.approx(0.407, abs=0.001)
    assert 0.40 < kept.chance_own_first < 0.42
    assert 0.33 < out.chance < 0.352


def test_the_papers_table_stands_beside_a_run_of_its_protocol_and_clips_and_no_other(instruments):
    kept = instruments.score(IMAGE_IMAGE, instruments.columns[-1])
    ours, chance = report_of(instruments).beside_the_paper
    assert (ours.name, ours.ndcg, ours.avc) == ("run", (kept.mean, None, None, None), None)
    assert (chance.ndcg[0], chance.avc) == (kept.chance_own_first, 0.5)
    assert "## Beside the paper" in report_markdown(report_of(instruments))
    items = instruments.items
    others = [
        replace(items, protocol=replace(items.protocol, name="library")),
        replace(items, settings=replace(items.settings, gain=Gain.LINEAR)),
        replace(items, settings=replace(items.settings, k=10)),
        replace(items, settings=replace(items.settings, relevance=Relevance.IOU)),
        replace(items, labels=(frozenset({"/m/09x0r"}), *items.labels[1:])),  # speech alone
    ]
    for other in others:
        assert report_of(Evaluation(other, {}, {})).beside_the_paper == ()


def report_of(evaluation):
    return Report(apart([Run("run", evaluation)]), "2026-11-27")
