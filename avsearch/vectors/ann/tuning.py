"""How much of a structure has to be looked at: stored moments ask, and exact search says what is right.

Pictures ask for pictures and for sounds, sounds for both; each direction has to reach the target. A moment that
asks for its own modality does not count as its own answer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsearch.moments import Modality
from avsearch.vectors import exact
from avsearch.vectors.ann.approximate import Approximate
from avsearch.vectors.ann.record import Tuning
from avsearch.vectors.ranking import Neighbours
from avsearch.vectors.segments import Rows, rows_at

RECALL_K = 30
NUM_QUERIES = 250  # of each direction
_TIMED = 40
_TIMED_S = 4.0
_FINEST = 1.15  # efforts that are nearer to each other are not told apart


@dataclass(frozen=True, eq=False)
class Asked:
    """Queries of one direction, with what is right.

    Attributes:
        direction: as `image-audio`.
        queries: (Q, D) float32.
        own: (Q,) int64, the rows that ask, where they are among those that can be found; else -1.
        floor: (Q,) float32, what the last of the `RECALL_K` best other rows scores.
    """

    direction: str
    queries: NDArray[np.float32]
    own: NDArray[np.int64]
    floor: NDArray[np.float32]

    def recall(self, found: Neighbours) -> float:
        """The part of the best rows that was found; rows that score as well as the last of them are as good."""
        is_right = (found.scores >= self.floor[:, None]) & (found.row != self.own[:, None])
        return float(np.minimum(is_right.sum(axis=1), RECALL_K).mean() / RECALL_K)


def ask_all(
    segments: Mapping[Modality, Sequence[Rows]],
    find: Modality,
    rng: np.random.Generator,
    *,
    count: int = NUM_QUERIES,
) -> list[Asked]:
    """Draw moments of each modality that has any, and ask with them by exact search.

    Args:
        segments: the rows of both modalities.
        find: what is asked for; more than `RECALL_K` rows.
        rng: draws the moments.
        count: how many of each modality.
    """
    asked = []
    for by in (it for it in Modality if any(map(len, segments[it]))):
        num_rows = sum(map(len, segments[by]))
        row = np.sort(rng.choice(num_rows, min(count, num_rows), replace=False))
        queries = np.ascontiguousarray(rows_at(segments[by], row).vector, np.float32)
        own = row if by is find else np.full(len(row), -1)
        found = exact.nearest(segments[find], queries, RECALL_K + 1)
        others = np.sort(np.where(found.row == own[:, None], -np.inf, found.scores), axis=1)[:, ::-1]
        asked.append(Asked(f"{by}-{find}", queries, own, others[:, RECALL_K - 1].astype(np.float32)))
    return asked


def recalls(approximate: Approximate, asked: Sequence[Asked]) -> dict[str, float]:
    """recall@30 of each direction."""
    return {it.direction: it.recall(approximate.nearest(it.queries, RECALL_K + 1)) for it in asked}


def tune(approximate: Approximate, asked: Sequence[Asked], target: float) -> Tuning | None:
    """The least effort with which each direction reaches the target; None where none does."""
    for overfetch in approximate.structure.kind.overfetch:

        def is_enough(effort: int, overfetch: int = overfetch) -> bool:
            found = recalls(approximate.tuned(Tuning(effort, overfetch)), asked)
            return min(found.values()) >= target

        effort = least(is_enough, *approximate.structure.kind.efforts(len(approximate.structure)))
        if effort is not None:
            return Tuning(effort, overfetch)
    return None


def least(is_enough: Callable[[int], bool], lowest: int, highest: int) -> int | None:
    """About the least number that is enough, by doubling, then halving the gap; None where the highest is not."""
    below, effort = 0, lowest
    while not is_enough(effort):
        if effort >= highest:
            return None
        below, effort = effort, min(2 * effort, highest)
    while below and effort > below + 1 and effort > _FINEST * below:
        middle = (below + effort) // 2
        below, effort = (below, middle) if is_enough(middle) else (middle, effort)
    return effort


def seconds_of(
    ways: Sequence[Callable[[NDArray[np.float32]], object]], queries: NDArray[np.float32]
) -> list[float]:
    """The median wall seconds of one query by each way; they take turns, each query is asked once."""
    taken: list[list[float]] = [[] for _ in ways]
    began = time.perf_counter()
    for way in ways:
        way(queries[:1])  # not timed: what the first one loads
    for at in range(1, min(len(queries), _TIMED + 1)):
        for seconds, way in zip(taken, ways, strict=True):
            before = time.perf_counter()
            way(queries[at : at + 1])
            seconds.append(time.perf_counter() - before)
        if time.perf_counter() - began > _TIMED_S and at >= 3:
            break
    return [statistics.median(seconds) for seconds in taken]
