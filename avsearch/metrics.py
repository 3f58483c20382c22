"""How well a ranking or a classifier did, over arrays: nDCG@k, its chance level, and AVC accuracy.

    DCG@k  = sum over ranks r = 1..k of gain_r / log2(r + 1)
    nDCG@k = DCG@k of the ranking / DCG@k of the ideal ranking of the same candidates

after Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (ACM TOIS 20(4), 2002), with
the discount log2(rank + 1) of Burges et al., "Learning to rank using gradient descent" (ICML 2005), which
trec_eval uses too. A query without any relevant candidate has no nDCG: it is NaN here, and whoever takes a mean
leaves it out and says how many there were.
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
    ideal = dcg_at_k(ideal_gains, k)
    weight_of_ranks = np.concatenate([[0.0], np.cumsum(discounts(k))])
    expected: Floats = np.asarray(mean_gains) * weight_of_ranks[np.minimum(num_candidates, k)]
    return _ratio(expected, ideal)


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


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    nothing = np.full(denominator.shape, np.nan)
    quotient: Floats = np.divide(numerator, denominator, out=nothing, where=denominator > 0)
    return quotient
