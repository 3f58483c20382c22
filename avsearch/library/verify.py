"""Re-read a whole library and say what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avsearch.catalog import EncoderRecord, SegmentRecord
from avsearch.errors import AvsearchError, LibraryError, WeightsError
from avsearch.library.orphans import find_orphans
from avsearch.library.store import Library, segment_file
from avsearch.models.weights import verify_weights
from avsearch.vectors import count_by_media, map_segment
from avsearch.vectors.segments import fault_in_order, fault_in_vectors

_RESTORE_SEGMENT = "restore it from a backup, or index its files again into a new library"
_RESTORE_WEIGHTS = "copy it there again from the training run"
_RESTORE_CATALOG = "restore the database from a backup"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in a sentence that names the file and says what to do."""

    text: str

    def __str__(self) -> str:
        return self.text


def verify(library: Library) -> list[Problem]:
    """Read every byte of a library; an empty list means that all of it is right."""
    try:
        problems = [_problem(f"The catalog: {phrase}", _RESTORE_CATALOG) for phrase in library.catalog.problems()]
        segments, encoders = library.catalog.all_segments(), library.catalog.encoders()
        active = library.catalog.active_encoder()
        for encoder in encoders:
            if encoder == active or any(record.fingerprint == encoder.fingerprint for record in segments):
                problems += _verify_encoder(library.encoder_path(encoder), encoder)
        for record in segments:
            problems += _verify_segment(library, record)
    except LibraryError as error:
        return [_problem(error.message, _RESTORE_CATALOG)]
    return problems


def orphans(library: Library) -> list[Path]:
    """Files that no row names; the next writer removes them. They are no problem."""
    return find_orphans(library.layout, {record.name for record in library.catalog.all_segments()})


def _verify_encoder(path: Path, encoder: EncoderRecord) -> list[Problem]:
    try:
        fingerprint = verify_weights(path)
    except WeightsError as error:
        return [_problem(error.message, _RESTORE_WEIGHTS)]
    if fingerprint != encoder.fingerprint:
        return [_problem(f"{path}: is not the encoder {encoder}", _RESTORE_WEIGHTS)]
    return []


def _verify_segment(library: Library, record: SegmentRecord) -> list[Problem]:
    path = library.layout.segment_path(record.name)
    counts = library.catalog.rows_of_media(record.name)
    try:
        rows = map_segment(path, segment_file(record))
    except AvsearchError as error:
        return [_problem(error.message, _RESTORE_SEGMENT)]
    faults = [fault_in_vectors(rows), fault_in_order(rows)]
    found = [f"its rows {fault}" for fault in faults if fault]
    if count_by_media(rows) != counts:
        found.append("its media are not those that the catalog names")
    return [_problem(f"{path}: {phrase}", _RESTORE_SEGMENT) for phrase in found]


def _problem(what: str, remedy: str) -> Problem:
    return Problem(f"{what.rstrip('.')}; {remedy}.")
