"""Exact search with candidates from GPUs: float16 names rows there, float64 on the processor decides among them.

How far the rough scores may be off is known (`rounding`). The k best of what was fetched are the k best of all
where the last of them is further above the last rough score than that; else twice as many are fetched. faiss on a
GPU knows no filter: few rows that count are scanned exactly on the processor, of many more are fetched, doubling
until k count. Whatever a GPU cannot answer, or has no memory for, exact search over the segments answers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors import exact
from avsearch.vectors.doubling import Named, doubled, until_enough
from avsearch.vectors.gpu.block import GpuBlock, blocks
from avsearch.vectors.gpu.cards import MOST_FETCHED, Card, NoGpu, guarded, warn_once
from avsearch.vectors.gpu.rounding import error_bound, unit_queries
from avsearch.vectors.numbering import Numbering
from avsearch.vectors.ranges import ranges_of_media
from avsearch.vectors.ranking import Neighbours, scored
from avsearch.vectors.segments import Rows, rows_at

FEW_ROWS = 50_000  # that count; the processor scans them in a few milliseconds
_MORE = 64  # rows that are fetched at first, beside twice as many as are wanted
_BATCH = 256  # queries that a GPU is asked at once
_NO_MEDIA = np.empty(0, np.int64)


class OnGpu:
    """All rows of one modality on GPUs; several threads may ask at once.

    Attributes:
        segments: the rows that are searched.
        blocks: where they lie.
        is_lost: whether a GPU failed, so that the processor answers from then on.
    """

    def __init__(self, segments: Sequence[Rows], names: Sequence[Hashable], held: Sequence[GpuBlock]) -> None:
        """Nothing is copied.

        Args:
            segments: the rows that are searched, each sorted by media and time.
            names: of the segments.
            held: blocks of them, each row in one.
        """
        self.segments = segments
        self.blocks = held
        first = dict(zip(names, np.cumsum([0, *map(len, segments)], dtype=np.int64).tolist(), strict=False))
        self._numbered = [
            Numbering(
                np.cumsum([0, *block.cuts.values()], dtype=np.int64)[:-1],
                np.array([first[name] for name in block.cuts], np.int64),
            )
            for block in held
        ]
        self._num_rows = sum(map(len, segments))
        self._last_counted = _NO_MEDIA, 0
        self.is_lost = False

    def __len__(self) -> int:
        return self._num_rows

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        """What `exact.nearest` gives over the same segments."""
        queries = exact.checked(queries, k, allowed)
        num_counting = self._num_counting(allowed)
        share = num_counting / max(self._num_rows, 1)
        fetch = math.ceil((2 * k + _MORE) / share) if share else MOST_FETCHED + 1
        is_for_gpu = num_counting > max(FEW_ROWS, k) and fetch <= MOST_FETCHED < self._num_rows
        if is_for_gpu and len(queries) and not self.is_lost:
            try:
                fetches = (*doubled(fetch, MOST_FETCHED - 1), MOST_FETCHED)
                near = partial(self._near, k=k, allowed=allowed)
                return until_enough(queries, fetches, near, partial(self._all, k=k, allowed=allowed))
            except NoGpu as error:
                self.is_lost = True
                warn_once(error)
        return self._all(queries, k, allowed)

    def _all(self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None) -> Neighbours:
        return exact.nearest(self.segments, queries, k, allowed=allowed)

    def _num_counting(self, allowed: NDArray[np.int64] | None) -> int:
        """How many rows belong to media that count; of those that counted last, it is still known."""
        if allowed is None:
            return self._num_rows
        before, count = self._last_counted
        if before is not allowed:
            there = [rows for rows in self.segments if len(rows)]
            count = sum(ranges_of_media(rows.media_id, allowed).num_rows for rows in there)
            self._last_counted = allowed, count
        return count

    def _near(
        self, queries: NDArray[np.float32], fetch: int, *, k: int, allowed: NDArray[np.int64] | None
    ) -> Named:
        """The k best of the queries for which what is fetched is enough; and which these are."""
        sent, length = unit_queries(queries)
        rough, row = self.candidates(sent, fetch)
        rows = rows_at(self.segments, row.ravel())
        near = replace(scored(rows, queries, np.arange(row.size).reshape(row.shape)), row=row)
        if allowed is not None:
            counts = np.append(allowed, -1)[np.searchsorted(allowed, near.media_id)] == near.media_id
            near = replace(near, scores=np.where(counts, near.scores, -np.inf).astype(np.float32))
        best = near.best(k)
        off = error_bound(sent, is_rounded=any(block.is_rounded for block in self.blocks))
        is_done = best.scores[:, -1] > length * (rough[:, -1] + off)
        return best.of(np.flatnonzero(is_done)), is_done

    def candidates(self, sent: NDArray[np.float32], fetch: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(Q, fetch) rough scores, highest first, and rows of the concatenation of the segments."""
        ordered = sorted(range(len(self.blocks)), key=lambda at: self.blocks[at].card.device)
        groups = [list(some) for _, some in groupby(ordered, key=lambda at: self.blocks[at].card.device)]
        ask = partial(self._asked, sent=sent, fetch=fetch)
        if len(groups) == 1:
            told = [ask(groups[0])]
        else:
            with ThreadPoolExecutor(len(groups)) as pool:
                told = list(pool.map(ask, groups))
        scores = np.concatenate([score for some in told for score, _ in some], axis=1)
        row = np.concatenate([row for some in told for _, row in some], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :fetch]
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(row, best, axis=1)

    def _asked(
        self, some: Sequence[int], sent: NDArray[np.float32], fetch: int
    ) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """What each of some blocks of one GPU finds."""
        found = []
        for at in some:
            block = self.blocks[at]
            count = min(fetch, len(block))
            parts = [sent[first : first + _BATCH] for first in range(0, len(sent), _BATCH)]
            answers = [_search(block, part, count) for part in parts]
            row = np.concatenate([row for _, row in answers])
            scores = np.concatenate([scores for scores, _ in answers])
            found.append((scores, self._numbered[at](row)))
        return found


def on_gpu(
    segments: Sequence[Rows],
    cards: Sequence[Card],
    *,
    names: Sequence[Hashable] | None = None,
    before: OnGpu | None = None,
) -> OnGpu:
    """Copy segments to GPUs, those that are not there yet.

    Args:
        segments: the rows to search, each sorted by media and time.
        cards: at least one.
        names: of the segments; the same name means the same rows. By default each object is one of its own.
        before: what was searched until now; it may go on being asked.

    Raises:
        NoGpu: the memory does not hold them, or a GPU fails.
    """
    names = segments if names is None else names
    held = () if before is None or before.is_lost else before.blocks
    return OnGpu(segments, names, blocks(dict(zip(names, segments, strict=True)), cards, held))


def on_gpu_if_possible(
    segments: Sequence[Rows],
    cards: Sequence[Card],
    *,
    names: Sequence[Hashable] | None = None,
    before: OnGpu | None = None,
) -> OnGpu | None:
    """As `on_gpu`; None without cards, and, with a warning, where they have no room or fail."""
    if not cards:
        return None
    try:
        return on_gpu(segments, cards, names=names, before=before)
    except NoGpu as error:
        warn_once(error)
        return None


def _search(
    block: GpuBlock, queries: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    scores, row = guarded(block.card, lambda: block.index.search(np.ascontiguousarray(queries), count))
    if (row < 0).any():
        raise NoGpu(f"GPU {block.card.device} found fewer rows than there are.", hint="Update its driver.")
    return scores, row
