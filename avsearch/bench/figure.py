"""One quantity, measured several times. Needs the standard library alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


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


def figure(name: str, key: str, values: Sequence[float]) -> Figure:
    """The median of what several runs gave, and between what it lies."""
    return Figure(name, key, median(values), min(values), max(values))
