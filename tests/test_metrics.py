"""Truth here: sums written out by hand, a plain loop, all permutations, and trec_eval through pytrec_eval."""

import itertools
import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from avsearch.evaluation.ranking import top_ranked
from avsearch.metrics import avc_accuracy, dcg_at_k, discounts, expected_ndcg_at_k, ndcg_at_k

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


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 4)), min_size=1, max_size=60),
    st.sampled_from([1, 5, 30]),
)
def test_ndcg_agrees_with_trec_eval_on_graded_gains_ties_and_short_lists(candidates, k):
    """trec_eval orders equal scores by document name, descending; so names count down as our indices go up.

    Where nothing is relevant trec_eval says 0, and we say that there is no nDCG.
    """
    gains, scores = zip(*candidates, strict=True)
    names = [f"d{len(gains) - index:04d}" for index in range(len(gains))]
    judged = {"q": dict(zip(names, gains, strict=True))}
    run = {"q": dict(zip(names, map(float, scores), strict=True))}
    theirs = pytrec_eval.RelevanceEvaluator(judged, {f"ndcg_cut.{k}"}).evaluate(run)["q"][f"ndcg_cut_{k}"]
    ranked = np.array(gains)[top_ranked(np.array([scores], np.float32), k)]
    ours = ndcg_at_k(ranked, descending(gains), k)[0]
    assert np.nan_to_num(ours) == pytest.approx(theirs, abs=1e-9)
    assert math.isnan(ours) == (not any(gains))


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=5), st.integers(1, 8))
def test_the_best_columns_are_those_of_a_stable_sort(scores, k):
    naive = [sorted(range(6), key=lambda column: (-row[column], column))[:k] for row in scores]
    assert top_ranked(np.array(scores, np.float32), k).tolist() == naive


def test_columns_that_are_shut_out_by_minus_infinity_come_last():
    scores = np.array([[-np.inf, 0.5, -np.inf, 0.7]], np.float32)
    assert top_ranked(scores, 3).tolist() == [[3, 1, 0]]


def test_avc_accuracy_counts_both_kinds_of_error():
    scores = np.array([2.0, -1.0, 0.5, -0.5])
    assert avc_accuracy(scores, np.array([True, True, False, False])) == 0.5
    assert avc_accuracy(scores, np.array([True, False, True, False])) == 1.0
    assert avc_accuracy(scores, np.array([True, False, False, False]), threshold=1.0) == 1.0


def test_avc_accuracy_needs_an_answer_for_every_score():
    with pytest.raises(ValueError, match="as many answers"):
        avc_accuracy(np.zeros(3), np.zeros(2, bool))
