"""Truth here: cases worked out by hand, and a slow evaluation written with nothing but loops."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.evaluation import retrieval
from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol, group_values
from avsearch.evaluation.relevance import Gain, Grading, Relevance, SelfRule
from avsearch.evaluation.results import HEADLINE, Column, Measure
from avsearch.evaluation.retrieval import evaluate
from avsearch.manifest import read_manifest
from avsearch.moments import DIRECTIONS, Direction, Modality

DEV_MANIFEST = Path(__file__).parents[3] / "shared" / "data" / "dev" / "manifest.csv"
PROTOCOL = Protocol("paper", "as a test says", "0" * 16, "AVE-Net", "ave", "small", seed=0)
IMAGE_IMAGE = Direction(Modality.IMAGE, Modality.IMAGE)
IMAGE_AUDIO = Direction(Modality.IMAGE, Modality.AUDIO)
AUDIO_IMAGE = Direction(Modality.AUDIO, Modality.IMAGE)


def items_of(labels, vectors, groups=None, k=30, relevance=Relevance.IOU, gain=Gain.EXPONENTIAL):
    labels = tuple(frozenset(of_item.split(";")) for of_item in labels)
    return Items(
        names=tuple(f"{index}.mp4" for index in range(len(labels))),
        paths=tuple(Path(f"/{index}.mp4") for index in range(len(labels))),
        labels=labels,
        groups=groups or (frozenset(),) * len(labels),
        vectors=vectors,
        settings=EvaluationSettings(Path("manifest.csv"), k=k, relevance=relevance, gain=gain),
        protocol=PROTOCOL,
    )


def on_circle(degrees, item=None):
    angle = np.radians(degrees)
    vector = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    item = np.arange(len(degrees)) if item is None else np.array(item)
    return ItemVectors(vector, item, np.arange(len(degrees)))


def naive_query(items, direction, query_row, column):
    """(found, chance) of one query and one way to count, in plain Python; chance of nDCG and recall only."""
    asking, answering = items.vectors[direction.query], items.vectors[direction.target]
    own = int(asking.item[query_row])
    gains, scores = {}, {}
    for row, item in enumerate(answering.item.tolist()):
        grouped = direction.query == direction.target and items.groups[own] & items.groups[item]
        if column.self_rule is SelfRule.OUT and (item == own or grouped):
            continue
        gains[item] = naive_gain(items.labels[own], items.labels[item], column.grading)
        score = float(asking.vector[query_row] @ answering.vector[row])
        scores[item] = max(score, scores.get(item, -math.inf))
    order = [gains[item] for item in sorted(scores, key=lambda item: (-scores[item], item))]
    if not any(order):
        return None
    return naive_measure(order, column.measure, items.settings.k)


def naive_gain(one, other, grading):
    shared = len(one & other)
    relevance = shared / len(one | other) if grading.relevance is Relevance.IOU else min(shared, 1)
    return 2**relevance - 1 if grading.gain is Gain.EXPONENTIAL else relevance


def naive_measure(gains, measure, k):
    ranks = [rank for rank, gain in enumerate(gains, start=1) if gain]
    if measure is Measure.NDCG:
        ideal = dcg(sorted(gains, reverse=True), k)
        return dcg(gains, k) / ideal, dcg([sum(gains) / len(gains)] * len(gains), k) / ideal
    if measure is Measure.RECALL:
        return sum(rank <= k for rank in ranks) / len(ranks), min(k, len(gains)) / len(gains)
    if measure is Measure.MAP:
        return sum(found / rank for found, rank in enumerate(ranks, start=1)) / len(ranks), None
    return 1 / ranks[0], None


def dcg(gains, k):
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))


def random_items(seed, k, gain):
    """Few and coarse vectors, so that many scores tie; several moments an item, and items without a side."""
    rng = np.random.default_rng(seed)
    num_items = int(rng.integers(1, 12))
    labels = [";".join(rng.choice(list("abcd"), size=rng.integers(1, 4))) for _ in range(num_items)]
    groups = tuple(frozenset({("g", str(rng.integers(0, 4)))} if rng.random() < 0.7 else ()) for _ in labels)
    vectors = {}
    for modality in Modality:
        item = np.sort(rng.integers(0, num_items, size=int(rng.integers(0, 20))))
        vector = np.eye(3, dtype=np.float32)[rng.integers(0, 3, size=len(item))]
        vectors[modality] = ItemVectors(vector, item, np.arange(len(item)))
    return items_of(labels, vectors, groups, k, gain=gain)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    k=st.integers(1, 8),
    block=st.sampled_from([1, 17, 1 << 23]),
    gain=st.sampled_from(Gain),
)
def test_everything_agrees_with_a_slow_loop_over_queries(seed, k, block, gain):
    items = random_items(seed, k, gain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "BLOCK_SCORES", block)
        evaluation = evaluate(items)
    assert len(evaluation.columns) == 10
    for column in evaluation.columns:
        for direction in DIRECTIONS:
            check(items, evaluation, direction, column)


def check(items, evaluation, direction, column):
    num_queries = len(items.vectors[direction.query].item)
    naive = [naive_query(items, direction, row, column) for row in range(num_queries)]
    counted = [pair for pair in naive if pair is not None]
    score = evaluation.score(direction, column)
    if not counted:
        assert score is None
        return
    found, chance = zip(*counted, strict=True)
    assert (score.mean, score.num_queries) == (pytest.approx(np.mean(found)), len(counted))
    assert score.interval.low <= score.mean + 1e-12
    assert score.mean <= score.interval.high + 1e-12
    if chance[0] is not None:
        assert score.chance == pytest.approx(np.mean(chance))
    count = evaluation.queries(direction)
    assert (count.asked, count.without_relevant[column.self_rule]) == (num_queries, num_queries - len(counted))
    reached = evaluation.answers[direction].of(column)
    assert [None if np.isnan(it) else pytest.approx(it) for it in reached] == [it and it[0] for it in naive]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), k=st.integers(1, 8))
def test_hits_are_what_the_headline_ranks_first_and_the_curve_ends_in_it(seed, k):
    items = random_items(seed, k, Gain.LINEAR)
    evaluation = evaluate(items)
    for direction, answers in evaluation.answers.items():
        found, asking = items.vectors[direction.target], items.vectors[direction.query]
        for row, hits in enumerate(answers.hits):
            own = asking.item[row]
            scores = {}
            for item, vector in zip(found.item.tolist(), found.vector, strict=True):
                grouped = direction.is_same_modality and items.groups[own] & items.groups[item]
                if item != own and not grouped:
                    scores[item] = max(float(asking.vector[row] @ vector), scores.get(item, -1.0))
            expected = sorted(scores, key=lambda item: (-scores[item], item))[:k]
            assert [hit for hit in hits.tolist() if hit >= 0] == expected
        ends = answers.curve[:, -1]
        reached = answers.of(HEADLINE)
        assert ends == pytest.approx(reached, nan_ok=True)


def test_chance_with_the_own_item_first_is_the_mean_over_all_orders_of_the_others():
    """Item 0 (a) among a, b, a;b with IoU and 2^r - 1: gains 1, 0, 2^(1/2) - 1; its own comes first."""
    items = items_of(["a", "b", "a;b"], {Modality.IMAGE: on_circle([0, 10, 20])})
    half, third = 1 / math.log2(3), 1 / 2
    part = 2**0.5 - 1
    orders_of_a = [1 + 0 * half + part * third, 1 + part * half + 0 * third]
    expected_a = np.mean(orders_of_a) / (1 + part * half)
    expected_ab = np.mean([1 + part * half + part * third]) / (1 + part * half + part * third)
    column = evaluate(items).columns[-1]
    score = evaluate(items).score(IMAGE_IMAGE, column)
    assert score.chance_own_first == pytest.approx((2 * expected_a + expected_ab) / 3)


def test_four_clips_of_two_classes_come_out_as_by_hand():
    """Self-out, image 0 asks images: 1 (10 degrees, other), 2 (20, same), 3 (90, other); 2 is at rank 2 of 3.

    Its nDCG is 1 / log2(3), its chance (1/3) x (1 + 1/log2 3 + 1/2).
    """
    items = items_of(["a", "b", "a", "b"], {Modality.IMAGE: on_circle([0, 10, 20, 90])})
    score = evaluate(items).score(IMAGE_IMAGE)
    second, third = 1 / math.log2(3), 1 / 2
    # 0: [1 2 3] -> b a b; 1: [0 2 3] (equally near: by index) -> a a b; 2: [1 0 3] -> b a b; 3: [2 1 0] -> a b a
    assert score.mean == pytest.approx((second + third + second + second) / 4)
    assert score.chance == pytest.approx((1 + second + third) / 3)


def test_self_in_leaves_nothing_out():
    items = items_of(["a", "b"], {Modality.IMAGE: on_circle([0, 90]), Modality.AUDIO: on_circle([90, 0])})
    evaluation = evaluate(items)
    kept = Column(Measure.NDCG, SelfRule.IN)
    assert evaluation.score(IMAGE_IMAGE, kept).mean == pytest.approx(1.0)
    assert evaluation.score(IMAGE_AUDIO, kept).mean == pytest.approx(1 / math.log2(3))
    assert evaluation.queries(IMAGE_AUDIO).without_relevant == {SelfRule.OUT: 2, SelfRule.IN: 0}
    assert evaluation.score(IMAGE_AUDIO) is None


def test_an_item_is_as_near_as_its_nearest_moment():
    images = on_circle([0, 5], item=[0, 1])
    sounds = on_circle([30, 90, 10, 40], item=[1, 2, 2, 3])
    items = items_of(["a", "b", "a", "a"], {Modality.IMAGE: images, Modality.AUDIO: sounds}, k=2)
    score = evaluate(items).score(IMAGE_AUDIO)
    # image 0 finds 2 (10), 1 (30), 3 (40): a b, of two a; image 1 leaves itself out and no other is b
    assert score.mean == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_a_shared_group_value_shuts_out_in_the_same_modality_only():
    groups = (frozenset({("photo", "p")}), frozenset({("photo", "p")}), frozenset({("sound", "p")}))
    vectors = {Modality.IMAGE: on_circle([0, 0, 90]), Modality.AUDIO: on_circle([0, 0, 90])}
    evaluation = evaluate(items_of(["a", "a", "b"], vectors, groups))
    assert evaluation.queries(IMAGE_IMAGE).without_relevant == {SelfRule.OUT: 3, SelfRule.IN: 0}
    assert evaluation.score(IMAGE_AUDIO).mean == pytest.approx(1.0)


def test_graded_gain_is_by_the_labels_that_both_have_of_those_that_either_has():
    items = items_of(["a;b", "a", "a;b;c"], {Modality.IMAGE: on_circle([0, 1, 2])})
    score = evaluate(items).score(
        IMAGE_IMAGE, Column(Measure.NDCG, grading=Grading(Relevance.IOU, Gain.EXPONENTIAL))
    )
    half, of_two, of_three, of_one = 1 / math.log2(3), 2 ** (2 / 3) - 1, 2 ** (1 / 3) - 1, 2 ** (1 / 2) - 1
    first = (of_one + of_two * half) / (of_two + of_one * half)  # 0 finds 1 (1 of 2), then 2 (2 of 3)
    second = (of_one + of_three * half) / (of_one + of_three * half)  # 1 finds 0 (1 of 2), then 2 (1 of 3)
    third = (of_three + of_two * half) / (of_two + of_three * half)  # 2 finds 1 (1 of 3), then 0 (2 of 3)
    assert score.mean == pytest.approx((first + second + third) / 3)


def test_a_direction_that_the_encoder_cannot_serve_has_no_score():
    evaluation = evaluate(items_of(["a", "a"], {Modality.IMAGE: on_circle([0, 1])}))
    assert evaluation.score(IMAGE_IMAGE).mean == pytest.approx(1.0)
    assert evaluation.score(IMAGE_AUDIO) is None
    assert evaluation.queries(AUDIO_IMAGE).asked == 0


def test_half_precision_vectors_rank_as_well():
    single = on_circle([0, 10, 20, 90])
    half = ItemVectors(single.vector.astype(np.float16), single.item, single.start_us)
    labels = ["a", "b", "a", "b"]
    scores = [
        evaluate(items_of(labels, {Modality.IMAGE: vectors})).score(IMAGE_IMAGE) for vectors in (single, half)
    ]
    assert scores[0] == scores[1]


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
        ItemVectors(vector, np.array(item), np.arange(len(item)))


@pytest.mark.skipif(not DEV_MANIFEST.exists(), reason="the real clips of ../shared/data/dev are not here")
def test_chance_on_the_real_clips_is_what_their_readme_says():
    """By class 0.11; by labels, where families count too, about twice that."""
    rows = read_manifest(DEV_MANIFEST).in_split("test")
    rng = np.random.default_rng(0)
    vectors = {}
    for modality in Modality:
        drawn = rng.standard_normal((len(rows), 16)).astype(np.float32)
        each = np.arange(len(rows))
        vectors[modality] = ItemVectors(drawn / np.linalg.norm(drawn, axis=1)[:, None], each, each)
    groups = tuple(group_values(row, ["photo", "recordings"]) for row in rows)
    chance, found = {}, {}
    for column in ("class", "labels"):
        items = items_of([";".join(row.labels_in(column)) for row in rows], vectors, groups)
        score = evaluate(items).score(IMAGE_AUDIO)
        chance[column], found[column] = score.chance, score.mean
    assert chance["class"] == pytest.approx(0.11, abs=0.03)
    assert 1.7 < chance["labels"] / chance["class"] < 2.3
    assert found["class"] == pytest.approx(chance["class"], abs=0.03)


@pytest.mark.slow
def test_memory_does_not_grow_with_queries_times_candidates():
    """A block of 40,000 candidates takes what one of 4,000 does; all scores at once would take 6.4 GB."""
    peaks = []
    for count in (4_000, 40_000):
        rng = np.random.default_rng(0)
        drawn = rng.standard_normal((count, 8)).astype(np.float32)
        each = np.arange(count)
        vectors = ItemVectors(drawn / np.linalg.norm(drawn, axis=1)[:, None], each, each)
        items = items_of([str(number % 50) for number in range(count)], {Modality.IMAGE: vectors})
        contest = retrieval.contest_of(items, IMAGE_IMAGE)
        blocks = list(contest.blocks())
        tracemalloc.start()
        answers = contest.answers(blocks[0])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(answers.item) * count <= retrieval.BLOCK_SCORES
        assert sum(len(each[block]) for block in blocks) == count
    assert max(peaks) < 200e6
    assert peaks[1] < 1.5 * peaks[0]
