"""The library's protocol: every stored moment of an item asks, and media are ranked, as `avsearch query` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch.catalog import EncoderRecord, State
from avsearch.catalog.paths import places_of
from avsearch.errors import LibraryError
from avsearch.evaluation.assembly import Case, Found, assemble, select_rows
from avsearch.evaluation.items import EvaluationSettings, Items, Protocol, TimedVectors, name_of
from avsearch.evaluation.problems import ProblemKind
from avsearch.manifest import ManifestRow
from avsearch.models.weights import read_header
from avsearch.moments import Modality
from avsearch.vectors import Rows

if TYPE_CHECKING:
    from avsearch.library import Library

_DESCRIPTION = (
    "Protocol: library. Every stored moment of an item's picture or sound asks; an item is ranked by its moment "
    "that scores best, as `avsearch query` ranks media."
)
_KINDS = {
    State.FAILED: ProblemKind.FAILED,
    State.MISSING: ProblemKind.MISSING,
    State.REMOVED: ProblemKind.REMOVED,
}


def load_items_from_library(library: Library, settings: EvaluationSettings) -> Items:
    """Take the vectors that a library holds of the rows of the split.

    Raises:
        ManifestError: the manifest cannot be used, or no row of the split gives a vector.
        LibraryError: the library holds nothing yet, or cannot be read.
        WeightsError: its encoder's file is missing or damaged.
    """
    selection = select_rows(settings)
    view = library.view(*Modality)
    encoder = view.snapshot.encoder
    if encoder is None:
        raise LibraryError(f"{library.directory}: nothing has been indexed.", hint="Run `avsearch index FOLDER`.")
    media_of_path = library.catalog.media_of_paths([row.path for row in selection.rows])
    media_ids = np.unique(np.array(list(media_of_path.values()), np.int64))
    vectors = {it: _vectors_of(view.segments[it], media_ids) for it in Modality}
    found = [
        Found(row, str(media_of_path[row.path]), _vectors_at(media_of_path[row.path], vectors))
        for row in selection.rows
        if row.path in media_of_path
    ]
    others = [row for row in selection.rows if row.path not in media_of_path]
    return assemble(
        found,
        modalities=read_header(library.encoder_path(encoder)).modalities,
        settings=settings,
        protocol=_protocol(encoder),
        cases=[*selection.cases, *_cases(library, others)],
    )


def _vectors_of(segments: Sequence[Rows], media_ids: NDArray[np.int64]) -> dict[int, TimedVectors]:
    """The rows of each of some media, by time; media without any are left out."""
    parts = [segment.take(np.isin(segment.media_id, media_ids)) for segment in segments]
    parts = [part for part in parts if len(part)]
    if not parts:
        return {}
    media_id = np.concatenate([part.media_id for part in parts])
    start_us = np.concatenate([part.start_us for part in parts])
    order = np.lexsort((start_us, media_id))
    vector = np.concatenate([part.vector for part in parts])[order]
    found, first = np.unique(media_id[order], return_index=True)
    of_each = zip(np.split(vector, first[1:]), np.split(start_us[order], first[1:]), strict=True)
    return {media: TimedVectors(*rows) for media, rows in zip(found.tolist(), of_each, strict=True)}


def _vectors_at(
    media_id: int, vectors: Mapping[Modality, Mapping[int, TimedVectors]]
) -> dict[Modality, TimedVectors]:
    return {modality: of_media[media_id] for modality, of_media in vectors.items() if media_id in of_media}


def _cases(library: Library, rows: Sequence[ManifestRow]) -> Iterator[Case]:
    """Why the library has nothing of some rows."""
    roots = library.catalog.roots()
    files = {root.id: library.catalog.files_of(root.id) for root in roots} if rows else {}
    places = places_of([row.path for row in rows], roots)
    for row in rows:
        states = [files[root_id][path] for root_id, path in places[row.path] if path in files[root_id]]
        if not states or states[0].state not in _KINDS:
            yield ProblemKind.NOT_INDEXED, name_of(row)
        else:
            reason = f": {states[0].reason}" if states[0].state is State.FAILED else ""
            yield _KINDS[states[0].state], name_of(row) + reason


def _protocol(encoder: EncoderRecord) -> Protocol:
    return Protocol(
        name="library",
        description=_DESCRIPTION,
        fingerprint=encoder.fingerprint,
        architecture=encoder.architecture,
        recipe=encoder.recipe,
        size=encoder.size,
    )
