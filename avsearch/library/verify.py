"""Re-read a whole library and say what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from avsearch.catalog import EncoderRecord, SegmentRecord
from avsearch.errors import LibraryError, StorageError, WeightsError
from avsearch.library.copies import engine_faults
from avsearch.library.nearby import faults
from avsearch.library.orphans import find_orphans
from avsearch.library.store import Library, segment_file
from avsearch.models.weights import verify_weights
from avsearch.vectors import Rows, count_by_media
from avsearch.vectors.segments import fault_in_order, fault_in_vectors

_REPAIR = "run `avsearch library repair`"
_RESTORE_WEIGHTS = "run `avsearch library repair --model FILE` with the file of its training run"
_RESTORE_LOCALIZER = "run `avsearch library set-localizer MODEL` with the file of its training run"
_OPTIMIZE = "search is exact until `avsearch library optimize` makes it anew"
_ENGINE = "run `avsearch library engine`; nothing is lost, since Milvus holds copies only"
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
        encoders = (library.catalog.active_encoder(), library.catalog.pending_encoder())
        for encoder in encoders:
            if encoder is not None:
                problems += _verify_weights(library, encoder, _RESTORE_WEIGHTS)
                problems += _lost_vectors(library, encoder) + _uncovered(library, encoder)
        localizer = library.catalog.localizer()
        if localizer is not None and localizer not in encoders:
            problems += _verify_weights(library, localizer, _RESTORE_LOCALIZER)
        problems += _verify_segments(library)
        problems += [_problem(sentence, _OPTIMIZE) for sentence in faults(library)]
        problems += [_problem(sentence, _ENGINE) for sentence in engine_faults(library)]
    except LibraryError as error:
        return [_problem(error.message, _RESTORE_CATALOG)]
    return problems


def damaged_segments(library: Library) -> list[SegmentRecord]:
    """The segments that are missing or not what the catalog says; what was in them has to be made again.

    Raises:
        LibraryError: the catalog cannot be read, or the store of the segments does not answer.
    """
    return list(dict.fromkeys(record for record, _ in _damage(library)))


def orphans(library: Library) -> list[str]:
    """Paths and addresses of what no row names; the next writer removes it. It is no problem.

    Raises:
        StorageError: the store of the segments does not answer.
    """
    return find_orphans(library.layout, library.catalog)


def _verify_weights(library: Library, encoder: EncoderRecord, remedy: str) -> list[Problem]:
    path = library.encoder_path(encoder)
    try:
        fingerprint = verify_weights(path)
    except WeightsError as error:
        return [_problem(error.message, remedy)]
    if fingerprint != encoder.fingerprint:
        return [_problem(f"{path}: is not the encoder {encoder}", remedy)]
    return []


def _lost_vectors(library: Library, encoder: EncoderRecord) -> list[Problem]:
    """What the encoder has made, and no segment holds."""
    lost = Counter(one.modality for one in library.catalog.lost(encoder.id))
    return [
        _problem(f"The {modality} vectors that {encoder} made of {count} media are lost", _REPAIR)
        for modality, count in sorted(lost.items())
    ]


def _verify_segments(library: Library) -> list[Problem]:
    """What is wrong with them, as far as the place where they lie answers."""
    problems: list[Problem] = []
    try:
        for _, sentence in _damage(library):
            problems.append(_problem(sentence, _REPAIR))
    except StorageError as error:
        problems.append(Problem(str(error)))
    return problems


def _damage(library: Library) -> Iterator[tuple[SegmentRecord, str]]:
    """Segments with a sentence that names the file and what is wrong; one compacted meanwhile is in order."""
    for record in library.catalog.all_segments():
        counts = library.catalog.rows_of_media(record.name)
        found = _faults(library, record, counts)
        if found and record in library.catalog.all_segments():
            yield from ((record, sentence) for sentence in found)


def _faults(library: Library, record: SegmentRecord, counts: Mapping[int, int]) -> list[str]:
    shelf = library.layout.shelf
    try:
        rows = shelf.reread(segment_file(record))
    except StorageError:  # a store that does not answer has lost nothing
        raise
    except LibraryError as error:
        return [error.message]
    found = [f"its rows {fault}" for fault in (fault_in_vectors(rows), fault_in_order(rows)) if fault]
    if not _is_named_right(library, rows, counts):
        found.append("its media are not those that the catalog names")
    return [f"{shelf.address(record.name)}: {phrase}" for phrase in found]


def _is_named_right(library: Library, rows: Rows, counts: Mapping[int, int]) -> bool:
    """Whether the catalog has each media's number of rows; a segment may still hold media that were forgotten."""
    found = count_by_media(rows)
    wrong = [media_id for media_id in found.keys() | counts.keys() if found.get(media_id) != counts.get(media_id)]
    return not counts.keys() & wrong and not library.catalog.media_records(wrong)


def _uncovered(library: Library, encoder: EncoderRecord) -> list[Problem]:
    """Vectors of media that the encoder is not known to have dealt with."""
    made = [record for record in library.catalog.all_segments() if record.fingerprint == encoder.fingerprint]
    counts = {record.name: library.catalog.rows_of_media(record.name) for record in made}
    covered = library.catalog.covered_media(encoder.id)
    return [
        _problem(f"{library.layout.shelf.address(name)}: its media are not covered by {encoder}", _RESTORE_CATALOG)
        for name, of_media in counts.items()
        if of_media.keys() - covered
    ]


def _problem(what: str, remedy: str) -> Problem:
    return Problem(f"{what.rstrip('.')}; {remedy}.")
