"""One look over all rows for everybody who asks at the same time.

A search reads every vector; ten at a time read them once. Nobody waits for company: who comes while a search is
under way is in the next one, together with all who came meanwhile.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avsearch.query import Searchable
from avsearch.vectors.ranking import Neighbours

MOST_QUERIES = 64  # in one search
ROUND_K = 64  # how many rows are fetched is rounded up to so many, so that more who ask can be taken together


@dataclass(eq=False)
class _Wanted:
    """What one thread asks for, and what becomes of it.

    Attributes:
        called: set when it is answered, or when its thread is to search next.
    """

    queries: NDArray[np.float32]
    k: int
    allowed: NDArray[np.int64] | None
    called: threading.Event = field(default_factory=threading.Event)
    found: Neighbours | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.found is not None or self.error is not None

    def goes_with(self, other: _Wanted) -> bool:
        """Whether one search can answer both: the same filter, and about as many rows."""
        return self.allowed is other.allowed and -(-self.k // ROUND_K) == -(-other.k // ROUND_K)


class Gathering:
    """A `Searchable` that answers like the one it is made of, for many threads at once.

    One thread at a time searches, for itself and others; when it is done it calls those, and whoever has waited
    longest, to search next. Nobody who is answered waits for another search.
    """

    def __init__(self, searchable: Searchable) -> None:
        self._searchable = searchable
        self._changing = threading.Lock()
        self._is_searching = False
        self._waiting: list[_Wanted] = []

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        """As the other's; arrays of allowed media that are one object count as one filter."""
        own = _Wanted(queries, k, allowed)
        with self._changing:
            self._waiting.append(own)
            is_first, self._is_searching = not self._is_searching, True
        if not is_first:
            own.called.wait()
        if not own.is_done:
            self._search_for(own)
        if own.error is not None:
            raise own.error
        assert own.found is not None  # whoever searched has set one or the other
        return own.found

    def _search_for(self, own: _Wanted) -> None:
        """Answer one's own query and those that go with it, and let the next one search."""
        batch = self._gathered(own)
        try:
            self._answer(batch)
        finally:
            with self._changing:
                following = next(iter(self._waiting), None)
                self._is_searching = following is not None
            for it in (*batch, *([following] if following else [])):
                it.called.set()

    def _gathered(self, own: _Wanted) -> list[_Wanted]:
        """One's own query and those that wait and go with it."""
        with self._changing:
            batch, num_queries = [own], len(own.queries)
            for other in self._waiting:
                if other is not own and other.goes_with(own) and num_queries + len(other.queries) <= MOST_QUERIES:
                    batch.append(other)
                    num_queries += len(other.queries)
            taken = set(map(id, batch))
            self._waiting = [it for it in self._waiting if id(it) not in taken]
        return batch

    def _answer(self, batch: list[_Wanted]) -> None:
        try:
            self._search(batch)
        except Exception as error:  # noqa: BLE001  (it belongs to whoever asked, not to whoever searches)
            if len(batch) == 1:
                batch[0].error = error
                return
            for one in batch:  # a query that cannot be answered is not to spoil the others
                self._answer([one])

    def _search(self, batch: list[_Wanted]) -> None:
        queries = np.concatenate([it.queries for it in batch]) if len(batch) > 1 else batch[0].queries
        found = self._searchable.nearest(queries, max(it.k for it in batch), allowed=batch[0].allowed)
        first = 0
        for it in batch:
            it.found = found.of(slice(first, first + len(it.queries)), it.k)
            first += len(it.queries)
