"""Structures on disk: `<modality>.json` names a faiss file beside it; what does not fit is never searched.

The folder is derived from segments and may be deleted at any time. A new structure is written under a name of its
own, then the record takes it into use in one step, then the file that was there before is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import xxhash

from avsearch.errors import LibraryError, unwritable
from avsearch.moments import Modality
from avsearch.vectors.ann.approximate import GONE, Approximate, Held
from avsearch.vectors.ann.record import OPTIMIZE_HINT, AnnRecord, read_record, record_path, write_record
from avsearch.vectors.ann.structure import Structure, read
from avsearch.vectors.durable import ASIDE_SUFFIX, sync_directory
from avsearch.vectors.segments import Rows, SegmentFile

SUFFIX = ".faiss"


def publish(directory: Path, structure: Structure, record: AnnRecord) -> AnnRecord:
    """Write a structure and its record, and take both into use.

    Args:
        directory: the folder `ann` of a library.
        structure: what is written.
        record: what it says of the file does not matter.

    Returns:
        the record as it was written.

    Raises:
        LibraryError: the disk is full, or the folder cannot be written.
    """
    path = directory / f"{uuid4().hex}{SUFFIX}"
    aside = path.with_name(path.name + ASIDE_SUFFIX)
    try:
        structure.write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        written = replace(record, file=path.name, num_bytes=aside.stat().st_size, checksum=_checksum(aside))
        aside.replace(path)
        sync_directory(directory)
    except OSError as error:
        raise unwritable(LibraryError, path, error.strerror) from error
    finally:
        aside.unlink(missing_ok=True)
    write_record(directory, written)
    sweep(directory)
    return written


def drop(directory: Path, modality: Modality) -> None:
    """Do without a structure of a modality."""
    record_path(directory, modality).unlink(missing_ok=True)
    sweep(directory)


def sweep(directory: Path) -> None:
    """Delete the faiss files that no record names, and what a killed writer has left."""
    named = set()
    for modality in Modality:
        try:
            record = read_record(directory, modality)
        except LibraryError:
            continue
        if record is not None:
            named.add(record.file)
    for path in (*directory.glob(f"*{SUFFIX}"), *directory.glob(f"*{ASIDE_SUFFIX}")):
        if path.name not in named:
            path.unlink(missing_ok=True)


def check(directory: Path, record: AnnRecord) -> None:
    """Read every byte of a structure's file.

    Raises:
        LibraryError: it is missing, or not what the record says, to the last bit.
    """
    path = directory / record.file
    try:
        num_bytes = path.stat().st_size
        is_right = num_bytes == record.num_bytes and _checksum(path) == record.checksum
    except OSError as error:
        raise LibraryError(f"{path}: cannot be read ({error.strerror}).", hint=OPTIMIZE_HINT) from error
    if not is_right:
        raise LibraryError(f"{path}: the index is damaged.", hint=OPTIMIZE_HINT)


def open_approximate(
    directory: Path, modality: Modality, named: Sequence[tuple[SegmentFile, Rows]], *, fingerprint: str
) -> Approximate | None:
    """Search by the structure of a modality; None where there is none.

    Args:
        directory: the folder `ann` of a library.
        modality: what is searched.
        named: the segments that are searched, as the catalog names them, and their rows.
        fingerprint: of the encoder that made them.

    Raises:
        LibraryError: there is one that cannot be used: it is damaged, of another encoder, or of rows that are gone.
    """
    record = read_record(directory, modality)
    if record is None:
        return None
    held = _held(record, [segment for segment, _ in named], record_path(directory, modality), fingerprint)
    check(directory, record)
    structure = read(directory / record.file, record.kind)
    if (len(structure), structure.dim) != (record.num_rows, record.dim):
        raise LibraryError(f"{directory / record.file}: is not what its record says.", hint=OPTIMIZE_HINT)
    return Approximate(structure, record.tuning, [rows for _, rows in named], held, record.num_media)


def coverage(record: AnnRecord, segments: Sequence[SegmentFile], *, fingerprint: str) -> int:
    """Rows that are searched, and that a structure holds: 0 where it cannot be used."""
    if record.fingerprint != fingerprint:
        return 0
    there = {(it.name, it.num_rows, it.checksum) for it in segments}
    return sum(it.num_rows for it in record.segments if (it.name, it.num_rows, it.checksum) in there)


def _held(record: AnnRecord, segments: Sequence[SegmentFile], path: Path, fingerprint: str) -> list[Held]:
    if record.fingerprint != fingerprint:
        raise LibraryError(f"{path}: the index is of another encoder's vectors.", hint=OPTIMIZE_HINT)
    place = {(it.name, it.num_rows, it.checksum, it.dim): at for at, it in enumerate(segments)}
    held = [
        Held(it.num_rows, place.get((it.name, it.num_rows, it.checksum, record.dim), GONE))
        for it in record.segments
    ]
    if all(it.place == GONE for it in held):
        raise LibraryError(f"{path}: the index holds nothing that is searched any more.", hint=OPTIMIZE_HINT)
    return held


def _checksum(path: Path) -> str:
    if not path.stat().st_size:
        return ""
    return xxhash.xxh3_128_hexdigest(np.memmap(path, np.uint8, mode="r").data)
