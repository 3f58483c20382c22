"""Vectors against vectors: the score of each candidate, and all candidates in a certain order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.items import ItemVectors

ROWS_AT_A_TIME = 4096
MOST_CANDIDATES = 1 << 30  # so that a column's number fits beside the score
_SCORE_SHIFT, _COLUMN_SHIFT = np.uint64(32), np.uint64(2)
_COLUMN_MASK = np.uint64(MOST_CANDIDATES - 1)
_RELEVANT, _LEFT_OUT = np.uint64(1), np.uint64(2)


@dataclass(frozen=True)
class Candidates:
    """The items that can be found in one modality.

    Attributes:
        vector: (R, D) float32 or float16, unit rows, those of one item side by side.
        first_row: (M,) int64, where the rows of each item begin.
        item: (M,) int64 ascending, the item index of each candidate.
    """

    vector: NDArray[np.floating]
    first_row: NDArray[np.int64]
    item: NDArray[np.int64]

    def best_scores(self, queries: NDArray[np.floating]) -> NDArray[np.float32]:
        """(B, D) unit rows -> (B, M) float32: the cosine of each candidate's best moment.

        Summed in float64 and then rounded, so that the order of summation does not decide between equal vectors.
        """
        if not self.item.size:
            return np.zeros((len(queries), 0), np.float32)
        exact_queries = queries.astype(np.float64)
        scores = np.empty((len(queries), len(self.vector)), np.float32)
        for first in range(0, len(self.vector), ROWS_AT_A_TIME):
            some = slice(first, first + ROWS_AT_A_TIME)
            scores[:, some] = exact_queries @ self.vector[some].astype(np.float64).T
        if len(self.item) == len(self.vector):
            return scores
        best: NDArray[np.float32] = np.maximum.reduceat(scores, self.first_row, axis=1)
        return best


def candidates_among(targets: ItemVectors) -> Candidates:
    """Every item that has a row is a candidate."""
    item, first_row = np.unique(targets.item, return_index=True)
    return Candidates(vector=targets.vector, first_row=first_row.astype(np.int64), item=item)


@dataclass(frozen=True)
class Ranking:
    """All M candidates of B queries, the best first, equal scores by column ascending.

    Attributes:
        keys: (B, M) uint64: score, column, and whether it is left out and relevant, in one number, since sorting
            numbers is several times faster than sorting by several of them or gathering afterwards.
    """

    keys: NDArray[np.uint64]

    def first(self, k: int) -> NDArray[np.int64]:
        """(B, min(k, M)) int64: the columns of the best k."""
        columns: NDArray[np.int64] = ((self.keys[:, :k] >> _COLUMN_SHIFT) & _COLUMN_MASK).astype(np.int64)
        return columns

    def relevant(self) -> NDArray[np.bool_]:
        """(B, M) bool, in the order of rank."""
        return (self.keys & _RELEVANT).astype(np.bool_)

    def left_out(self, k: int) -> NDArray[np.bool_]:
        """(B, min(k, M)) bool, in the order of rank."""
        return (self.keys[:, :k] & _LEFT_OUT).astype(np.bool_)

    def contending(self) -> Ranking:
        """The same where what is left out comes last, and is not relevant."""
        out = self.left_out(self.keys.shape[1])
        keys = np.empty_like(self.keys)
        for row, (of_query, left) in enumerate(zip(self.keys, out, strict=True)):
            kept = of_query[~left]
            keys[row, : len(kept)] = kept
            keys[row, len(kept) :] = of_query[left] & ~_RELEVANT
        return Ranking(keys)


def ranked(
    scores: NDArray[np.float32], relevant: NDArray[np.bool_], out: NDArray[np.bool_] | None = None
) -> Ranking:
    """Order all candidates.

    Args:
        scores: (B, M) float32, without NaN; -inf comes last.
        relevant: (B, M) bool.
        out: (B, M) bool, which are left out of `contending`; None for none.
    """
    if scores.shape[1] > MOST_CANDIDATES:
        raise ValueError(f"more than {MOST_CANDIDATES} candidates cannot be ranked")
    bits = (scores + np.float32(0.0)).view(np.uint32)  # -0.0 becomes 0.0
    descending = np.where(bits >> np.uint32(31), bits, ~(bits | np.uint32(1 << 31)))
    keys = descending.astype(np.uint64) << _SCORE_SHIFT
    keys |= np.arange(scores.shape[1], dtype=np.uint64)[None, :] << _COLUMN_SHIFT
    keys |= relevant
    if out is not None:
        keys |= out.astype(np.uint64) << np.uint64(1)
    keys.sort(axis=1)
    return Ranking(keys)


def largest(values: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """(U, M), not negative -> (U, min(k, M)): the largest values of each row, descending.

    Relevance is mostly 0 and has many equal values, which np.partition is slow with: what is 0 is left aside, and
    the rest sorted.
    """
    best = np.zeros((len(values), min(k, values.shape[1])), np.float32)
    for row, of_item in enumerate(values):
        some = np.sort(of_item[of_item > 0])[::-1][:k]
        best[row, : len(some)] = some
    return best
