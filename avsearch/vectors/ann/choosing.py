"""The structure for one modality, by measurement: the first kind that reaches the target and is worth having."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from avsearch.moments import Modality, Progress
from avsearch.vectors import exact
from avsearch.vectors.ann.approximate import Approximate, Held
from avsearch.vectors.ann.kinds import Kind, candidates
from avsearch.vectors.ann.record import Measured, Tuning
from avsearch.vectors.ann.structure import Structure, build
from avsearch.vectors.ann.tuning import RECALL_K, Asked, ask_all, recalls, seconds_of, tune
from avsearch.vectors.gpu.cards import Card, NoGpu, warn_once
from avsearch.vectors.gpu.exact import on_gpu_if_possible
from avsearch.vectors.gpu.structure import approximate_on_gpu, build_on_gpu, has_cuvs
from avsearch.vectors.segments import Rows

WORTH = 1.5  # times as fast as exact search, or there is nothing to gain
_MORE = 1.25  # effort that is added where other queries fall short of the target
_NUM_RAISES = 6


@dataclass(frozen=True)
class Wanted:
    """What a structure is to reach.

    Attributes:
        recall: at 30, in each direction.
        memory_bytes: that it may take.
        cards: the GPUs that build it and that will be asked; none for the processor.
    """

    recall: float = 0.95
    memory_bytes: int = 4_000_000_000
    cards: Sequence[Card] = ()


@dataclass(frozen=True, eq=False)
class Choice:
    """A structure that reaches what was wanted, and how it is asked."""

    structure: Structure
    tuning: Tuning
    measured: Measured


@dataclass(frozen=True, eq=False)
class Chosen:
    """What came of choosing.

    Attributes:
        choice: None where exact search stays.
        tried: a line for each kind that was built, and why it was taken or not.
    """

    choice: Choice | None
    tried: tuple[str, ...]


def choose(
    segments: Mapping[Modality, Sequence[Rows]],
    find: Modality,
    wanted: Wanted,
    *,
    rng: np.random.Generator,
    progress: Progress,
) -> Chosen:
    """Build, tune and measure kinds, the cheapest first, until one is as good as wanted and faster than exact.

    Args:
        segments: the rows of both modalities.
        find: the modality that the structure is for.
        wanted: what it is to reach.
        rng: draws what is trained on and what asks.
        progress: told of what is built.
    """
    rows = segments[find]
    num_rows, dim = sum(map(len, rows)), rows[0].dim if rows else 1
    cuvs = has_cuvs(wanted.cards)
    kinds = candidates(num_rows, dim, wanted.memory_bytes, on_gpu=bool(wanted.cards), has_cuvs=cuvs)
    if not kinds:
        return Chosen(None, (f"exact search stays: {num_rows} moments are few",))
    tuned_on, judged_by = (ask_all(segments, find, rng) for _ in range(2))
    tried = []
    for kind in kinds:
        built, choice = _try(rows, kind, (tuned_on, judged_by), wanted, rng=rng, progress=progress)
        tried.append(built)
        if choice is not None:
            return Chosen(choice, tuple(tried))
    return Chosen(None, (*tried, "exact search stays"))


def over(structure: Structure, tuning: Tuning, segments: Sequence[Rows]) -> Approximate:
    """Search by a structure of all these segments."""
    held = [Held(len(rows), at) for at, rows in enumerate(segments)]
    return Approximate(structure, tuning, segments, held, num_media_of(segments))


def num_media_of(segments: Sequence[Rows]) -> int:
    """Of rows of which a media has all in one segment."""
    return sum(1 + int(np.count_nonzero(np.diff(rows.media_id))) for rows in segments if len(rows))


def _try(
    segments: Sequence[Rows],
    kind: Kind,
    asked: tuple[Sequence[Asked], Sequence[Asked]],
    wanted: Wanted,
    *,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[str, Choice | None]:
    """A line that says what came of a kind; and it, where it serves."""
    began = time.perf_counter()
    structure = _built(segments, kind, wanted.cards, rng, progress)
    if structure is None:
        return f"{kind.name}: could not be built on the GPU", None
    build_s = time.perf_counter() - began
    approximate = approximate_on_gpu(over(structure, Tuning(1, 1), segments), wanted.cards)
    progress.stage("tune", None, "query")
    tuning = tune(approximate, asked[0], wanted.recall)
    if tuning is None:
        return f"{kind.name}: does not reach a recall of {wanted.recall}", None
    tuning, recall = judged(approximate, tuning, asked[1], wanted.recall)
    queries = asked[1][-1].queries
    ways = (_exact(segments, wanted.cards), partial(approximate.tuned(tuning).nearest, k=RECALL_K))
    exact_s, approximate_s = seconds_of(ways, queries)
    measured = Measured(wanted.recall, recall, exact_s, approximate_s, build_s)
    told = f"{kind.name}: recall {measured.lowest_recall:.3f}, {exact_s / approximate_s:.1f} times as fast as exact"
    if measured.lowest_recall < wanted.recall:
        return f"{told}; short of {wanted.recall}", None
    if exact_s < WORTH * approximate_s:
        return f"{told}; not worth having", None
    return told, Choice(structure, tuning, measured)


def _built(
    segments: Sequence[Rows], kind: Kind, cards: Sequence[Card], rng: np.random.Generator, progress: Progress
) -> Structure | None:
    """A structure, built on a GPU where there is one that holds it; None where it can be built nowhere else."""
    if cards:
        try:
            return build_on_gpu(segments, kind, cards[0], rng=rng, progress=progress)
        except NoGpu as error:
            warn_once(error)
    return None if kind.needs_cuvs else build(segments, kind, rng=rng, progress=progress)


def _exact(segments: Sequence[Rows], cards: Sequence[Card]) -> Callable[[NDArray[np.float32]], object]:
    """Exact search where it would be done."""
    held = on_gpu_if_possible(segments, cards)
    return partial(exact.nearest, segments, k=RECALL_K) if held is None else partial(held.nearest, k=RECALL_K)


def judged(
    approximate: Approximate, tuning: Tuning, asked: Sequence[Asked], target: float
) -> tuple[Tuning, dict[str, float]]:
    """Recall by queries that nothing was tuned on; where it falls short, effort is added."""
    recall = recalls(approximate.tuned(tuning), asked)
    for _ in range(_NUM_RAISES):
        if min(recall.values()) >= target:
            break
        tuning = replace(tuning, effort=int(tuning.effort * _MORE) + 1)
        recall = recalls(approximate.tuned(tuning), asked)
    return tuning, recall
