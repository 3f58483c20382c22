"""Fetching more and more candidates until enough of them count: they are named by what knows no filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors.ranking import Neighbours, stacked

Named: TypeAlias = tuple[Neighbours, NDArray[np.bool_]]
"""The k best of the queries for which what was fetched is enough; and (Q,) which of all queries these are."""


def doubled(fetch: int, most: int) -> Iterator[int]:
    """How many are fetched: so many, and twice as many each time, up to the most."""
    while fetch <= most:
        yield fetch
        fetch *= 2


def until_enough(
    queries: NDArray[np.float32],
    fetches: Iterable[int],
    near: Callable[[NDArray[np.float32], int], Named],
    otherwise: Callable[[NDArray[np.float32]], Neighbours],
) -> Neighbours:
    """The neighbours of each query.

    Args:
        queries: (Q, D) float32.
        fetches: how many candidates to fetch, more and more.
        near: fetches so many for some of the queries.
        otherwise: answers those for which it was never enough.
    """
    waiting = np.arange(len(queries))
    which: list[NDArray[np.int64]] = []
    found: list[Neighbours] = []
    for fetch in fetches:
        if not waiting.size:
            break
        some, is_done = near(queries[waiting], fetch)
        if is_done.any():
            which.append(waiting[is_done])
            found.append(some)
        waiting = waiting[~is_done]
    if waiting.size or not which:
        which.append(waiting)
        found.append(otherwise(queries[waiting]))
    return stacked(found).of(np.argsort(np.concatenate(which)))
