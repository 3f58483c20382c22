"""Truth here: trec_eval itself, through pytrec_eval-terrier, and plain Python; 200 queries of one block.

trec_eval orders equal scores by document name, descending; so names count down as our columns go up. Where nothing
is relevant trec_eval says 0, and we say that there is no such number.
"""

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from avsearch.evaluation.ranking import largest, ranked
from avsearch.metrics import average_precision, ndcg_at_k, recall_at_k, reciprocal_rank

NUM_QUERIES, NUM_ITEMS, NUM_LABELS = 200, 60, 12
CUTS = (1, 5, 30)
MEASURES = ["map", "recip_rank", *(f"{name}_{k}" for name in ("ndcg_cut", "recall") for k in CUTS)]


@pytest.fixture(scope="module")
def cases():
    """(Q, M) scores of which many tie, and (Q, M) gains 2^r - 1 for r shared labels; -inf and 0 of who is left out.

    Some queries have one candidate only, most have fewer than 30 or more than 30.
    """
    rng = np.random.default_rng(5)
    labels = rng.random((NUM_ITEMS, NUM_LABELS)) < 0.15
    asked = (rng.random((NUM_QUERIES, NUM_LABELS)) < 0.2).astype(int)
    out = rng.random((NUM_QUERIES, NUM_ITEMS)) < rng.random((NUM_QUERIES, 1))
    out[:, 0] = False
    scores = rng.integers(-4, 5, size=out.shape).astype(np.float32) / 8
    gains = 2 ** (asked @ labels.T) - 1
    return np.where(out, np.float32(-np.inf), scores), np.where(out, 0, gains)


@pytest.fixture(scope="module")
def ours(cases):
    scores, gains = cases
    ranking = ranked(scores, gains > 0)
    found = np.take_along_axis(gains, ranking.first(max(CUTS)), axis=1)
    ideal = largest(gains.astype(np.float64), max(CUTS))
    relevant = ranking.relevant()
    return {
        "map": average_precision(relevant),
        "recip_rank": reciprocal_rank(relevant),
        **{f"ndcg_cut_{k}": ndcg_at_k(found, ideal, k) for k in CUTS},
        **{f"recall_{k}": recall_at_k(relevant, k) for k in CUTS},
    }


@pytest.fixture(scope="module")
def theirs(cases):
    scores, gains = cases
    run, judged = {}, {}
    for query in range(NUM_QUERIES):
        columns = [int(column) for column in np.flatnonzero(np.isfinite(scores[query]))]
        run[f"q{query}"] = {name(column): float(scores[query, column]) for column in columns}
        judged[f"q{query}"] = {name(column): int(gains[query, column]) for column in columns}
    cuts = ",".join(map(str, CUTS))
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {"map", "recip_rank", f"ndcg_cut.{cuts}", f"recall.{cuts}"})
    answers = evaluator.evaluate(run)
    return {measure: [answers[f"q{query}"][measure] for query in range(NUM_QUERIES)] for measure in MEASURES}


def name(column):
    return f"d{NUM_ITEMS - column:04d}"


def test_the_cases_hold_what_is_hard(cases):
    scores, gains = cases
    num_candidates = np.isfinite(scores).sum(axis=1)
    relevant = (gains > 0).sum(axis=1)
    assert (relevant == 0).sum() >= 10
    assert ((num_candidates < 30) & (relevant > 0)).sum() >= 50
    assert ((num_candidates > 30) & (relevant > 0)).sum() >= 50
    assert num_candidates.min() <= 5
    assert gains.max() >= 3
    assert max(len(set(row[np.isfinite(row)].tolist())) for row in scores) < 10  # of up to 60: they tie


@pytest.mark.parametrize("measure", MEASURES)
def test_trec_eval_says_the_same(measure, cases, ours, theirs):
    assert np.nan_to_num(ours[measure]) == pytest.approx(theirs[measure], abs=1e-9)
    assert np.isnan(ours[measure]).tolist() == (~cases[1].any(axis=1)).tolist()


@pytest.mark.parametrize("measure", MEASURES)
def test_plain_loops_say_the_same(measure, cases, ours):
    naive = [naive_measures(*(side.tolist() for side in case))[measure] for case in zip(*cases, strict=True)]
    assert ours[measure] == pytest.approx(naive, abs=1e-12, nan_ok=True)


def naive_measures(scores, gains):
    """All measures of one query; scores and gains of its candidates."""
    columns = [column for column, score in enumerate(scores) if score > -math.inf]
    order = sorted(columns, key=lambda column: (-scores[column], column))
    gains = [gains[column] for column in order]
    if not any(gains):
        return dict.fromkeys(MEASURES, math.nan)
    ranks = [rank for rank, gain in enumerate(gains, start=1) if gain > 0]
    measures = {"map": sum((nth + 1) / rank for nth, rank in enumerate(ranks)) / len(ranks)}
    measures["recip_rank"] = 1 / ranks[0]
    for k in CUTS:
        measures[f"ndcg_cut_{k}"] = naive_dcg(gains[:k]) / naive_dcg(sorted(gains, reverse=True)[:k])
        measures[f"recall_{k}"] = sum(rank <= k for rank in ranks) / len(ranks)
    return measures


def naive_dcg(gains):
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


scores_and_relevance = st.tuples(st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.5, 1.0]), st.booleans())


@given(st.lists(st.lists(scores_and_relevance, min_size=6, max_size=6), min_size=1, max_size=5), st.integers(1, 8))
def test_the_order_is_that_of_a_stable_sort_and_takes_relevance_along(rows, k):
    orders = [sorted(range(6), key=lambda column: (-row[column][0], column)) for row in rows]
    scores, relevant = np.moveaxis(np.array(rows), 2, 0)
    ranking = ranked(scores.astype(np.float32), relevant.astype(bool))
    assert ranking.first(k).tolist() == [order[:k] for order in orders]
    carried = [[row[column][1] for column in order] for row, order in zip(rows, orders, strict=True)]
    assert ranking.relevant().tolist() == carried
