"""The structures of a library that make search approximate: opened where they fit what is searched now."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from avsearch.catalog import Snapshot
from avsearch.errors import LibraryError
from avsearch.library.engine import open_engine
from avsearch.library.store import Library, View, segment_file
from avsearch.moments import Modality
from avsearch.vectors import SegmentFile
from avsearch.vectors.ann.approximate import Approximate
from avsearch.vectors.ann.files import check, coverage, drop, open_approximate
from avsearch.vectors.ann.record import AnnRecord, read_record, record_path
from avsearch.vectors.milvus.beside import Beside

_LOG = logging.getLogger("avsearch")


@dataclass(frozen=True)
class Nearby:
    """The structure of a modality.

    Attributes:
        record: what it says about itself.
        num_covered: moments that are searched and that it holds; the others are all looked at.
        num_rows: moments that are searched.
    """

    record: AnnRecord
    num_covered: int
    num_rows: int


def open_nearby(library: Library, view: View, *modalities: Modality) -> Mapping[Modality, Approximate | Beside]:
    """Approximate search of the modalities that are in Milvus, or have a structure which fits.

    Of one that is not right a warning says why not; what is in Milvus is not searched by a structure.

    Args:
        library: whose they are.
        view: what is searched; it has the rows of these modalities.
        modalities: which are wanted.
    """
    fingerprint = _fingerprint(view.snapshot)
    found: dict[Modality, Approximate | Beside] = dict(open_engine(library, view, *modalities))
    for modality in (it for it in modalities if it not in found):
        named = list(zip(_segments(view, modality), view.segments[modality], strict=True))
        try:
            approximate = open_approximate(library.layout.ann, modality, named, fingerprint=fingerprint)
        except LibraryError as error:
            _LOG.warning("%s Search is exact. %s", error.message, error.hint)
            continue
        if approximate is not None:
            found[modality] = approximate
    return found


def nearby(library: Library) -> Mapping[Modality, Nearby]:
    """The structures that are there, used or not; of one whose record cannot be read a warning tells."""
    snapshot = library.snapshot()
    fingerprint = _fingerprint(snapshot)
    found = {}
    for modality in Modality:
        try:
            record = read_record(library.layout.ann, modality)
        except LibraryError as error:
            _LOG.warning("%s %s", error.message, error.hint)
            continue
        if record is not None:
            segments = [segment_file(it) for it in snapshot.segments if it.modality is modality]
            num_covered = coverage(record, segments, fingerprint=fingerprint)
            found[modality] = Nearby(record, num_covered, sum(it.num_rows for it in segments))
    return found


def drop_useless(library: Library) -> list[Modality]:
    """Delete the indexes that hold nothing that is searched any more; returns of which modalities."""
    gone = [modality for modality, found in nearby(library).items() if not found.num_covered]
    for modality in gone:
        drop(library.layout.ann, modality)
    return gone


def faults(library: Library) -> list[str]:
    """A sentence for each structure that is not what it says, or of no use any more."""
    told = []
    for modality in Modality:
        try:
            record = read_record(library.layout.ann, modality)
            if record is not None:
                check(library.layout.ann, record)
        except LibraryError as error:
            told.append(error.message)
    if told:
        return told
    return [
        f"{record_path(library.layout.ann, modality)}: the index holds nothing that is searched any more"
        for modality, found in nearby(library).items()
        if not found.num_covered
    ]


def _fingerprint(snapshot: Snapshot) -> str:
    return "" if snapshot.encoder is None else snapshot.encoder.fingerprint


def _segments(view: View, modality: Modality) -> list[SegmentFile]:
    """As the catalog names them, in the order of the view."""
    return [segment_file(it) for it in view.snapshot.segments if it.modality is modality]
