"""Truth here: sums written out by hand, plain loops, all orders of short lists, and scikit-learn.

That trec_eval says the same is tested in tests/evaluation/test_trec_eval.py.
"""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from avsearch.metrics import (
    avc_accuracy,
    average_precision,
    dcg_at_k,
    discounts,
    expected_average_precision,
    expected_ndcg_at_k,
    expected_ndcg_at_k_own_first,
    expected_ndcg_curve,
    expected_recall_at_k,
    expected_reciprocal_rank,
    ndcg_at_k,
    ndcg_curve,
    recall_at_k,
    reciprocal_rank,
    roc_auc,
)

gain_lists = st.lists(st.integers(0, 7), min_size=1, max_size=60)


def naive_ndcg(gains, candidates, k):
    ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(sorted(candidates)[::-1][:k], start=1))
    found = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))
    return found / ideal if ideal else math.nan


def descending(gains):
    return np.sort(np.array([gains]))[:, ::-1]


def test_the_discount_of_a_rank_is_the_inverse_of_log2_of_the_next_rank():
    assert discounts(3) == pytest.approx([1.0, 0.6309297535714575, 0.5])


def test_dcg_and_ndcg_match_a_sum_written_out_by_hand():
    gains = np.array([[3, 2, 3, 0, 1, 2]])
    by_hand = 3 + 2 / 1.584962500721156 + 3 / 2 + 0 + 1 / 2.584962500721156 + 2 / 2.807354922057604
    assert dcg_at_k(gains, 6) == pytest.approx([by_hand])
    ideal_by_hand = 3 + 3 / 1.584962500721156 + 2 / 2 + 2 / 2.321928094887362 + 1 / 2.584962500721156
    assert ndcg_at_k(gains, descending(gains[0]), 6) == pytest.approx([by_hand / ideal_by_hand])


def test_a_query_without_a_relevant_candidate_has_no_ndcg_and_no_chance():
    nothing = np.zeros((1, 4))
    assert np.isnan(ndcg_at_k(nothing, nothing, 30)).all()
    assert np.isnan(expected_ndcg_at_k(np.zeros(1), np.array([4]), ideal_gains=nothing, k=30)).all()


def test_the_number_of_ranks_is_at_least_one():
    with pytest.raises(ValueError, match="at least 1"):
        dcg_at_k(np.ones((1, 2)), 0)


@given(gain_lists, st.integers(1, 40))
def test_ndcg_agrees_with_a_plain_loop_for_any_gains_and_any_k(gains, k):
    vectorised = ndcg_at_k(np.array([gains]), descending(gains), k)[0]
    assert vectorised == pytest.approx(naive_ndcg(gains, gains, k), nan_ok=True)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(1, 7))
def test_chance_is_the_mean_over_all_orders_of_the_candidates(gains, k):
    orders = [naive_ndcg(order, gains, k) for order in itertools.permutations(gains)]
    expected = expected_ndcg_at_k(
        np.array([np.mean(gains)]), np.array([len(gains)]), ideal_gains=descending(gains), k=k
    )[0]
    assert expected == pytest.approx(np.mean(orders), nan_ok=True)


def orders_of(num_relevant, num_candidates):
    """(Q, n) bool: every way to place the relevant ones, each as often as the others."""
    places = itertools.combinations(range(num_candidates), num_relevant)
    return np.array([[rank in chosen for rank in range(num_candidates)] for chosen in places])


@given(st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=6), st.integers(1, 12))
def test_recall_precision_and_reciprocal_rank_agree_with_plain_loops(rows, k):
    relevant = np.array(rows)
    naive_recall, naive_precision, naive_reciprocal = zip(*(naive_binary(row, k) for row in rows), strict=True)
    assert recall_at_k(relevant, k) == pytest.approx(naive_recall, nan_ok=True, abs=1e-12)
    assert average_precision(relevant) == pytest.approx(naive_precision, nan_ok=True, abs=1e-12)
    assert reciprocal_rank(relevant) == pytest.approx(naive_reciprocal, nan_ok=True, abs=1e-12)


def naive_binary(row, k):
    ranks = [rank for rank, is_relevant in enumerate(row, start=1) if is_relevant]
    if not ranks:
        return math.nan, math.nan, math.nan
    recall = sum(rank <= k for rank in ranks) / len(ranks)
    return recall, sum((nth + 1) / rank for nth, rank in enumerate(ranks)) / len(ranks), 1 / ranks[0]


def test_by_hand_two_relevant_ones_at_ranks_two_and_four():
    relevant = np.array([[False, True, False, True]])
    assert recall_at_k(relevant, 3) == [0.5]
    assert average_precision(relevant) == [(1 / 2 + 2 / 4) / 2]
    assert reciprocal_rank(relevant) == [0.5]


@pytest.mark.parametrize("num_candidates", [0, 3])
def test_a_query_without_a_relevant_candidate_has_none_of_the_binary_measures(num_candidates):
    nothing = np.zeros((2, num_candidates), bool)
    for values in (recall_at_k(nothing, 5), average_precision(nothing), reciprocal_rank(nothing)):
        assert values.shape == (2,)
        assert np.isnan(values).all()
    none, some = np.zeros(2, int), np.full(2, num_candidates)
    chances = (
        expected_recall_at_k(none, some, k=5),
        expected_average_precision(none, some),
        expected_reciprocal_rank(none, some),
    )
    assert np.isnan(chances).all()


def test_recall_counts_at_least_one_rank():
    with pytest.raises(ValueError, match="at least 1"):
        recall_at_k(np.ones((1, 2), bool), 0)


@pytest.mark.parametrize("num_candidates", range(1, 9))
@pytest.mark.parametrize("k", [1, 3, 10])
def test_binary_chance_is_the_mean_over_all_orders(num_candidates, k):
    num_relevant = np.arange(1, num_candidates + 1)
    orders = [orders_of(count, num_candidates) for count in num_relevant]
    candidates = np.full(num_candidates, num_candidates)
    expected_and_measure = (
        (expected_recall_at_k(num_relevant, candidates, k=k), lambda rows: recall_at_k(rows, k)),
        (expected_average_precision(num_relevant, candidates), average_precision),
        (expected_reciprocal_rank(num_relevant, candidates), reciprocal_rank),
    )
    for expected, measure in expected_and_measure:
        assert expected == pytest.approx([measure(rows).mean() for rows in orders], abs=1e-12)


def test_binary_chance_of_a_large_collection_is_what_the_sums_say_term_by_term():
    num_relevant, num_candidates = 250, 10_000
    placed = math.comb(num_candidates, num_relevant)
    first = [math.comb(num_candidates - rank, num_relevant - 1) / placed for rank in range(1, num_candidates + 1)]
    reciprocal = sum(chance / rank for rank, chance in enumerate(first, start=1))
    before = (num_relevant - 1) / (num_candidates - 1)
    precision = sum((1 + (rank - 1) * before) / rank for rank in range(1, num_candidates + 1)) / num_candidates
    counts = np.array([num_relevant]), np.array([num_candidates])
    assert expected_reciprocal_rank(*counts) == pytest.approx([reciprocal], rel=1e-9)
    assert expected_average_precision(*counts) == pytest.approx([precision], rel=1e-9)


@given(gain_lists)
def test_the_curve_holds_ndcg_at_every_rank(gains):
    ranked, ideal = np.array([gains]), descending(gains)
    curve = ndcg_curve(ranked, ideal)
    naive = [naive_ndcg(gains, gains, k) for k in range(1, len(gains) + 1)]
    assert curve[0] == pytest.approx(naive, nan_ok=True)


@given(gain_lists, st.integers(0, 5))
def test_the_chance_curve_holds_chance_at_every_rank(gains, num_more):
    ideal = np.hstack([descending(gains), np.zeros((1, num_more))])
    mean, num = np.array([np.mean(gains)]), np.array([len(gains)])
    curve = expected_ndcg_curve(mean, num, ideal_gains=ideal)
    at_each = [expected_ndcg_at_k(mean, num, ideal_gains=ideal, k=k)[0] for k in range(1, ideal.shape[1] + 1)]
    assert curve[0] == pytest.approx(at_each, nan_ok=True)


def test_a_curve_needs_as_many_ranks_of_both():
    with pytest.raises(ValueError, match="as many ranks"):
        ndcg_curve(np.ones((1, 3)), np.ones((1, 2)))


@given(st.integers(0, 3), st.lists(st.integers(0, 3), max_size=5), st.integers(1, 7))
def test_chance_with_the_own_item_first_is_the_mean_over_all_orders_of_the_others(own, others, k):
    gains = [own, *others]
    orders = [naive_ndcg([own, *order], gains, k) for order in itertools.permutations(others)]
    mean = np.array([np.mean(others) if others else 0.0])
    counts = np.array([len(others)])
    expected = expected_ndcg_at_k_own_first(np.array([own]), mean, counts, ideal_gains=descending(gains), k=k)
    assert expected[0] == pytest.approx(np.mean(orders), nan_ok=True)


def test_the_measures_take_little_memory():
    """Twenty queries of 100,000 candidates: 2 MB of relevance, and no (Q, M) copy of it in float64 (16 MB)."""
    relevant = np.random.default_rng(0).random((20, 100_000)) < 0.3
    tracemalloc.start()
    average_precision(relevant), reciprocal_rank(relevant), recall_at_k(relevant, 30)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


few_scores = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=40)


@given(few_scores, few_scores)
def test_the_area_under_the_roc_curve_is_that_of_scikit_learn_and_of_counting_pairs(positives, negatives):
    found = roc_auc(np.array(positives), np.array(negatives))
    answers = [1] * len(positives) + [0] * len(negatives)
    assert found == pytest.approx(roc_auc_score(answers, positives + negatives), abs=1e-12)
    pairs = [(high > low) + (high == low) / 2 for high in positives for low in negatives]
    assert found == pytest.approx(np.mean(pairs), abs=1e-12)


@pytest.mark.parametrize(("positives", "message"), [([], "positives"), ([math.nan], "NaN")])
def test_scores_that_have_no_area_under_the_curve_are_refused(positives, message):
    with pytest.raises(ValueError, match=message):
        roc_auc(np.array(positives), np.array([1.0]))


def test_avc_accuracy_counts_both_kinds_of_error():
    scores = np.array([2.0, -1.0, 0.5, -0.5])
    assert avc_accuracy(scores, np.array([True, True, False, False])) == 0.5
    assert avc_accuracy(scores, np.array([True, False, True, False])) == 1.0
    assert avc_accuracy(scores, np.array([True, False, False, False]), threshold=1.0) == 1.0


def test_no_queries_have_no_chance_and_that_is_no_error():
    none = np.zeros(0, np.int64)
    assert expected_average_precision(none, none).shape == (0,)
    assert expected_reciprocal_rank(none, none).shape == (0,)


def test_a_score_at_the_threshold_does_not_say_that_a_pair_corresponds():
    assert avc_accuracy(np.array([1.0]), np.array([True]), threshold=1.0) == 0.0
    assert avc_accuracy(np.array([1.0]), np.array([False]), threshold=1.0) == 1.0


def test_avc_accuracy_needs_an_answer_for_every_score():
    with pytest.raises(ValueError, match="as many answers"):
        avc_accuracy(np.zeros(0), np.zeros(0, bool))
    with pytest.raises(ValueError, match="as many answers"):
        avc_accuracy(np.zeros(3), np.zeros(2, bool))
