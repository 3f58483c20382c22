"""A library in one state, and what asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch import media
from avsearch.catalog import Snapshot
from avsearch.errors import LibraryError
from avsearch.library import Library, View
from avsearch.models.header import WeightsHeader
from avsearch.models.weights import read_header
from avsearch.moments import MediaInfo, Modality, Moment
from avsearch.query.asking import Found, Query, Source
from avsearch.query.embedding import Embedder, Encodes, require, stored_vector, weighted_sum
from avsearch.query.ranking import Ranking, Searchable
from avsearch.query.stages import Stages
from avsearch.remote import is_remote, read_here
from avsearch.vectors import Rows

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, eq=False)
class Prepared:
    """A query that needs nothing but the library any more.

    Attributes:
        query: what is asked.
        allowed: (M,) int64 ascending, the media that may be found.
        vector: (D,) float32 unit, what asks.
        stages: how long it took so far.
    """

    query: Query
    allowed: NDArray[np.int64]
    vector: NDArray[np.float32]
    stages: Stages


class Session:
    """One state of a library, ready to be asked from several threads.

    Attributes:
        header: of the encoder's weights.
        exact: what looks at all rows.
        approximate: what is asked instead, where there is an index.
    """

    def __init__(
        self,
        library: Library,
        view: View,
        encoder: Callable[[], Encodes],
        exact: Mapping[Modality, Searchable],
        approximate: Mapping[Modality, Searchable] | None = None,
        *,
        around: Callable[[Searchable], Searchable] | None = None,
    ) -> None:
        self._library = library
        self._view = view
        self._encoder = encoder
        self.exact = exact
        self.approximate = approximate or {}
        self._ranking = Ranking(library, view, _wrapped(exact, around), _wrapped(approximate or {}, around))
        self.header = _header(library, view)

    @property
    def library(self) -> Library:
        return self._library

    @property
    def view(self) -> View:
        return self._view

    def ask(self, query: Query) -> Found:
        """Decode, encode, filter, search, describe.

        Raises:
            LibraryError: nothing like that has been indexed, or the library is damaged.
            MediaError: a file cannot be read, or lacks the side that is to ask.
            UsageError: the encoder lacks a modality, the filter cannot be read, or terms cancel each other.
        """
        return self.rank(self.prepare(query))

    def prepare(self, query: Query) -> Prepared:
        """Decode, encode, filter: all that files are read for.

        Raises:
            AvsearchError: as `ask`.
        """
        require(query.find, self.header)
        stages = Stages()
        with stages.stage("filter"):
            allowed = self._allowed(query)
        return Prepared(query, allowed, self._vector(query, stages), stages)

    def rank(self, prepared: Prepared) -> Found:
        """Search and describe.

        Raises:
            LibraryError: as `ask`.
        """
        found = self._ranking.rank(prepared.vector, prepared.query, prepared.allowed, prepared.stages)
        return Found(found.hits, found.num_duplicates, prepared.stages.seconds, found.media)

    def _allowed(self, query: Query) -> NDArray[np.int64]:
        """(M,) int64 ascending: the media that may be found."""
        allowed = self._view.snapshot.live_media_ids
        if query.where:
            allowed = np.intersect1d(allowed, self._library.catalog.select_where(query.where), assume_unique=True)
        if query.exclude_self:
            allowed = np.setdiff1d(allowed, np.fromiter(self._asking_media(query), np.int64), assume_unique=True)
        return allowed

    def _asking_media(self, query: Query) -> set[int]:
        """The media that ask: those of moments, those that lie at a path, and those with a file's very content."""
        catalog = self._library.catalog
        asked = [term.source.path for term in query.terms if isinstance(term.source, Source)]
        paths = [path if is_remote(path) else path.absolute() for path in asked]
        known = catalog.media_of_paths(paths)
        others = [path for path in paths if path not in known]
        sizes = catalog.known_sizes() if others else frozenset()
        hashes = [media.content_hash(path) for path in others if path.is_file() and path.stat().st_size in sizes]
        same = catalog.media_by_hash(hashes) if hashes else {}
        return {*known.values(), *same.values(), *(moment.media_id for moment in query.moments)}

    def _vector(self, query: Query, stages: Stages) -> NDArray[np.float32]:
        embedder = Embedder(self.header, self._encoder, stages, info_of=self._info)
        vectors = []
        for term in query.terms:
            if isinstance(term.source, Moment):
                vectors.append(stored_vector(term.source, self._stored(term.source)))
            else:
                with read_here(term.source.path) as path:
                    source = replace(term.source, path=path)
                    vectors.append(embedder.vector(source, find=query.find, by=term.by))
        return weighted_sum(vectors, [term.weight for term in query.terms])

    def _info(self, path: Path) -> MediaInfo:
        """What a file says about itself; one that was indexed and has not changed since is not asked again."""
        media.require_file(path)
        try:
            status = path.stat()
        except OSError:  # gone just now
            return media.probe(path)
        known = self._library.catalog.info_at(path, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)
        return known or media.probe(path)

    def _stored(self, moment: Moment) -> Sequence[Rows]:
        """The rows to look for a moment in: none where its media has been removed."""
        is_live = np.isin(moment.media_id, self._view.snapshot.live_media_ids)
        return self._view.segments[moment.modality] if is_live else ()


def _wrapped(
    searchable: Mapping[Modality, Searchable], around: Callable[[Searchable], Searchable] | None
) -> Mapping[Modality, Searchable]:
    return searchable if around is None else {modality: around(it) for modality, it in searchable.items()}


def _header(library: Library, view: View) -> WeightsHeader:
    return read_header(weights_in(library, view.snapshot))


def weights_in(library: Library, snapshot: Snapshot) -> Path:
    """The weights file of the encoder of one state of a library.

    Raises:
        LibraryError: nothing has been indexed.
    """
    encoder = snapshot.encoder
    if encoder is None or not snapshot.live_media_ids.size:
        raise LibraryError(f"{library.directory}: nothing has been indexed.", hint="Run `avsearch index FOLDER`.")
    return library.encoder_path(encoder)
