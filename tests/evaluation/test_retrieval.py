"""Truth here: cases worked out by hand, and a slow evaluation written with nothing but loops."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.evaluation import retrieval
from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol, group_values
from avsearch.evaluation.relevance import Gain, SelfRule
from avsearch.evaluation.retrieval import evaluate
from avsearch.manifest import read_manifest
from avsearch.moments import DIRECTIONS, Direction, Modality

DEV_MANIFEST = Path(__file__).parents[3] / "shared" / "data" / "dev" / "manifest.csv"
PROTOCOL = Protocol("paper", "as a test says", "0" * 16, "AVE-Net", "ave", "small", seed=0)
IMAGE_IMAGE = Direction(Modality.IMAGE, Modality.IMAGE)
IMAGE_AUDIO = Direction(Modality.IMAGE, Modality.AUDIO)
AUDIO_IMAGE = Direction(Modality.AUDIO, Modality.IMAGE)


def items_of(labels, vectors, groups=None, k=30):
    labels = tuple(frozenset(of_item.split(";")) for of_item in labels)
    return Items(
        names=tuple(f"{index}.mp4" for index in range(len(labels))),
        labels=labels,
        groups=groups or (frozenset(),) * len(labels),
        vectors=vectors,
        settings=EvaluationSettings(Path("manifest.csv"), k=k),
        protocol=PROTOCOL,
    )


def on_circle(degrees, item=None):
    angle = np.radians(degrees)
    vector = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    return ItemVectors(vector, np.arange(len(degrees)) if item is None else np.array(item))


def naive_query(items, direction, query_row, *, rule, gain, k):
    """(nDCG, chance) of one query, in plain Python."""
    asking, answering = items.vectors[direction.query], items.vectors[direction.target]
    own = int(asking.item[query_row])
    gains, scores = {}, {}
    for row, item in enumerate(answering.item.tolist()):
        grouped = direction.query == direction.target and items.groups[own] & items.groups[item]
        if rule is SelfRule.OUT and (item == own or grouped):
            continue
        shared = len(items.labels[own] & items.labels[item])
        gains[item] = min(shared, 1) if gain is Gain.BINARY else 2**shared - 1
        score = float(asking.vector[query_row] @ answering.vector[row])
        scores[item] = max(score, scores.get(item, -math.inf))
    order = sorted(scores, key=lambda item: (-scores[item], item))
    ideal = dcg(sorted(gains.values(), reverse=True), k)
    if not ideal:
        return None
    mean_gain = sum(gains.values()) / len(gains)
    return dcg([gains[item] for item in order], k) / ideal, dcg([mean_gain] * len(gains), k) / ideal


def dcg(gains, k):
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))


def random_items(seed, k):
    """Few and coarse vectors, so that many scores tie; several moments an item, and items without a side."""
    rng = np.random.default_rng(seed)
    num_items = int(rng.integers(1, 12))
    labels = [";".join(rng.choice(list("abcd"), size=rng.integers(1, 4))) for _ in range(num_items)]
    groups = tuple(frozenset({("g", str(rng.integers(0, 4)))} if rng.random() < 0.7 else ()) for _ in labels)
    vectors = {}
    for modality in Modality:
        item = np.sort(rng.integers(0, num_items, size=int(rng.integers(0, 20))))
        vectors[modality] = ItemVectors(np.eye(3, dtype=np.float32)[rng.integers(0, 3, size=len(item))], item)
    return items_of(labels, vectors, groups, k)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), k=st.integers(1, 8), block=st.sampled_from([1, 17, 1 << 23]))
def test_everything_agrees_with_a_slow_loop_over_queries(seed, k, block):
    items = random_items(seed, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "BLOCK_SCORES", block)
        evaluation = evaluate(items)
    for rule in SelfRule:
        for gain in Gain:
            for direction in DIRECTIONS:
                check(items, evaluation, direction, rule=rule, gain=gain)


def check(items, evaluation, direction, *, rule, gain):
    num_queries = len(items.vectors[direction.query].item)
    naive = [
        naive_query(items, direction, row, rule=rule, gain=gain, k=items.settings.k) for row in range(num_queries)
    ]
    counted = [pair for pair in naive if pair is not None]
    score = evaluation.table(rule, gain).scores[direction]
    if counted:
        assert (score.ndcg, score.chance) == pytest.approx(tuple(np.mean(counted, axis=0)))
    else:
        assert (score.ndcg, score.chance) == (None, None)
    assert evaluation.queries[direction].asked == num_queries
    assert evaluation.queries[direction].without_relevant[rule] == num_queries - len(counted)


def test_four_clips_of_two_classes_come_out_as_by_hand():
    """Self-out, image 0 asks images: 1 (10 degrees, other), 2 (20, same), 3 (90, other); 2 is at rank 2 of 3.

    Its nDCG is 1 / log2(3), its chance (1/3) x (1 + 1/log2 3 + 1/2).
    """
    items = items_of(["a", "b", "a", "b"], {Modality.IMAGE: on_circle([0, 10, 20, 90])})
    score = evaluate(items).table(SelfRule.OUT, Gain.BINARY).scores[IMAGE_IMAGE]
    second, third = 1 / math.log2(3), 1 / 2
    # 0: [1 2 3] -> b a b; 1: [0 2 3] (equally near: by index) -> a a b; 2: [1 0 3] -> b a b; 3: [2 1 0] -> a b a
    assert score.ndcg == pytest.approx((second + third + second + second) / 4)
    assert score.chance == pytest.approx((1 + second + third) / 3)


def test_self_in_leaves_nothing_out():
    items = items_of(["a", "b"], {Modality.IMAGE: on_circle([0, 90]), Modality.AUDIO: on_circle([90, 0])})
    evaluation = evaluate(items)
    kept = evaluation.table(SelfRule.IN, Gain.BINARY).scores
    assert kept[IMAGE_IMAGE].ndcg == pytest.approx(1.0)
    assert kept[IMAGE_AUDIO].ndcg == pytest.approx(1 / math.log2(3))
    assert evaluation.queries[IMAGE_AUDIO].without_relevant == {SelfRule.OUT: 2, SelfRule.IN: 0}
    assert evaluation.table(SelfRule.OUT, Gain.BINARY).scores[IMAGE_AUDIO].ndcg is None


def test_an_item_is_as_near_as_its_nearest_moment():
    images = on_circle([0, 5], item=[0, 1])
    sounds = on_circle([30, 90, 10, 40], item=[1, 2, 2, 3])
    items = items_of(["a", "b", "a", "a"], {Modality.IMAGE: images, Modality.AUDIO: sounds}, k=2)
    score = evaluate(items).table(SelfRule.OUT, Gain.BINARY).scores[IMAGE_AUDIO]
    # image 0 finds 2 (10), 1 (30), 3 (40): a b, of two a; image 1 leaves itself out and no other is b
    assert score.ndcg == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_a_shared_group_value_shuts_out_in_the_same_modality_only():
    groups = (frozenset({("photo", "p")}), frozenset({("photo", "p")}), frozenset({("sound", "p")}))
    vectors = {Modality.IMAGE: on_circle([0, 0, 90]), Modality.AUDIO: on_circle([0, 0, 90])}
    evaluation = evaluate(items_of(["a", "a", "b"], vectors, groups))
    assert evaluation.queries[IMAGE_IMAGE].without_relevant[SelfRule.OUT] == 3
    assert evaluation.queries[IMAGE_IMAGE].without_relevant[SelfRule.IN] == 0
    assert evaluation.table(SelfRule.OUT, Gain.BINARY).scores[IMAGE_AUDIO].ndcg == pytest.approx(1.0)


def test_graded_gain_is_two_to_the_shared_labels_minus_one():
    labels = ["a;b", "a", "a;b;c"]
    items = items_of(labels, {Modality.IMAGE: on_circle([0, 1, 2])})
    score = evaluate(items).table(SelfRule.OUT, Gain.GRADED).scores[IMAGE_IMAGE]
    half = 1 / math.log2(3)
    first = (1 + 3 * half) / (3 + half)  # 0 finds 1 (gain 1), then 2 (gain 3)
    third = (1 + 3 * half) / (3 + half)  # 2 finds 1 (gain 1), then 0 (gain 3)
    assert score.ndcg == pytest.approx((first + 1 + third) / 3)


def test_a_direction_that_the_encoder_cannot_serve_has_no_score():
    evaluation = evaluate(items_of(["a", "a"], {Modality.IMAGE: on_circle([0, 1])}))
    table = evaluation.table(SelfRule.OUT, Gain.BINARY)
    assert table.scores[IMAGE_IMAGE].ndcg == pytest.approx(1.0)
    assert table.scores[IMAGE_AUDIO].ndcg is None
    assert evaluation.queries[AUDIO_IMAGE].asked == 0


def test_half_precision_vectors_rank_as_well():
    single = on_circle([0, 10, 20, 90])
    half = ItemVectors(single.vector.astype(np.float16), single.item)
    labels = ["a", "b", "a", "b"]
    scores = [
        evaluate(items_of(labels, {Modality.IMAGE: vectors})).table(SelfRule.IN, Gain.BINARY)
        for vectors in (single, half)
    ]
    assert scores[0].scores[IMAGE_IMAGE] == scores[1].scores[IMAGE_IMAGE]


@pytest.mark.parametrize(
    ("vector", "item", "message"),
    [
        (np.ones((2, 1)), [0], "do not fit"),
        (np.ones((2, 1)), [1, 0], "sorted"),
        (np.full((2, 1), 0.5), [0, 1], "unit"),
        (np.full((2, 1), np.nan), [0, 1], "unit"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(vector, item, message):
    with pytest.raises(ValueError, match=message):
        ItemVectors(vector, np.array(item))


@pytest.mark.skipif(not DEV_MANIFEST.exists(), reason="the real clips of ../shared/data/dev are not here")
def test_chance_on_the_real_clips_is_what_their_readme_says():
    """By class 0.11; by labels, where families count too, about twice that."""
    rows = read_manifest(DEV_MANIFEST).in_split("test")
    rng = np.random.default_rng(0)
    vectors = {}
    for modality in Modality:
        drawn = rng.standard_normal((len(rows), 16)).astype(np.float32)
        vectors[modality] = ItemVectors(drawn / np.linalg.norm(drawn, axis=1)[:, None], np.arange(len(rows)))
    groups = tuple(group_values(row, ["photo", "recordings"]) for row in rows)
    chance, found = {}, {}
    for column in ("class", "labels"):
        items = items_of([";".join(row.labels_in(column)) for row in rows], vectors, groups)
        score = evaluate(items).table(SelfRule.OUT, Gain.BINARY).scores[IMAGE_AUDIO]
        chance[column], found[column] = score.chance, score.ndcg
    assert chance["class"] == pytest.approx(0.11, abs=0.03)
    assert 1.7 < chance["labels"] / chance["class"] < 2.3
    assert found["class"] == pytest.approx(chance["class"], abs=0.03)
