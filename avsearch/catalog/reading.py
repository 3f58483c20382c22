"""What the catalog answers; each question is one transaction, and so one consistent snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from avsearch.catalog.basis import read_media_by_hash
from avsearch.catalog.coverage import covered_by, is_uncovered_by, read_lost
from avsearch.catalog.database import check_revision, integrity_problems, reading
from avsearch.catalog.described import read_info_at, read_media, read_media_at
from avsearch.catalog.encoders import read_active_encoder, read_localizer, read_pending_encoder
from avsearch.catalog.figures import Status
from avsearch.catalog.holding import read_holding
from avsearch.catalog.paths import places_of
from avsearch.catalog.publication import Lost, SegmentRecord, Snapshot
from avsearch.catalog.records import EncoderRecord, FileState, MediaFilter, MediaRecord, Root
from avsearch.catalog.rows import (
    KEPT_MEDIA,
    KEPT_STATES,
    LIVE_MEDIA,
    SELECT_SEGMENTS,
    chunks,
    encoder_record,
    file_state,
    read_ids,
    read_roots,
    segment_record,
)
from avsearch.catalog.selection import read_files_at, read_selection
from avsearch.catalog.status import read_failed_files, read_file_counts, read_label_counts, read_status
from avsearch.catalog.where import parse_where
from avsearch.errors import LibraryError
from avsearch.moments import MediaInfo
from avsearch.schema import embedding, encoder, file, library_state, media, segment


class Catalog:
    """The SQL side of a library; every method can raise LibraryError when the database cannot be read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(self, library_id: str) -> None:
        """Refuse a catalog of another version or of another library.

        Raises:
            LibraryError: it is one.
        """
        with reading(self._engine) as connection:
            check_revision(connection)
            found = connection.execute(select(library_state.c.library_id)).scalar()
        if found != library_id:
            raise LibraryError(
                "The database belongs to another library.", hint="Check the database URL in library.json."
            )

    def snapshot(self) -> Snapshot:
        """The active encoder, its segments and the live media, all of one instant."""
        with reading(self._engine) as connection:
            active = read_active_encoder(connection)
            made = SELECT_SEGMENTS.where(segment.c.encoder_id == (active.id if active else None))
            return Snapshot(
                encoder=active,
                segments=tuple(map(segment_record, connection.execute(made))),
                live_media_ids=read_ids(connection, LIVE_MEDIA),
            )

    def status(self) -> Status:
        """The library in figures."""
        with reading(self._engine) as connection:
            return read_status(connection)

    def file_counts(self) -> dict[int, dict[str, int]]:
        """Root ids -> number of files by state; all roots, all states."""
        with reading(self._engine) as connection:
            return read_file_counts(connection)

    def failed_files(self, root_id: int, most: int) -> list[tuple[bytes, str]]:
        """The first failed files of a root by their relative path, each with its reason."""
        with reading(self._engine) as connection:
            return read_failed_files(connection, root_id, most)

    def label_counts(self) -> dict[str, int]:
        """Labels -> how many live media have them, by label."""
        with reading(self._engine) as connection:
            return read_label_counts(connection)

    def active_encoder(self) -> EncoderRecord | None:
        with reading(self._engine) as connection:
            return read_active_encoder(connection)

    def pending_encoder(self) -> EncoderRecord | None:
        """The encoder whose vectors are being made beside the active one's."""
        with reading(self._engine) as connection:
            return read_pending_encoder(connection)

    def localizer(self) -> EncoderRecord | None:
        """The encoder that says where in a picture a sound comes from, if the library has one."""
        with reading(self._engine) as connection:
            return read_localizer(connection)

    def encoders(self) -> tuple[EncoderRecord, ...]:
        """All encoders that the library holds, active or not."""
        with reading(self._engine) as connection:
            return tuple(map(encoder_record, connection.execute(select(encoder).order_by(encoder.c.id))))

    def roots(self) -> tuple[Root, ...]:
        with reading(self._engine) as connection:
            return read_roots(connection)

    def files_of(self, root_id: int) -> dict[bytes, FileState]:
        """All files of a root, by their relative path."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(file).where(file.c.root_id == root_id).order_by(file.c.path))
            return {row.path: file_state(row) for row in rows}

    def media_by_hash(self, hashes: Iterable[str]) -> dict[str, int]:
        """Content hashes -> media ids, of those contents that are known."""
        with reading(self._engine) as connection:
            return read_media_by_hash(connection, tuple(hashes))

    def covered_media(self, encoder_id: int) -> set[int]:
        """Ids of the media that an encoder has dealt with, whether or not it made vectors of them."""
        with reading(self._engine) as connection:
            return set(connection.scalars(covered_by(encoder_id)))

    def media_hashes(self, encoder_id: int) -> dict[str, int]:
        """Content hashes -> ids of the media that an encoder has dealt with."""
        statement = select(media.c.content_hash, media.c.id).where(media.c.id.in_(covered_by(encoder_id)))
        with reading(self._engine) as connection:
            return {row.content_hash: row.id for row in connection.execute(statement)}

    def known_sizes(self) -> frozenset[int]:
        """The sizes in bytes of all files whose content is known."""
        statement = select(file.c.size_bytes).where(file.c.media_id.is_not(None)).distinct()
        with reading(self._engine) as connection:
            return frozenset(connection.scalars(statement))

    def uncovered_media(self, encoder_id: int) -> list[int]:
        """Ids, ascending, of the live media that an encoder has not dealt with."""
        with reading(self._engine) as connection:
            live, covered = (read_ids(connection, some) for some in (LIVE_MEDIA, covered_by(encoder_id)))
        uncovered: list[int] = np.setdiff1d(live, covered, assume_unique=True).tolist()
        return uncovered

    def plans_of_uncovered(self, encoder_id: int) -> dict[str, tuple[int, int | None]]:
        """Content hashes of media that an encoder has not dealt with -> `gap_us` and the stream of sound."""
        statement = select(media.c.content_hash, media.c.gap_us, media.c.audio_ordinal)
        with reading(self._engine) as connection:
            rows = connection.execute(statement.where(is_uncovered_by(encoder_id)))
            return {row.content_hash: (row.gap_us, row.audio_ordinal) for row in rows}

    def lost(self, encoder_id: int) -> list[Lost]:
        """What an encoder once made and is not there: of media that an indexed or missing file holds, ascending."""
        return list(self.lost_counts(encoder_id))

    def lost_counts(self, encoder_id: int) -> dict[Lost, tuple[int, int]]:
        """What `lost` gives -> how many moments the encoder made, and how many rows of them are there."""
        with reading(self._engine) as connection:
            return read_lost(connection, encoder_id)

    def reclaimable_media(self) -> set[int]:
        """Ids of the media that no indexed or missing file holds."""
        with reading(self._engine) as connection:
            known, kept = (read_ids(connection, some) for some in (select(media.c.id), KEPT_MEDIA))
        return set(np.setdiff1d(known, kept, assume_unique=True).tolist())

    def select_media(self, wanted: MediaFilter) -> NDArray[np.int64]:
        """(M,) int64 ascending: the live media for which all conditions hold."""
        with reading(self._engine) as connection:
            return read_selection(connection, wanted, read_roots(connection))

    def select_where(self, text: str) -> NDArray[np.int64]:
        """(M,) int64 ascending: the live media for which a filter holds (`catalog.where` has the language).

        Raises:
            UsageError: the filter cannot be understood.
        """
        condition = parse_where(text)
        with reading(self._engine) as connection:
            return read_holding(connection, condition, read_roots(connection))

    def files_at(self, target: str) -> list[tuple[Root, FileState]]:
        """The known files, in whatever state, that are named: by a file, a folder above them, or a pattern.

        In a pattern `*`, `?` and `[...]` stand for parts of one name, `**` for any number of folders; one without
        a leading `/` begins in the current folder. A path that exists or is known is never read as a pattern.
        """
        with reading(self._engine) as connection:
            return read_files_at(connection, target, read_roots(connection))

    def live_media_ids(self) -> NDArray[np.int64]:
        """(M,) int64 ascending: the media with at least one indexed file."""
        with reading(self._engine) as connection:
            return read_ids(connection, LIVE_MEDIA)

    def media_records(self, media_ids: Iterable[int]) -> dict[int, MediaRecord]:
        """What is known about some media, by id, in the order asked for; unknown ids are left out."""
        asked = list(media_ids)
        with reading(self._engine) as connection:
            found = read_media(connection, asked)
        return {media_id: found[media_id] for media_id in asked if media_id in found}

    def media_of_paths(self, paths: Sequence[Path]) -> dict[Path, int]:
        """Paths of indexed files -> media ids; other paths are left out."""
        with reading(self._engine) as connection:
            places = places_of(paths, read_roots(connection))
            media_ids = read_media_at(connection, {place for some in places.values() for place in some})
        found: dict[Path, int] = {}
        for path, candidates in places.items():
            media_id = next((media_ids[place] for place in candidates if place in media_ids), None)
            if media_id is not None:
                found[path] = media_id
        return found

    def info_at(self, path: Path, *, size_bytes: int, mtime_ns: int) -> MediaInfo | None:
        """What was read of an indexed file, while it is as it was then; None for any other file."""
        with reading(self._engine) as connection:
            places = places_of([path], read_roots(connection))[path]
            return read_info_at(connection, places, size_bytes=size_bytes, mtime_ns=mtime_ns)

    def files_of_media(self, media_ids: Iterable[int]) -> dict[int, list[tuple[Root, FileState]]]:
        """The files that hold some media, those that are indexed before those that are missing, by media id."""
        asked = list(media_ids)
        found: dict[int, list[tuple[Root, FileState]]] = {}
        with reading(self._engine) as connection:
            roots = {root.id: root for root in read_roots(connection)}
            for some in chunks(asked):
                kept = select(file).where(file.c.media_id.in_(some), file.c.state.in_(KEPT_STATES))
                for row in connection.execute(kept.order_by(file.c.state, file.c.id)):
                    found.setdefault(row.media_id, []).append((roots[row.root_id], file_state(row)))
        return {media_id: found[media_id] for media_id in asked if media_id in found}

    def all_segments(self) -> tuple[SegmentRecord, ...]:
        """The segments of all encoders."""
        with reading(self._engine) as connection:
            return tuple(map(segment_record, connection.execute(SELECT_SEGMENTS)))

    def rows_of_media(self, segment_name: str) -> dict[int, int]:
        """Media ids -> number of rows in a segment, ascending."""
        statement = select(embedding.c.media_id, embedding.c.num_rows).join(segment)
        with reading(self._engine) as connection:
            rows = connection.execute(
                statement.where(segment.c.name == segment_name).order_by(embedding.c.media_id)
            )
            return {row.media_id: row.num_rows for row in rows}

    def problems(self) -> list[str]:
        """What the database finds wrong with itself, a phrase each."""
        with reading(self._engine) as connection:
            return integrity_problems(connection)
