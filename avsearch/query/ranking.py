"""A vector -> hits: the nearest rows, gathered by media, copies left out, described by the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsearch.catalog import MediaRecord
from avsearch.errors import LibraryError
from avsearch.library import Library, View
from avsearch.moments import SECOND_US, Hit, Modality, Moment
from avsearch.query.asking import Query
from avsearch.query.stages import Stages
from avsearch.query.stretches import Stretch, stretches_of, widened
from avsearch.vectors import Rows, rows_of_media
from avsearch.vectors.duplicates import copies
from avsearch.vectors.exact import nearest
from avsearch.vectors.overlay import spread_of
from avsearch.vectors.ranking import Neighbours

_FIRST_FETCH = 4  # times k rows, doubled until k hits are found


class Searchable(Protocol):
    """The rows of one modality, ready to be searched.

    Mapped ones, `vectors.resident.Resident` in memory, or `vectors.ann.approximate.Approximate` with an index.
    """

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
    """Hits, best first, how many near-duplicates of them were left out, and the hits' media by id."""

    hits: tuple[Hit, ...]
    num_duplicates: int
    media: Mapping[int, MediaRecord]


class Ranking:
    """How vectors are ranked in one state of a library; several threads may rank at once."""

    def __init__(
        self,
        library: Library,
        view: View,
        exact: Mapping[Modality, Searchable],
        approximate: Mapping[Modality, Searchable] | None = None,
    ) -> None:
        """Nothing is read.

        Args:
            library: what is asked.
            view: its state.
            exact: looks at all rows.
            approximate: is asked instead, of the modalities that it has, unless a query is to be exact.
        """
        self._library = library
        self._view = view
        self._exact = exact
        self._approximate = approximate or {}

    @cached_property
    def _spread(self) -> Mapping[Modality, float]:
        return {modality: spread_of(segments) for modality, segments in self._view.segments.items()}

    def rank(self, vector: NDArray[np.float32], query: Query, allowed: NDArray[np.int64], stages: Stages) -> Ranked:
        """The k best hits among the allowed media; one that was removed by now is left out.

        Args:
            vector: (D,) float32, unit.
            query: how many hits are wanted, and which.
            allowed: (M,) int64 ascending media ids.
            stages: where the time goes that this takes.

        Raises:
            LibraryError: the library holds no moments of the modality.
        """
        if not any(map(len, self._view.segments[query.find])):
            raise LibraryError(
                f"{self._library.directory}: holds no {query.find} moments.",
                hint=f"Ask for {query.find.other} instead.",
            )
        while True:
            with stages.stage("search"):
                found, num_copies = self._nearest(vector, query, allowed)
            with stages.stage("describe"):
                records = self._library.catalog.media_records({it.media_id for it in found})
                gone = {it.media_id for it in found if not _is_there(records, it.media_id)}
                if not gone:
                    return Ranked(_hits(found, records, query.find), num_copies, records)
            allowed = np.setdiff1d(allowed, np.fromiter(gone, np.int64), assume_unique=True)

    def _nearest(
        self, vector: NDArray[np.float32], query: Query, allowed: NDArray[np.int64]
    ) -> tuple[list[Stretch], int]:
        """The best rows tell which media to look at; then those of the other media, until k hits are found."""
        searchable = self._exact[query.find]
        if not query.exact:
            searchable = self._approximate.get(query.find, searchable)
        floor = -np.inf if query.min_score is None else query.min_score
        fetch = _FIRST_FETCH * query.k
        known: list[Stretch] = []
        while True:
            found = searchable.nearest(vector[None], fetch, allowed=allowed)
            is_all = found.scores.shape[1] < fetch or found.scores[0, -1] < floor
            known = sorted(known + self._stretches(vector, query, found))
            last = (-float(found.scores[0, -1]), *_place(found, -1)) if not is_all else None
            wanted = [it for it in known if it.score >= floor and (last is None or it.rank <= last)]
            hits, num_copies = self._without_copies(wanted, query)
            if len(hits) >= query.k or is_all:
                return self._widened(hits, vector, query), num_copies
            allowed = np.setdiff1d(allowed, found.media_id[0])
            fetch *= 2

    def _stretches(self, vector: NDArray[np.float32], query: Query, found: Neighbours) -> list[Stretch]:
        """All that may be a hit of the media that were found; where each has one, that is its best row."""
        media_ids, first = np.unique(found.media_id[0], return_index=True)
        if query.per_media > 1:
            rows = rows_of_media(self._view.segments[query.find], media_ids)
            return stretches_of(rows, vector, per_media=query.per_media)
        places = ((-float(found.scores[0, at]), *_place(found, at)) for at in first.tolist())
        return [Stretch(loss, media_id, us, us, us) for loss, media_id, us in places]

    def _widened(self, hits: list[Stretch], vector: NDArray[np.float32], query: Query) -> list[Stretch]:
        """The hits with the neighbours of their best moments, where only the best was looked at before."""
        if query.per_media > 1:
            return hits
        return widened(hits, self._view.segments[query.find], vector)

    def _without_copies(self, found: Sequence[Stretch], query: Query) -> tuple[list[Stretch], int]:
        """The first k hits, and how many left-out copies rank before the last of them.

        Whether a media is a copy depends on what ranks before it alone: no more are looked at than are needed.
        """
        if query.duplicates:
            return list(found[: query.k]), 0
        media_ids = list(dict.fromkeys(it.media_id for it in found))
        num_looked_at = query.k
        while True:
            looked_at = set(media_ids[:num_looked_at])
            copy_of = copies(self._view.segments, media_ids[:num_looked_at], spread=self._spread)
            shown = [it for it in found if it.media_id not in copy_of][: query.k]
            if num_looked_at >= len(media_ids) or looked_at.issuperset(it.media_id for it in shown):
                before = found[: found.index(shown[-1])] if len(shown) == query.k else found
                return shown, len({it.media_id for it in before if it.media_id in copy_of})
            num_looked_at *= 2


def nearest_hits(library: Library, view: View, vector: NDArray[np.float32], *, find: Modality, k: int) -> list[Hit]:
    """The k media with the nearest moments, copies or not, each with its best moment, by exact search.

    Raises:
        LibraryError: the library holds no moments of that modality.
    """
    mapped = {modality: Mapped(segments) for modality, segments in view.segments.items()}
    query = Query(find, (), k=k, duplicates=True)
    return list(Ranking(library, view, mapped).rank(vector, query, view.snapshot.live_media_ids, Stages()).hits)


def _place(found: Neighbours, at: int) -> tuple[int, int]:
    """Media and time of a row that was found."""
    return int(found.media_id[0, at]), int(found.start_us[0, at])


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
