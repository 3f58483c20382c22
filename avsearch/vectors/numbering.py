"""Rows that lie in another order than they are counted in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Numbering:
    """Stretches of rows, each side by side where they lie and where they are counted.

    Attributes:
        begins: (S,) int64 ascending from 0, where each begins as they lie.
        first: (S,) int64, the number that its first row has.
    """

    begins: NDArray[np.int64]
    first: NDArray[np.int64]

    def __call__(self, row: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows as they lie -> their numbers; any shape."""
        owner = np.searchsorted(self.begins, row, side="right") - 1
        return row - self.begins[owner] + self.first[owner]
