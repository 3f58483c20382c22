"""One quantity, measured several times. Needs the standard library alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One quantity over all runs.

    Attributes:
        name: for people.
        key: for programs.
        median: over the runs.
        lowest: of all runs.
        highest: of all runs.
    """

    name: str
    key: str
    median: float
    lowest: float
    highest: float

    def record(self) -> dict[str, Any]:
        """As JSON, rounded to what was measured."""
        return {key: round(it, 4) if isinstance(it, float) else it for key, it in asdict(self).items()}


def figure(name: str, key: str, values: Sequence[float]) -> Figure:
    """The median of what several runs gave, and between what it lies."""
    return Figure(name, key, median(values), min(values), max(values))
