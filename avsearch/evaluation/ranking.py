"""Vectors against vectors: the score of each candidate, and the best candidates in a certain order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.evaluation.items import ItemVectors

ROWS_AT_A_TIME = 4096


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
        best: NDArray[np.float32] = np.maximum.reduceat(scores, self.first_row, axis=1)
        return best


def candidates_among(targets: ItemVectors) -> Candidates:
    """Every item that has a row is a candidate."""
    item, first_row = np.unique(targets.item, return_index=True)
    return Candidates(vector=targets.vector, first_row=first_row.astype(np.int64), item=item)


def top_ranked(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """The columns of the k best scores of each row.

    Args:
        scores: (B, M), without NaN.
        k: how many; M at most are given.

    Returns:
        (B, min(k, M)) int64; score descending, equal scores by column ascending.
    """
    num_rows, num_columns = scores.shape
    k = min(k, num_columns)
    if k == 0 or num_rows == 0:
        return np.zeros((num_rows, k), np.int64)
    kth_best = np.partition(scores, num_columns - k, axis=1)[:, num_columns - k]
    row, column = np.nonzero(scores >= kth_best[:, None])  # with all that tie with the k-th
    order = np.lexsort((column, -scores[row, column], row))
    rank = np.arange(row.size) - np.searchsorted(row, np.arange(num_rows))[row]
    return column[order][rank < k].reshape(num_rows, k)


def largest(values: NDArray[np.int32], k: int) -> NDArray[np.int32]:
    """(U, M) -> (U, min(k, M)): the largest values of each row, descending."""
    k = min(k, values.shape[1])
    if k == 0:
        return values[:, :0]
    first = np.partition(values, values.shape[1] - k, axis=1)[:, values.shape[1] - k :]
    return np.sort(first, axis=1)[:, ::-1]
