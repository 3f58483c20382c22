"""A vector -> hits: the nearest rows, gathered by media, copies left out, described by the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsearch.catalog import MediaRecord
from avsearch.errors import LibraryError
from avsearch.library import Library, View
from avsearch.moments import SECOND_US, Hit, Modality, Moment
from avsearch.query.asking import Query
from avsearch.query.stages import Stages
from avsearch.query.stretches import Stretch, stretches_of
from avsearch.vectors import Rows, rows_of_media
from avsearch.vectors.duplicates import copies
from avsearch.vectors.exact import nearest
from avsearch.vectors.ranking import Neighbours

_FIRST_FETCH = 4  # times k rows, doubled until k hits are found


class Searchable(Protocol):
    """The rows of one modality, ready to be searched: mapped ones, or `vectors.resident.Resident` in memory."""

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        """As `vectors.exact.nearest`."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """Segments as they lie on the disk: nothing has to be prepared for a single question."""

    segments: Sequence[Rows]

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        return nearest(self.segments, queries, k, allowed=allowed)


@dataclass(frozen=True)
class Ranked:
    """Hits, best first, and how many near-duplicates of them were left out."""

    hits: tuple[Hit, ...]
    num_duplicates: int


class Ranking:
    """How the vector of a query is ranked in one state of a library."""

    def __init__(
        self, library: Library, view: View, searchable: Mapping[Modality, Searchable], stages: Stages
    ) -> None:
        self._library = library
        self._view = view
        self._searchable = searchable
        self._stages = stages

    def rank(self, vector: NDArray[np.float32], query: Query, allowed: NDArray[np.int64]) -> Ranked:
        """The k best hits among the allowed media; one that was removed by now is left out.

        Args:
            vector: (D,) float32, unit.
            query: how many hits are wanted, and which.
            allowed: (M,) int64 ascending media ids.

        Raises:
            LibraryError: the library holds no moments of the modality.
        """
        if not any(map(len, self._view.segments[query.find])):
            raise LibraryError(
                f"{self._library.directory}: holds no {query.find} moments.",
                hint=f"Ask for {query.find.other} instead.",
            )
        while True:
            with self._stages.stage("search"):
                found, num_copies = self._nearest(vector, query, allowed)
            with self._stages.stage("describe"):
                records = self._library.catalog.media_records({it.media_id for it in found})
                gone = {it.media_id for it in found if not _is_there(records, it.media_id)}
                if not gone:
                    return Ranked(_hits(found, records, query.find), num_copies)
            allowed = np.setdiff1d(allowed, np.fromiter(gone, np.int64))

    def _nearest(
        self, vector: NDArray[np.float32], query: Query, allowed: NDArray[np.int64]
    ) -> tuple[list[Stretch], int]:
        """More and more rows are fetched until k hits are among them, or no rows are left."""
        floor = -np.inf if query.min_score is None else query.min_score
        fetch = _FIRST_FETCH * query.k
        while True:
            found = self._searchable[query.find].nearest(vector[None], fetch, allowed=allowed)
            scores, media_ids, start_us = found.scores[0], found.media_id[0], found.start_us[0]
            is_all = len(scores) < fetch or scores[-1] < floor
            candidates = self._stretches(vector, query, media_ids)
            if not is_all:
                last = (-float(scores[-1]), int(media_ids[-1]), int(start_us[-1]))
                candidates = [it for it in candidates if (it.loss, it.media_id, it.best_us) <= last]
            wanted = [it for it in candidates if it.score >= floor]
            hits, num_copies = self._without_copies(wanted, query)
            if len(hits) >= query.k or is_all:
                return hits, num_copies
            fetch *= 2

    def _stretches(self, vector: NDArray[np.float32], query: Query, media_ids: NDArray[np.int64]) -> list[Stretch]:
        """The hits of some media, which come best first; with one for each, of the first k alone."""
        each, first = np.unique(media_ids, return_index=True)
        if query.per_media == 1 and query.duplicates:
            each = np.sort(each[np.argsort(first)[: query.k]])
        rows = rows_of_media(self._view.segments[query.find], each)
        return stretches_of(rows, vector, per_media=query.per_media)

    def _without_copies(self, found: Sequence[Stretch], query: Query) -> tuple[list[Stretch], int]:
        """The first k hits, and how many left-out copies rank before the last of them."""
        if query.duplicates:
            return list(found[: query.k]), 0
        media_ids = list(dict.fromkeys(it.media_id for it in found))
        copy_of = copies(self._view.segments, media_ids)
        hits: list[Stretch] = []
        hidden: set[int] = set()
        for it in found:
            if it.media_id in copy_of:
                hidden.add(it.media_id)
            else:
                hits.append(it)
            if len(hits) == query.k:
                break
        return hits, len(hidden)


def nearest_hits(library: Library, view: View, vector: NDArray[np.float32], *, find: Modality, k: int) -> list[Hit]:
    """The k media with the nearest moments, copies or not, each with its best moment, by exact search.

    Raises:
        LibraryError: the library holds no moments of that modality.
    """
    mapped = {modality: Mapped(segments) for modality, segments in view.segments.items()}
    query = Query(find, (), k=k, duplicates=True)
    return list(Ranking(library, view, mapped, Stages()).rank(vector, query, view.snapshot.live_media_ids).hits)


def _is_there(records: Mapping[int, MediaRecord], media_id: int) -> bool:
    return media_id in records and bool(records[media_id].paths)


def _hits(found: Sequence[Stretch], records: Mapping[int, MediaRecord], find: Modality) -> tuple[Hit, ...]:
    return tuple(_hit(rank, it, records[it.media_id], find) for rank, it in enumerate(found, start=1))


def _hit(rank: int, stretch: Stretch, record: MediaRecord, find: Modality) -> Hit:
    moment = Moment(stretch.media_id, find, stretch.best_us)
    return Hit(
        rank=rank,
        score=stretch.score,
        path=record.paths[0],
        media_id=moment.media_id,
        moment_id=moment.id,
        modality=find,
        start_s=stretch.best_us / SECOND_US,
        end_s=_end_us(stretch.best_us, find, record) / SECOND_US,
        from_s=stretch.from_us / SECOND_US,
        to_s=_end_us(stretch.last_us, find, record) / SECOND_US,
        labels=record.labels,
        duration_s=record.duration_us / SECOND_US,
        kind=record.kind,
    )


def _end_us(start_us: int, find: Modality, record: MediaRecord) -> int:
    """A frame ends where it begins; a second of sound at the end of the file, if that comes before."""
    if find is Modality.IMAGE:
        return start_us
    return max(min(start_us + SECOND_US, record.duration_us), start_us)
