"""What finished work rests on: it may be put into a catalog only while all of this is still so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from avsearch.catalog.coverage import covered_by
from avsearch.catalog.encoders import read_active_encoder
from avsearch.catalog.paths import Place
from avsearch.catalog.records import EncoderRecord, FileState
from avsearch.catalog.rows import chunks
from avsearch.schema import coverage, media


@dataclass(frozen=True)
class Basis:
    """What the catalog knew when it was decided what of a batch is new.

    Attributes:
        hashes: the contents of the batch.
        files: its files.
        encoder: the active one.
        known: those of the contents that the library has -> ids of their media.
        covered: those of these media that the encoder has dealt with.
        lost: those of the files that another indexer may have in hand by now, because a lease ran out.
    """

    hashes: tuple[str, ...]
    files: tuple[FileState, ...]
    encoder: EncoderRecord | None
    known: Mapping[str, int]
    covered: frozenset[int]
    lost: frozenset[Place]


def read_basis(
    connection: Connection, hashes: tuple[str, ...], files: tuple[FileState, ...], *, lost: frozenset[Place]
) -> Basis:
    """What is known now, within a transaction."""
    encoder = read_active_encoder(connection)
    known = read_media_by_hash(connection, hashes)
    covered: set[int] = set()
    if encoder is not None:
        for some in chunks(list(known.values())):
            covered.update(connection.scalars(covered_by(encoder.id).where(coverage.c.media_id.in_(some))))
    return Basis(hashes, files, encoder, known, frozenset(covered), lost)


def read_media_by_hash(connection: Connection, hashes: tuple[str, ...]) -> dict[str, int]:
    """Content hashes -> media ids, of those contents that are known."""
    found: dict[str, int] = {}
    for some in chunks(hashes):
        statement = select(media.c.content_hash, media.c.id).where(media.c.content_hash.in_(some))
        found.update((content_hash, media_id) for content_hash, media_id in connection.execute(statement))
    return found
