"""Truth here: scipy.stats, simulation with a known answer, and cases worked out by hand."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from avsearch.evaluation.statistics import (
    Interval,
    Spread,
    bootstrap_mean,
    bootstrap_means,
    compare_paired,
    holm,
    sign_flip_p_value,
    summarise_runs,
)

NOTHING = math.nan
some_values = st.lists(st.one_of(st.floats(0, 1), st.just(NOTHING)), min_size=1, max_size=30)


def each_alone(values):
    return np.arange(len(values))


@pytest.mark.parametrize("num", [8, 25])
def test_one_query_a_cluster_is_the_bootstrap_of_scipy_at_the_expanded_level(num):
    """For n clusters Student's t asks for the quantile Phi(-t sqrt(n / (n - 1))); scipy draws its own resamples."""
    values = np.random.default_rng(1).beta(0.5, 1.5, size=num)
    found = bootstrap_means(values[:, None], each_alone(values), seed=0, resamples=100_000)[0]
    outside = stats.norm.cdf(-stats.t.ppf(0.975, num - 1) * math.sqrt(num / (num - 1)))
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=100_000, confidence_level=1 - 2 * outside, rng=2
    ).confidence_interval
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.01 * np.ptp(theirs))


def test_with_many_clusters_it_is_as_wide_as_the_interval_of_students_t():
    values = np.random.default_rng(1).normal(size=2000)
    found = bootstrap_means(values[:, None], each_alone(values), seed=0, resamples=20_000)[0]
    low, high = stats.t.interval(0.95, 1999, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02 * (high - low))


def draw(rng, num_clusters):
    """Skewed values with mean 1/4; clusters of 1 to 5 that resemble each other strongly; some NaN."""
    clusters = np.repeat(np.arange(num_clusters), rng.integers(1, 6, num_clusters))
    of_cluster = rng.beta(0.5, 1.5, num_clusters)[clusters]
    values = np.where(rng.random(len(clusters)) < 0.8, of_cluster, rng.beta(0.5, 1.5, len(clusters)))
    return np.where(rng.random(len(clusters)) < 0.1, NOTHING, values), clusters


@pytest.mark.parametrize("num_clusters", [15, 120])
def test_the_interval_holds_the_truth_as_often_as_it_says(num_clusters):
    rng = np.random.default_rng(3)
    intervals = [bootstrap_mean(*draw(rng, num_clusters), seed=seed) for seed in range(400)]
    held = np.mean([interval.low <= 0.25 <= interval.high for interval in intervals])
    assert 0.92 <= held <= 0.98


def test_queries_taken_as_independent_would_promise_too_much():
    rng = np.random.default_rng(3)
    drawn = [draw(rng, 120) for _ in range(100)]
    intervals = [bootstrap_mean(values, each_alone(values), seed=0) for values, _ in drawn]
    assert np.mean([interval.low <= 0.25 <= interval.high for interval in intervals]) < 0.9


def test_two_clusters_by_hand():
    """Clusters (0, 0) and (1): the mean is 1/3, and a resample has 0, 1/3 or 1."""
    found = bootstrap_mean(np.array([0.0, 0.0, 1.0]), np.array([7, 7, 3]), seed=0)
    assert found == Interval(pytest.approx(1 / 3), 0.0, 1.0)


def test_of_one_cluster_there_is_a_mean_and_of_none_nothing():
    assert bootstrap_mean(np.array([0.2, 0.4, NOTHING]), np.array([5, 5, 6]), seed=0) == Interval(
        *[pytest.approx(0.3)] * 3
    )
    assert bootstrap_mean(np.array([NOTHING, NOTHING]), np.array([0, 1]), seed=0) is None
    assert bootstrap_means(np.zeros((0, 2)), np.zeros(0, np.int64), seed=0) == [None, None]


def test_a_column_that_few_queries_have_stands_beside_one_that_all_have():
    values = np.full((40, 3), NOTHING)
    values[:, 0] = np.linspace(0, 1, 40)
    values[3, 1] = 0.7
    whole, single, empty = bootstrap_means(values, each_alone(values), seed=0)
    assert whole.low < 0.5 < whole.high
    assert single == Interval(0.7, 0.7, 0.7)
    assert empty is None


@given(some_values, st.integers(0, 2**32), st.data())
def test_an_interval_lies_among_the_values_whatever_the_order_and_is_the_same_for_the_same_seed(values, seed, data):
    clusters = np.array(data.draw(st.lists(st.integers(0, 9), min_size=len(values), max_size=len(values))))
    values = np.array(values)
    found = bootstrap_mean(values, clusters, seed=seed)
    assert found == bootstrap_mean(values, clusters, seed=seed)
    if np.isnan(values).all():
        assert found is None
        return
    assert found.mean == pytest.approx(np.nanmean(values), abs=1e-12)
    assert np.nanmin(values) - 1e-9 <= found.low <= found.high <= np.nanmax(values) + 1e-9
    backwards = bootstrap_mean(values[::-1], clusters[::-1], seed=seed)
    assert (backwards.low, backwards.high) == pytest.approx((found.low, found.high), abs=1e-9)


def test_another_seed_draws_other_resamples_and_more_confidence_is_wider():
    values = np.random.default_rng(0).random(30)
    found = bootstrap_mean(values, each_alone(values), seed=0)
    sure = bootstrap_mean(values, each_alone(values), seed=0, confidence=0.99)
    assert bootstrap_mean(values, each_alone(values), seed=1) != found
    assert sure.low < found.low < found.high < sure.high


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4).map(lambda number: number / 8), min_size=2, max_size=9))
def test_few_clusters_are_tested_as_scipy_does_over_all_assignments(sums):
    sums = np.array(sums)
    theirs = stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip_p_value(sums, seed=0) == pytest.approx(theirs, abs=1e-12)


def test_many_clusters_are_tested_about_as_by_scipy_and_by_students_t():
    rng = np.random.default_rng(4)
    first = rng.random(80)
    second = first + rng.normal(0.02, 0.1, 80)
    found = compare_paired(first, second, each_alone(first), seed=0)
    flipped = stats.permutation_test(
        (second - first,), np.mean, permutation_type="samples", n_resamples=10_000, vectorized=True, rng=1
    )
    assert found.p_value == pytest.approx(flipped.pvalue, abs=0.015)
    student = stats.ttest_rel(second, first)
    assert found.p_value == pytest.approx(student.pvalue, abs=0.02)
    assert found.effect_size == pytest.approx(student.statistic / math.sqrt(80))
    assert found.num_queries == found.better + found.worse == 80


@pytest.mark.parametrize("num_clusters", [9, 40])
def test_p_values_are_uniform_where_there_is_no_difference(num_clusters):
    rng = np.random.default_rng(6)
    p_values = []
    for seed in range(300):
        clusters = np.repeat(np.arange(num_clusters), 3)
        of_cluster = rng.normal(size=num_clusters)[clusters]
        second = of_cluster + rng.normal(size=len(clusters)) / 3
        p_values.append(compare_paired(np.zeros(len(clusters)), second, clusters, seed=seed).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) < 0.09


def test_a_difference_in_every_cluster_is_as_unlikely_as_the_number_of_clusters_allows():
    """All of 6 differences point one way: 2 of the 2^6 assignments are as far out."""
    found = compare_paired(np.zeros(6), np.arange(1.0, 7), np.arange(6), seed=0)
    assert found.p_value == 2 / 64
    assert compare_paired(np.zeros(200), np.ones(200), np.arange(200), seed=0).p_value == 1 / 10_001


def test_a_comparison_by_hand():
    """Item 0 asks twice (+0.2, -0.1), item 1 once (+0.4), item 2 only the first system answers; item 3 is equal."""
    first = np.array([0.3, 0.5, 0.1, 0.9, 0.1 + 0.2])
    second = np.array([0.5, 0.4, 0.5, NOTHING, 0.3])
    found = compare_paired(first, second, np.array([0, 0, 1, 2, 3]), seed=0)
    assert found.difference.mean == pytest.approx(0.5 / 4)
    assert (found.num_queries, found.better, found.worse, found.equal) == (4, 2, 1, 1)
    of_items = [0.05, 0.4, 0.0]
    assert found.effect_size == pytest.approx(np.mean(of_items) / np.std(of_items, ddof=1))
    assert found.p_value == 2 / 4  # +-0.1 +-0.4: two of four sums are as far from 0 as 0.5


def test_systems_that_are_the_same_do_not_differ():
    same = np.array([0.1, 0.5, NOTHING])
    found = compare_paired(same, same + 1e-15, np.array([0, 1, 2]), seed=0)
    assert found.difference == Interval(0.0, 0.0, 0.0)
    assert (found.p_value, found.effect_size, found.equal) == (1.0, 0.0, 2)


def test_an_effect_without_a_spread_has_no_size_and_no_common_query_no_test():
    assert compare_paired(np.zeros(3), np.ones(3), np.arange(3), seed=0).effect_size is None
    assert compare_paired(np.zeros(3), np.ones(3), np.zeros(3, int), seed=0).effect_size is None
    assert compare_paired(np.array([NOTHING, 1]), np.array([1, NOTHING]), np.arange(2), seed=0) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 99))
def test_exchanging_two_systems_turns_the_sign_and_nothing_else(values, seed):
    first, second = np.array(values), np.array(values[::-1])
    there, back = (
        compare_paired(*pair, each_alone(values), seed=seed) for pair in ((first, second), (second, first))
    )
    assert there.p_value == back.p_value
    assert there.difference.mean == pytest.approx(-back.difference.mean, abs=1e-12)
    assert (there.better, there.worse, there.equal) == (back.worse, back.better, back.equal)


def test_holm_by_hand():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, and never less than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_values_themselves_and_those_of_bonferroni(p_values):
    adjusted = holm(p_values)
    naive = [
        max(
            min((len(p_values) - sum(other < one for other in p_values)) * one, 1.0)
            for one in p_values
            if one <= value
        )
        for value in p_values
    ]
    assert adjusted == pytest.approx(naive)
    for value, raised in zip(p_values, adjusted, strict=True):
        assert value <= raised <= min(1.0, len(p_values) * value) + 1e-12


def test_runs_are_summarised_by_mean_and_standard_deviation():
    assert summarise_runs([0.5, 0.7, 0.9]) == Spread(pytest.approx(0.7), pytest.approx(0.2), 3)
    assert summarise_runs([0.5]) == Spread(0.5, None, 1)
    with pytest.raises(ValueError, match="no run"):
        summarise_runs([])


def test_importing_it_does_not_import_scipy():
    code = "import sys, avsearch.evaluation.statistics; raise SystemExit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
