"""How far the scores of a GPU may be from the true ones: pure.

A row of float32 that is kept as float16 is moved by at most half a unit in the last place of each number; the query
is rounded too, and by how much is computed. By Cauchy and Schwarz the score then moves by no more than the products
of lengths. Sums are taken in float32, in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LONGEST = 1.01  # of a row that a segment may hold (`segments.UNIT_TOLERANCE` is of its square)
_HALF_UNIT = 2.0**-11  # of a float16, as a part of the number
_SMALLEST = 2.0**-25  # by which a number near 0 is moved
_SUM_UNIT = 2.0**-23  # of a float32, for each number that is added
_SLACK = 1e-6  # of rounding the exact scores themselves


def unit_queries(queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(Q, D) float32 of unit length, as they are sent, and (Q,) the lengths they had; one of length 0 stays so."""
    length = np.linalg.norm(queries.astype(np.float64), axis=1)
    return (queries / np.where(length > 0, length, 1.0)[:, None]).astype(np.float32), length


def error_bound(sent: NDArray[np.float32], *, is_rounded: bool) -> NDArray[np.float64]:
    """(Q,) how far a score of a unit query may be off at most.

    Args:
        sent: (Q, D) float32, unit rows.
        is_rounded: whether rows of float32 are kept as float16.
    """
    dim = sent.shape[1]
    wide = sent.astype(np.float64)
    of_query = np.linalg.norm(wide - sent.astype(np.float16), axis=1)
    of_row = (_HALF_UNIT * LONGEST + _SMALLEST * dim**0.5) if is_rounded else 0.0
    bound: NDArray[np.float64] = of_row + of_query * (LONGEST + of_row) + dim * _SUM_UNIT * LONGEST + _SLACK
    return bound
