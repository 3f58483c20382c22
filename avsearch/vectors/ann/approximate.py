"""Search by a structure: it names rows that may be the best, and their own vectors decide.

A structure is never trusted with more than where to look. What it names is scored in float64 by the vectors of the
segments; rows of segments that are gone, or of media that do not count, are left out, and as many more are fetched,
doubling. Where that would take longer than looking at all, or few rows count, every row that counts is looked at:
fewer than k are found only where there are no more. Rows that are newer than the structure are all looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors import exact
from avsearch.vectors.ann.kinds import Kind
from avsearch.vectors.ann.record import Tuning
from avsearch.vectors.doubling import Named, doubled, until_enough
from avsearch.vectors.numbering import Numbering
from avsearch.vectors.ranges import ranges_of_media
from avsearch.vectors.ranking import Neighbours, joined, no_neighbours, scored
from avsearch.vectors.segments import Rows, rows_at

GONE = -1
_TUNED_ROWS = 128  # up to which an effort is enough; beyond, it grows with what is fetched
_MOST_SHARE = 1 / 16  # of all rows that are fetched; looking at all is faster then
_FEW_SHARE = 0.02  # of rows that count; these are gathered


class Naming(Protocol):
    """What names rows that may be the best: a structure on the processor, or on GPUs."""

    @property
    def kind(self) -> Kind: ...

    @property
    def dim(self) -> int: ...

    def __len__(self) -> int: ...

    def search(self, queries: NDArray[np.float32], fetch: int, effort: int) -> NDArray[np.int64]:
        """As `structure.Structure.search`."""


@dataclass(frozen=True)
class Held:
    """A segment whose rows are in a structure.

    Attributes:
        num_rows: that it has, or had.
        place: where it stands among the segments that are searched, or `GONE`.
    """

    num_rows: int
    place: int


@dataclass(frozen=True, eq=False)
class Approximate:
    """The rows of one modality, most of them in a structure; several threads may ask at once.

    Attributes:
        structure: over the concatenation of the rows of `held`.
        tuning: how it is asked.
        segments: all that are searched, each sorted by media and time.
        held: the segments that the structure was made of, in its order.
        num_media: in the structure.
    """

    structure: Naming
    tuning: Tuning
    segments: Sequence[Rows]
    held: Sequence[Held]
    num_media: int

    def tuned(self, tuning: Tuning) -> Approximate:
        """The same, asked in another way."""
        return replace(self, tuning=tuning)

    def asking(self, structure: Naming) -> Approximate:
        """The same, by another structure of the same rows."""
        return replace(self, structure=structure)

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        """Most of the k best rows, with their exact scores; otherwise as `exact.nearest`."""
        queries = exact.checked(queries, k, allowed)
        share = self._share(allowed)
        if share < _FEW_SHARE:
            return exact.nearest(self.segments, queries, k, allowed=allowed)
        fetch = math.ceil(k * self.tuning.overfetch / share)
        return until_enough(
            queries,
            doubled(fetch, int(_MOST_SHARE * len(self.structure))),
            partial(self._near, k=k, allowed=allowed),
            partial(exact.nearest, self.segments, k=k, allowed=allowed),
        )

    @cached_property
    def _first(self) -> NDArray[np.int64]:
        """(S + 1,) the number of the first row of each segment, and of the row after the last."""
        return np.cumsum([0, *map(len, self.segments)], dtype=np.int64)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """(H,) where the rows of each held segment end in the structure."""
        return np.cumsum([it.num_rows for it in self.held], dtype=np.int64)

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """(H,) where each held segment stands now."""
        return np.array([it.place for it in self.held], np.int64)

    @cached_property
    def _new(self) -> NDArray[np.int64]:
        """The places of segments that are not held."""
        return np.setdiff1d(np.arange(len(self.segments)), self._places)

    @cached_property
    def _num_there(self) -> int:
        """Rows in the structure that are still searched."""
        return sum(it.num_rows for it in self.held if it.place != GONE)

    def _share(self, allowed: NDArray[np.int64] | None) -> float:
        """About which part of the structure's rows counts; exactly, where it is small."""
        num_rows: float = self._num_there
        if allowed is not None and 2 * len(allowed) >= self.num_media:
            num_rows *= min(1.0, len(allowed) / max(self.num_media, 1))
        elif allowed is not None:
            there = [self.segments[place] for place in self._places.tolist() if place != GONE]
            num_rows = sum(ranges_of_media(rows.media_id, allowed).num_rows for rows in there if len(rows))
        return num_rows / max(len(self.structure), 1)

    def _near(
        self, queries: NDArray[np.float32], fetch: int, *, k: int, allowed: NDArray[np.int64] | None
    ) -> Named:
        """The k best of what is fetched, of the queries for which enough of it counts; and which these are."""
        overfetch = self.tuning.overfetch
        effort = self.tuning.effort * max(1, round(fetch / (_TUNED_ROWS * overfetch)))
        row = self._row_now(self.structure.search(queries, fetch, effort))
        counts = row != GONE
        rows = rows_at(self.segments, row[counts])
        if allowed is not None:
            is_allowed = np.append(allowed, GONE)[np.searchsorted(allowed, rows.media_id)] == rows.media_id
            counts[counts], rows = is_allowed, rows.take(is_allowed)
        is_done = np.count_nonzero(counts, axis=1) >= k + (overfetch - 1) * k // 2
        if not is_done.any():
            return no_neighbours(0), is_done
        place = np.zeros(row.shape, np.int64)
        place[counts] = np.arange(len(rows))
        near = scored(rows, queries[is_done], place[is_done])
        scores = np.where(counts[is_done], near.scores, -np.inf)
        named = replace(near, scores=scores, row=row[is_done]).best(k)
        return self._with_new(named, queries[is_done], k, allowed), is_done

    def _row_now(self, row: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the structure -> rows of the segments that are searched; `GONE` for what is none."""
        owner = np.minimum(np.searchsorted(self._ends, row, side="right"), len(self.held) - 1)
        place = self._places[owner]
        begins = self._ends[owner] - np.array([it.num_rows for it in self.held], np.int64)[owner]
        return np.where((row < 0) | (place == GONE), GONE, row - begins + self._first[place])

    def _with_new(
        self, near: Neighbours, queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None
    ) -> Neighbours:
        """The k best of these, and of the rows that the structure does not hold."""
        if not self._new.size:
            return near
        new = [self.segments[place] for place in self._new.tolist()]
        found = exact.nearest(new, queries, k, allowed=allowed)
        numbered = Numbering(
            np.cumsum([0, *map(len, new)], dtype=np.int64)[:-1],
            self._first[self._new],
        )
        return joined(near, replace(found, row=numbered(found.row))).best(k)
