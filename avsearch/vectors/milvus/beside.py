"""Search by Milvus: it names moments that may be the best, and their own vectors in the segments decide.

Milvus is never trusted with more than where to look. Media that it does not hold, or not as they are now, are all
looked at; so are all moments where few count, where Milvus cannot name enough, and where it does not answer.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import EngineError
from avsearch.vectors import exact
from avsearch.vectors.doubling import Named, doubled, until_enough
from avsearch.vectors.milvus.holdings import GONE, Holdings
from avsearch.vectors.milvus.link import Collection, Link
from avsearch.vectors.milvus.server import MOST_FETCH, is_in, pieces
from avsearch.vectors.ranking import MARGIN, TIE, Neighbours, joined, no_neighbours, scored, stacked

FEW_ROWS = 20_000  # that count; comparing with each of them takes no longer than asking a server
_MOST_PIECES = 4  # expressions for one question
_MOST_QUERIES = 64  # in one call
_OVERFETCH = 2
_OUR_ID = re.compile(r"(0|[1-9][0-9]{0,17}):(0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, eq=False)
class Beside:
    """The moments of one modality, most of them in a collection too; several threads may ask at once.

    Attributes:
        link: to the server that holds the collection; shared by the collections of a server.
        collection: its name, and how many rows it should have at least.
        holdings: all that is searched.
        is_held: (M,) bool, which of the media are in the collection as they are.
    """

    link: Link
    collection: Collection
    holdings: Holdings
    is_held: NDArray[np.bool_]

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        """Most of the k best rows, with their exact scores; otherwise as `exact.nearest`."""
        queries = exact.checked(queries, k, allowed)
        wanted = self._held if allowed is None else np.intersect1d(self._held, allowed, assume_unique=True)
        num_rows = int(self.holdings.num_rows[self.holdings.place_of(wanted)].sum())
        if num_rows > max(FEW_ROWS, k) and self.link.is_usable:
            try:
                blocks = [queries[at : at + _MOST_QUERIES] for at in range(0, len(queries), _MOST_QUERIES)]
                near = stacked([self._near(some, k, wanted, num_rows) for some in blocks])
                return self._with_new(near, queries, k, allowed)
            except EngineError as error:
                self.link.fail(error)
        return self._all(queries, k, allowed)

    @cached_property
    def _held(self) -> NDArray[np.int64]:
        return self.holdings.media_id[self.is_held]

    @cached_property
    def _new(self) -> NDArray[np.int64]:
        return self.holdings.media_id[~self.is_held]

    @cached_property
    def _num_held(self) -> int:
        return int(self.holdings.num_rows[self.is_held].sum())

    def _all(self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None) -> Neighbours:
        return exact.nearest(self.holdings.segments, queries, k, allowed=allowed)

    def _near(self, queries: NDArray[np.float32], k: int, wanted: NDArray[np.int64], num_rows: int) -> Neighbours:
        """The k best rows of the wanted media, of which there are more than k rows."""
        expressions = self._expressions(wanted)
        share = num_rows / self._num_held if expressions == [""] else 1.0

        def near(some: NDArray[np.float32], fetch: int) -> Named:
            found = self._scored(some, self._rows(some, fetch, expressions, wanted))
            is_done = _is_enough(found, k)
            return found.best(k).of(is_done.nonzero()[0]), is_done

        fetches = doubled(math.ceil((_OVERFETCH * k + MARGIN) / share), MOST_FETCH)
        return until_enough(queries, fetches, near, partial(self._all, k=k, allowed=wanted))

    def _expressions(self, wanted: NDArray[np.int64]) -> list[str]:
        """What Milvus is to leave out itself: bounded expressions, or none where that would take too many."""
        others = np.setdiff1d(self._held, wanted, assume_unique=True)
        if not others.size:
            return [""]
        if len(pieces(others)) == 1:
            return [is_in(others, negated=True)]
        some = pieces(wanted)
        return list(map(is_in, some)) if len(some) <= _MOST_PIECES else [""]

    def _rows(
        self, queries: NDArray[np.float32], fetch: int, expressions: list[str], wanted: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """(Q, n) int64: the rows of wanted media that Milvus names for each query; `GONE` in between."""
        named: list[list[str]] = [[] for _ in queries]
        for expression in expressions:
            answers = self.link.search(self.collection, queries, fetch, expression)
            named = [one + other for one, other in zip(named, answers, strict=True)]
        width = max(map(len, named), default=0)
        moments = np.full((len(queries), width, 2), GONE)
        for at, ids in enumerate(named):
            moments[at, : len(ids)] = np.array([_moment(it) for it in ids], np.int64).reshape(-1, 2)
        media_id, start_us = moments.reshape(-1, 2).T
        row = self.holdings.find(media_id, start_us)
        row[~np.isin(media_id, wanted)] = GONE
        return row.reshape(len(queries), width)

    def _scored(self, queries: NDArray[np.float32], row: NDArray[np.int64]) -> Neighbours:
        """(Q, n) rows with their exact scores; that of no row is below all others."""
        if not (row != GONE).any():
            return no_neighbours(len(queries))
        counts = row != GONE
        rows = self.holdings.rows_at(row[counts])
        place = np.zeros(row.shape, np.int64)
        place[counts] = np.arange(len(rows))
        near = scored(rows, queries, place)
        return replace(near, scores=np.where(counts, near.scores, -np.inf).astype(np.float32), row=row)

    def _with_new(
        self, near: Neighbours, queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None
    ) -> Neighbours:
        """The k best of these, and of the media that the collection does not hold."""
        new = self._new if allowed is None else np.intersect1d(self._new, allowed, assume_unique=True)
        return joined(near, self._all(queries, k, new)).best(k) if new.size else near


def _is_enough(near: Neighbours, k: int) -> NDArray[np.bool_]:
    """(Q,) bool: whether k rows were found, and the last that was fetched is no tie of the last of these."""
    if near.scores.shape[1] < k:
        return np.zeros(len(near.scores), bool)
    ordered = near.best(near.scores.shape[1]).scores
    last = np.where(np.isfinite(ordered), ordered, np.inf).min(axis=1)
    floor = ordered[:, k - 1]
    is_enough: NDArray[np.bool_] = np.isfinite(floor) & (floor - last > TIE)
    return is_enough


def _moment(name: str) -> tuple[int, int]:
    """Media and time of an id; `GONE` for what avsearch has not written."""
    found = _OUR_ID.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else (GONE, GONE)
