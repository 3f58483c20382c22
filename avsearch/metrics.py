"""How well a ranking or a classifier did, over arrays: nDCG, recall, MAP, MRR and their chance; AVC accuracy.

    DCG@k  = sum over ranks r = 1..k of gain_r / log2(r + 1)
    nDCG@k = DCG@k of the ranking / DCG@k of the ideal ranking of the same candidates

after Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (ACM TOIS 20(4), 2002), with
the discount log2(rank + 1) of Burges et al., "Learning to rank using gradient descent" (ICML 2005), which
trec_eval uses too. With a relevance of yes or no, over the whole ranking of all candidates:

    recall@k          = relevant among the first k / all relevant
    average precision = mean over the relevant of (relevant down to its rank / its rank)
    reciprocal rank   = 1 / rank of the first relevant

as trec_eval's recall.k, map and recip_rank (Manning, Raghavan and Schütze, "Introduction to Information Retrieval",
2008, chapter 8). Chance is the exact mean over all orders of the same candidates.

A query without any relevant candidate has no such number: it is NaN here, and whoever takes a mean leaves it out
and says how many there were.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def discounts(k: int) -> Floats:
    """The weights of the ranks 1..k: (k,) float64, 1 / log2(rank + 1)."""
    return 1.0 / np.log2(np.arange(k, dtype=np.float64) + 2.0)


def dcg_at_k(gains: NDArray[np.generic], k: int) -> Floats:
    """Discounted cumulated gain.

    Args:
        gains: (Q, N) not negative; each row holds one query's gains in rank order. Ranks beyond k do not count,
            and a list shorter than k counts as if it were filled up with gain 0.
        k: how many ranks count, at least 1.

    Returns:
        (Q,) float64.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    first: Floats = np.asarray(gains, dtype=np.float64)[:, :k]
    weighted: Floats = first @ discounts(first.shape[1])
    return weighted


def ndcg_at_k(ranked_gains: NDArray[np.generic], ideal_gains: NDArray[np.generic], k: int) -> Floats:
    """Normalised discounted cumulated gain of each query.

    Args:
        ranked_gains: (Q, N) not negative; row q holds the gains of query q's results in rank order.
        ideal_gains: (Q, M) not negative, descending; the largest gains among query q's candidates, at least the
            first k of them where there are so many.
        k: how many ranks count, at least 1.

    Returns:
        (Q,) float64 in [0, 1]; NaN for a query without any relevant candidate.
    """
    return _ratio(dcg_at_k(ranked_gains, k), dcg_at_k(ideal_gains, k))


def expected_ndcg_at_k(
    mean_gains: NDArray[np.generic],
    num_candidates: NDArray[np.integer],
    *,
    ideal_gains: NDArray[np.generic],
    k: int,
) -> Floats:
    """Chance: the exact expectation of nDCG@k when the same candidates come in a uniformly random order.

    Every rank then holds every candidate equally often, so that by linearity the expected gain at each rank is
    the mean gain, and E[DCG@k] = mean gain x sum of the discounts of the ranks 1..min(k, n).

    Args:
        mean_gains: (Q,) mean gain over all candidates of each query, irrelevant ones included.
        num_candidates: (Q,) how many candidates each query has.
        ideal_gains: (Q, M) as in `ndcg_at_k`.
        k: how many ranks count, at least 1.

    Returns:
        (Q,) float64 in [0, 1]; NaN for a query without any relevant candidate.
    """
    expected = np.asarray(mean_gains) * _weight_of_ranks(k)[np.minimum(num_candidates, k)]
    return _ratio(expected, dcg_at_k(ideal_gains, k))


def expected_ndcg_at_k_own_first(
    own_gain: NDArray[np.generic],
    mean_gain_of_others: NDArray[np.generic],
    num_others: NDArray[np.integer],
    *,
    ideal_gains: NDArray[np.generic],
    k: int,
) -> Floats:
    """Chance where the query's own item always comes first and only the others come in a random order.

    The chance line of "Objects that Sound" counts so, as far as one can compute it again.

    Args:
        own_gain: (Q,) gain of the query's own item.
        mean_gain_of_others: (Q,) mean gain over all other candidates.
        num_others: (Q,) how many others each query has.
        ideal_gains: (Q, M) as in `ndcg_at_k`, the own item included.
        k: how many ranks count, at least 1.

    Returns:
        (Q,) float64; NaN for a query without any relevant candidate.
    """
    others = _weight_of_ranks(k)[np.minimum(np.asarray(num_others) + 1, k)] - 1.0  # the first rank weighs 1
    return _ratio(own_gain + np.asarray(mean_gain_of_others) * others, dcg_at_k(ideal_gains, k))


def ndcg_curve(ranked_gains: NDArray[np.generic], ideal_gains: NDArray[np.generic]) -> Floats:
    """The nDCG at every rank: (Q, k) and (Q, k), as in `ndcg_at_k` -> (Q, k) float64; column r - 1 is nDCG@r."""
    if ranked_gains.shape != ideal_gains.shape:
        raise ValueError(f"need as many ranks of both, got {ranked_gains.shape} and {ideal_gains.shape}")
    return _ratio(_dcg_curve(ranked_gains), _dcg_curve(ideal_gains))


def expected_ndcg_curve(
    mean_gains: NDArray[np.generic], num_candidates: NDArray[np.integer], *, ideal_gains: NDArray[np.generic]
) -> Floats:
    """Chance of `ndcg_curve`: (Q,), (Q,) and (Q, k), as in `expected_ndcg_at_k` -> (Q, k) float64."""
    ranks = np.arange(1, ideal_gains.shape[1] + 1)
    weights = _weight_of_ranks(len(ranks))[np.minimum(np.asarray(num_candidates)[:, None], ranks)]
    return _ratio(np.asarray(mean_gains)[:, None] * weights, _dcg_curve(ideal_gains))


def recall_at_k(relevant_ranked: NDArray[np.bool_], k: int) -> Floats:
    """(Q, M) bool, relevance of all candidates in rank order -> (Q,) float64 in [0, 1], or NaN.

    Candidates that are left out may stand at the end as not relevant; so in the next two functions.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    found, relevant = (np.count_nonzero(ranks, axis=1) for ranks in (relevant_ranked[:, :k], relevant_ranked))
    return _ratio(found, relevant)


def average_precision(relevant_ranked: NDArray[np.bool_]) -> Floats:
    """(Q, M) bool, relevance of all candidates in rank order -> (Q,) float64 in (0, 1], or NaN; not interpolated.

    Goes query by query, since what one row needs stays in the processor's cache: for 10,000 candidates that is
    several times faster than all queries at once, and takes no memory.
    """
    counts = np.arange(1.0, relevant_ranked.shape[1] + 1)
    inverse_ranks = 1 / counts
    found = (inverse_ranks[np.flatnonzero(row)] for row in relevant_ranked)
    precisions = (row @ counts[: row.size] / row.size if row.size else np.nan for row in found)
    return np.fromiter(precisions, np.float64, len(relevant_ranked))


def reciprocal_rank(relevant_ranked: NDArray[np.bool_]) -> Floats:
    """(Q, M) bool, relevance of all candidates in rank order -> (Q,) float64 in (0, 1], or NaN."""
    if not relevant_ranked.shape[1]:
        return np.full(len(relevant_ranked), np.nan)
    first = np.argmax(relevant_ranked, axis=1)
    any_relevant = relevant_ranked[np.arange(len(first)), first]
    return np.where(any_relevant, 1 / (first + 1), np.nan)


def expected_recall_at_k(
    num_relevant: NDArray[np.integer], num_candidates: NDArray[np.integer], *, k: int
) -> Floats:
    """Chance of `recall_at_k`, min(k, n) / n: each of the n candidates is equally often among the first k.

    Args:
        num_relevant: (Q,) how many candidates of each query are relevant.
        num_candidates: (Q,) how many it has.
        k: how many ranks count, at least 1.

    Returns:
        (Q,) float64; NaN for a query without any relevant candidate.
    """
    return _ratio(np.where(num_relevant, np.minimum(num_candidates, k), np.nan), num_candidates)


def expected_average_precision(num_relevant: NDArray[np.integer], num_candidates: NDArray[np.integer]) -> Floats:
    """Chance of `average_precision`: (Q,) R and (Q,) n, as in `expected_recall_at_k` -> (Q,) float64.

    A rank r holds a relevant candidate with probability R / n, and then each of the r - 1 before it is relevant
    with probability (R - 1) / (n - 1). With H_n = 1 + 1/2 + .. + 1/n this sums to

        E[AP] = (H_n + (n - H_n) (R - 1) / (n - 1)) / n

    the value of Bestgen, "Exact expected average precision of the random baseline for system evaluation" (Prague
    Bulletin of Mathematical Linguistics 103, 2015), in closed form.
    """
    relevant, candidates = np.asarray(num_relevant), np.asarray(num_candidates)
    alone = _harmonic(candidates)
    expected = alone + (candidates - alone) * (relevant - 1) / np.maximum(candidates - 1, 1)
    return _ratio(np.where(relevant, expected, np.nan), candidates)


def expected_reciprocal_rank(num_relevant: NDArray[np.integer], num_candidates: NDArray[np.integer]) -> Floats:
    """Chance of `reciprocal_rank`: (Q,) R and (Q,) n, as in `expected_recall_at_k` -> (Q,) float64.

    The first relevant one has rank r in C(n - r, R - 1) of the C(n, R) ways to place them. By the identity (7.43)
    of Graham, Knuth and Patashnik, "Concrete Mathematics" (2nd edition, 1994), the sum over r of
    C(n - r, R - 1) / r is C(n, R - 1) (H_n - H_(R - 1)), so that

        E[RR] = (H_n - H_(R - 1)) R / (n - R + 1)
    """
    relevant, candidates = np.asarray(num_relevant), np.asarray(num_candidates)
    span = _harmonic(candidates) - _harmonic(np.maximum(relevant - 1, 0))
    return _ratio(np.where(relevant, relevant * span, np.nan), candidates - relevant + 1)


def avc_accuracy(scores: NDArray[np.floating], corresponds: NDArray[np.bool_], *, threshold: float = 0.0) -> float:
    """Audio-visual correspondence: the part of the pairs that is told rightly.

    Args:
        scores: (N,) larger means "this frame and this second belong together".
        corresponds: (N,) whether they do.
        threshold: a pair is taken to correspond when its score is above this.

    Returns:
        A number in [0, 1]; 0.5 is chance when half of the pairs correspond.
    """
    if scores.shape != corresponds.shape or scores.size == 0:
        raise ValueError(f"need as many answers as scores, got {corresponds.shape} and {scores.shape}")
    return float(np.mean((scores > threshold) == corresponds))


def roc_auc(positives: NDArray[np.floating], negatives: NDArray[np.floating]) -> float:
    """The area under the ROC curve: how often a positive scores above a negative, ties counting half.

    That is Mann and Whitney's U over the number of pairs (Hanley and McNeil, Radiology 143(1), 1982).

    Args:
        positives: (P,) scores of what should score high, at least one, no NaN.
        negatives: (N,) scores of what should score low, likewise.

    Returns:
        A number in [0, 1]; 0.5 is chance.
    """
    if not positives.size or not negatives.size:
        raise ValueError(f"need positives and negatives, got {positives.size} and {negatives.size}")
    if np.isnan(positives).any() or np.isnan(negatives).any():
        raise ValueError("a score is NaN")
    ordered = np.sort(negatives)
    below, not_above = (np.searchsorted(ordered, positives, side) for side in ("left", "right"))
    return float(np.mean(below + not_above) / (2 * negatives.size))


def _dcg_curve(gains: NDArray[np.generic]) -> Floats:
    """(Q, k) -> (Q, k): DCG at every rank."""
    weighted: Floats = np.asarray(gains, dtype=np.float64) * discounts(gains.shape[1])
    return np.cumsum(weighted, axis=1)


def _weight_of_ranks(k: int) -> Floats:
    """(k + 1,): the sum of the discounts of the first 0..k ranks."""
    return np.concatenate([[0.0], np.cumsum(discounts(k))])


def _harmonic(numbers: NDArray[np.integer]) -> Floats:
    """(Q,) n, not negative -> (Q,) 1 + 1/2 + .. + 1/n."""
    sums = np.concatenate([[0.0], np.cumsum(1 / np.arange(1.0, numbers.max(initial=0) + 1))])
    found: Floats = sums[numbers]
    return found


def _ratio(numerator: NDArray[np.generic], denominator: Floats | NDArray[np.integer]) -> Floats:
    """Elementwise, NaN where the denominator is not positive."""
    nothing = np.full(denominator.shape, np.nan)
    quotient: Floats = np.divide(numerator, denominator, out=nothing, where=denominator > 0)
    return quotient
