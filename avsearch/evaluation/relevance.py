"""Which candidate is how relevant to which query item, and which candidates the query does not compete for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Gain(StrEnum):
    """What a candidate that shares r labels with the query is worth."""

    BINARY = "binary"
    GRADED = "graded"

    def of(self, num_shared: NDArray[np.integer]) -> NDArray[np.float64]:
        """Any shape, labels shared -> the same shape float64: 1 where r > 0, or 2^r - 1."""
        if self is Gain.BINARY:
            return (num_shared > 0).astype(np.float64)
        gain: NDArray[np.float64] = np.exp2(num_shared.astype(np.float64)) - 1.0
        return gain


class SelfRule(StrEnum):
    """Whether a query competes for what it stems from."""

    OUT = "self-out"
    IN = "self-in"


@dataclass(frozen=True)
class Postings:
    """For each value, the items that bear it: (n,) int64 ascending."""

    of_value: dict[Hashable, Integers]

    def sharing(self, values: Iterable[Hashable]) -> Integers:
        """(n,) int64: the items that bear the values, once for each value that they share."""
        found = [self.of_value[value] for value in values]
        return np.concatenate(found) if found else np.zeros(0, np.int64)


def postings(values_of_items: Sequence[Iterable[Hashable]]) -> Postings:
    """Turn the values of each item into the items of each value."""
    items: dict[Hashable, list[int]] = {}
    for item, values in enumerate(values_of_items):
        for value in values:
            items.setdefault(value, []).append(item)
    return Postings({value: np.array(found, np.int64) for value, found in items.items()})


def shared_labels(labels: Sequence[frozenset[str]], bearers: Postings, query_items: Integers) -> NDArray[np.int32]:
    """Count the labels that query items and items have in common.

    Args:
        labels: those of each of the N items.
        bearers: `postings(labels)`.
        query_items: (U,) int64 item indices.

    Returns:
        (U, N) int32.
    """
    counts = np.zeros((len(query_items), len(labels)), np.int32)
    for row, item in enumerate(query_items):
        counts[row] = np.bincount(bearers.sharing(labels[item]), minlength=len(labels))
    return counts


def left_out(
    groups: Sequence[frozenset[tuple[str, str]]], bearers: Postings, query_items: Integers
) -> NDArray[np.bool_]:
    """The candidates that a query item does not compete for: itself, and whatever shares a value with it.

    Args:
        groups: the values of each of the N items; give empty ones to leave out nothing but the item itself.
        bearers: `postings(groups)`.
        query_items: (U,) int64 item indices.

    Returns:
        (U, N) bool.
    """
    out = np.zeros((len(query_items), len(groups)), np.bool_)
    out[np.arange(len(query_items)), query_items] = True
    for row, item in enumerate(query_items):
        out[row, bearers.sharing(groups[item])] = True
    return out
