"""How far a mean can be trusted: intervals over queries, two systems compared, several runs summarised.

Queries of one item (its moments) resemble each other, so the item, here a cluster, is what is drawn and what is
flipped. Values that are NaN are left out. scipy is imported late, since it takes a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NUM_RESAMPLES = 2000  # of a bootstrap
NUM_FLIPS = 10_000  # of a test: no p-value is below 1 / 10,001
CONFIDENCE = 0.95
_BATCH_NUMBERS = 1 << 20  # drawn at a time: 8 MB
_DECIMALS = 12  # what is smaller in a difference comes from rounding


@dataclass(frozen=True)
class Interval:
    """A mean and where the true one lies, most likely."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class PairedTest:
    """A second system minus a first one, on the same queries.

    Attributes:
        difference: the mean, with its interval.
        p_value: how often chance alone makes a difference as large, in either direction.
        effect_size: Cohen's d_z, the mean over clusters in units of their standard deviation (Cohen, "Statistical
            power analysis for the behavioral sciences", 1988); None for one cluster, or if all differ by the same.
        num_queries: how many were compared.
        better: in how many of them the second system did better.
        worse: likewise.
        equal: likewise.
    """

    difference: Interval
    p_value: float
    effect_size: float | None
    num_queries: int
    better: int
    worse: int
    equal: int


@dataclass(frozen=True)
class Spread:
    """Several runs; one alone has no standard deviation (of a sample: n - 1 below)."""

    mean: float
    standard_deviation: float | None
    num: int


def bootstrap_mean(
    values: Floats, clusters: Integers, *, seed: int, confidence: float = CONFIDENCE
) -> Interval | None:
    """The mean of (Q,) values with its interval, as in `bootstrap_means`; None if all are NaN."""
    return bootstrap_means(values[:, None], clusters, seed=seed, confidence=confidence)[0]


def bootstrap_means(
    values: Floats,
    clusters: Integers,
    *,
    seed: int,
    resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> list[Interval | None]:
    """The mean of each column with a bootstrap interval.

    Whole clusters are drawn with replacement; the mean of a resample is the sum of all its values over their
    number (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). The interval lies
    between two quantiles of those means: not the 2.5 % and 97.5 % of a plain percentile interval, which is too
    narrow with few clusters (of 5 it holds the truth some 84 % of the time, this one 90 %), but further out, as
    Student's t asks ("expanded percentile": Hesterberg, "What teachers should know about the bootstrap", The
    American Statistician 69(4), 2015).

    Args:
        values: (Q, C) float64, NaN where a query has none.
        clusters: (Q,) int64, which cluster each query belongs to.
        seed: of the resamples, which all columns share.
        resamples: how many.
        confidence: how often the interval shall hold the true mean.

    Returns:
        C intervals; None for a column of NaN. Of one cluster nothing is known: its interval is a point.
    """
    counted = ~np.isnan(values).all(axis=1)
    if not counted.any():
        return [None] * values.shape[1]
    sums, sizes = _by_cluster(values[counted], clusters[counted])
    drawn = _resampled_means(sums, sizes, np.random.default_rng(seed), resamples)
    means = _quotient(sums.sum(axis=0), sizes.sum(axis=0))
    num_clusters = (sizes > 0).sum(axis=0).tolist()
    return [
        _interval(float(mean), some, num, confidence) if num else None
        for mean, some, num in zip(means, drawn.T, num_clusters, strict=True)
    ]


def accuracy_interval(right: NDArray[np.bool_]) -> Interval:
    """(N,) or (N, ...) bool, which answers about each of N items were right -> their mean, by a bootstrap."""
    of_items = right.reshape(len(right), -1).mean(axis=1)
    interval = bootstrap_mean(of_items, np.arange(len(right)), seed=0)
    if interval is None:
        raise ValueError("nothing was answered")
    return interval


def compare_paired(first: Floats, second: Floats, clusters: Integers, *, seed: int) -> PairedTest | None:
    """Does the second system do better than the first, or worse? (Q,) values of each, on the same queries.

    Returns:
        None if there is no query in which both have a value.
    """
    difference = np.round(second - first, _DECIMALS)
    counted = ~np.isnan(difference)
    difference, clusters = difference[counted], clusters[counted]
    interval = bootstrap_mean(difference, clusters, seed=seed)
    if interval is None:
        return None
    sums, sizes = _by_cluster(difference[:, None], clusters)
    return PairedTest(
        difference=interval,
        p_value=sign_flip_p_value(sums[:, 0], seed=seed),
        effect_size=_cohens_d((sums / sizes)[:, 0]),
        num_queries=len(difference),
        better=int(np.count_nonzero(difference > 0)),
        worse=int(np.count_nonzero(difference < 0)),
        equal=int(np.count_nonzero(difference == 0)),
    )


def sign_flip_p_value(sums: Floats, *, seed: int, flips: int = NUM_FLIPS) -> float:
    """Fisher's two-sided paired randomisation test.

    If the two systems were alike, each cluster could as well have come out with them exchanged, that is with its
    difference negated. The p-value is the part of all such assignments whose sum is as far from 0 as the one seen:
    of all 2^K where there are no more than `flips`, else of random ones, where the one seen counts too, so that it
    is never 0 (Phipson and Smyth, "Permutation p-values should never be zero", 2010). Smucker, Allan and
    Carterette, "A comparison of statistical significance tests for information retrieval evaluation" (CIKM 2007),
    recommend it over the Wilcoxon and sign tests. scipy.stats.permutation_test does the same, but takes some fifty
    times as long.

    Args:
        sums: (K,) the sum of the differences in each cluster.
        seed: of the random flips.
        flips: how many at most.
    """
    sums = sums[sums != 0]
    seen, rounding = abs(sums.sum()), 1e-9 * np.abs(sums).sum()
    is_exact = 2 ** len(sums) <= flips
    negated = (
        _all_subsets(len(sums)) if is_exact else _random_subsets(len(sums), np.random.default_rng(seed), flips)
    )
    as_far = sum(np.count_nonzero(np.abs(sums.sum() - 2 * (some @ sums)) >= seen - rounding) for some in negated)
    return float(as_far / 2 ** len(sums)) if is_exact else float((1 + as_far) / (1 + flips))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, raised so that they hold together (Holm, Scand. J. of Statistics 6, 1979)."""
    order = np.argsort(p_values)
    steps = np.asarray(p_values, np.float64)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def summarise_runs(values: Sequence[float]) -> Spread:
    """One figure of each of several runs, at least one."""
    if not values:
        raise ValueError("there is no run to summarise")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation, len(values))


def _by_cluster(values: Floats, clusters: Integers) -> tuple[Floats, Floats]:
    """(Q, C) and (Q,) -> of the K clusters (K, C) sums of what is not NaN, and (K, C) how many that are."""
    names, cluster = np.unique(clusters, return_inverse=True)
    sums, sizes = np.zeros((2, len(names), values.shape[1]))
    np.add.at(sums, cluster, np.nan_to_num(values))
    np.add.at(sizes, cluster, ~np.isnan(values))
    return sums, sizes


def _resampled_means(sums: Floats, sizes: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """(K, C) and (K, C) -> (resamples, C); NaN where a resample holds no value of a column."""
    both = np.hstack([sums, sizes])
    totals = np.vstack([drawn @ both for drawn in _draws(len(both), rng, resamples)])
    return _quotient(*np.hsplit(totals, 2))


def _quotient(sums: Floats, sizes: Floats) -> Floats:
    """Means; NaN of nothing."""
    nothing = np.full(sums.shape, np.nan)
    means: Floats = np.divide(sums, sizes, out=nothing, where=sizes > 0)
    return means


def _draws(num: int, rng: np.random.Generator, rows: int) -> Iterator[Floats]:
    """(some, num) float64 at a time, `rows` in all: how often each of `num` is drawn in `num` draws."""
    for height in _heights(num, rows):
        drawn = rng.integers(0, num, size=(height, num))
        drawn += np.arange(height)[:, None] * num
        yield np.bincount(drawn.ravel(), minlength=height * num).reshape(height, num).astype(np.float64)


def _random_subsets(num: int, rng: np.random.Generator, rows: int) -> Iterator[Floats]:
    """(some, num) float64 at a time, `rows` in all: each number 0 or 1, equally often."""
    for height in _heights(num, rows):
        yield rng.integers(0, 2, size=(height, num), dtype=np.bool_).astype(np.float64)


def _all_subsets(num: int) -> Iterator[Floats]:
    """All 2^num rows of 0 and 1."""
    yield (np.arange(2**num)[:, None] >> np.arange(num) & 1).astype(np.float64)


def _heights(num: int, rows: int) -> Iterator[int]:
    """So many rows of `num` numbers at a time that memory is bounded."""
    most = max(_BATCH_NUMBERS // num, 1)
    for start in range(0, rows, most):
        yield min(most, rows - start)


def _interval(mean: float, drawn: Floats, num_clusters: int, confidence: float) -> Interval:
    """Of the (resamples,) means of resamples that hold values of a column, of which so many clusters have one."""
    if num_clusters < 2:
        return Interval(mean, mean, mean)
    outside = _expanded_tail(num_clusters, confidence)
    low, high = np.nanquantile(drawn, [outside, 1 - outside])
    return Interval(mean, float(low), float(high))


def _expanded_tail(num_clusters: int, confidence: float) -> float:
    """How much of the resamples lies outside on each side: 0.025 in the limit of many clusters."""
    from scipy import special  # noqa: PLC0415 - scipy.stats would take a second to import

    distance = special.stdtrit(num_clusters - 1, (1 + confidence) / 2)
    return float(special.ndtr(-distance * np.sqrt(num_clusters / (num_clusters - 1))))


def _cohens_d(differences: Floats) -> float | None:
    """(K,) mean difference of each cluster -> d_z."""
    deviation = np.std(differences, ddof=1) if len(differences) > 1 else 0.0
    if deviation > 10.0**-_DECIMALS:
        return float(differences.mean() / deviation)
    return None if differences.any() else 0.0
