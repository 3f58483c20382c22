"""The library in figures, counted by the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, select

from avsearch.catalog.claims import read_indexers
from avsearch.catalog.coverage import covered_by
from avsearch.catalog.database import is_sqlite
from avsearch.catalog.encoders import read_active_encoder, read_localizer, read_pending_encoder
from avsearch.catalog.figures import IndexerRecord, Status
from avsearch.catalog.locks import lock_key
from avsearch.catalog.records import EncoderRecord, State
from avsearch.catalog.rows import KEPT_STATES, LIVE_MEDIA
from avsearch.moments import SECOND_US, MediaKind, Modality
from avsearch.schema import embedding, file, label, library_state, media, root, segment

HOUR_US = 3600 * SECOND_US


def read_status(connection: Connection) -> Status:
    """Count everything, within a transaction; kinds, states and modalities without any count 0."""
    active, pending = read_active_encoder(connection), read_pending_encoder(connection)
    kinds = _live_media(connection)
    rows, num_segments, segment_bytes = _segments(connection)
    held = _held_rows(connection, active, pending)
    live = {row.modality: int(row.live) for row in held if active is not None and row.encoder_id == active.id}
    return Status(
        num_roots=connection.scalar(select(func.count()).select_from(root)) or 0,
        files=dict.fromkeys(map(str, State), 0) | _counts(connection, file.c.state),
        failures=_most_frequent_first(_counts(connection, file.c.reason, file.c.state == State.FAILED)),
        media=dict.fromkeys(map(str, MediaKind), 0) | {row.kind: row.num_media for row in kinds},
        hours=sum(int(row.duration_us) for row in kinds) / HOUR_US,
        moments=dict.fromkeys(map(str, Modality), 0) | live,
        num_segments=num_segments,
        segment_bytes=segment_bytes,
        encoder=active,
        silent_seconds=sum(int(row.num_silent) for row in kinds),
        still_frames=sum(int(row.num_still) for row in kinds),
        dead_moments=rows - sum(int(row.kept) for row in held),
        pending=pending,
        num_pending_done=_num_done(connection, pending),
        num_live=sum(row.num_media for row in kinds),
        localizer=read_localizer(connection),
        indexers=_indexers(connection),
    )


def read_file_counts(connection: Connection) -> dict[int, dict[str, int]]:
    """Root ids -> number of files by state; all roots, all states."""
    found = {root_id: dict.fromkeys(map(str, State), 0) for root_id in connection.scalars(select(root.c.id))}
    counted = select(file.c.root_id, file.c.state, func.count()).group_by(file.c.root_id, file.c.state)
    for root_id, state, count in connection.execute(counted):
        found[root_id][state] = int(count)
    return found


def read_failed_files(connection: Connection, root_id: int, most: int) -> list[tuple[bytes, str]]:
    """The first failed files of a root by their relative path, each with its reason."""
    failed = select(file.c.path, file.c.reason).where(file.c.root_id == root_id, file.c.state == State.FAILED)
    return [(row.path, row.reason) for row in connection.execute(failed.order_by(file.c.path).limit(most))]


def read_label_counts(connection: Connection) -> dict[str, int]:
    """Labels -> how many live media have them, by label."""
    counted = select(label.c.label, func.count()).where(label.c.media_id.in_(LIVE_MEDIA)).group_by(label.c.label)
    return {name: int(count) for name, count in sorted(map(tuple, connection.execute(counted)))}


def _indexers(connection: Connection) -> tuple[IndexerRecord, ...]:
    library_id = connection.scalar(select(library_state.c.library_id))
    return () if is_sqlite(connection) else read_indexers(connection, lock_key(library_id or ""))


def _live_media(connection: Connection) -> Sequence[Row[Any]]:
    """A row for each kind."""
    sums = (
        func.sum(column).label(column.name)
        for column in (media.c.duration_us, media.c.num_silent, media.c.num_still)
    )
    counted = select(media.c.kind, func.count().label("num_media"), *sums)
    return connection.execute(counted.where(media.c.id.in_(LIVE_MEDIA)).group_by(media.c.kind)).all()


def _segments(connection: Connection) -> tuple[int, int, int]:
    """Rows, segments, bytes."""
    sums = select(func.sum(segment.c.num_rows), func.count(), func.sum(segment.c.num_bytes))
    rows, num_segments, num_bytes = connection.execute(sums).one()
    return int(rows or 0), num_segments, int(num_bytes or 0)


def _held_rows(connection: Connection, *encoders: EncoderRecord | None) -> Sequence[Any]:
    """For each encoder and modality: rows of media that `compact` would keep, and of live ones among them."""
    used = [encoder.id for encoder in encoders if encoder is not None]
    is_live = func.max(case((file.c.state == State.INDEXED, 1), else_=0)).label("is_live")
    is_held = file.c.state.in_(KEPT_STATES) & file.c.media_id.is_not(None)
    held = select(file.c.media_id, is_live).where(is_held).group_by(file.c.media_id).subquery()
    counted = (
        select(
            segment.c.encoder_id,
            segment.c.modality,
            func.sum(embedding.c.num_rows).label("kept"),
            func.sum(embedding.c.num_rows * held.c.is_live).label("live"),
        )
        .join_from(embedding, segment)
        .join(held, held.c.media_id == embedding.c.media_id)
    )
    of_each = counted.where(segment.c.encoder_id.in_(used)).group_by(segment.c.encoder_id, segment.c.modality)
    return connection.execute(of_each).all()


def _num_done(connection: Connection, pending: EncoderRecord | None) -> int:
    if pending is None:
        return 0
    done = LIVE_MEDIA.where(file.c.media_id.in_(covered_by(pending.id))).subquery()
    return connection.scalar(select(func.count()).select_from(done)) or 0


def _counts(connection: Connection, column: ColumnElement[str], *conditions: ColumnElement[bool]) -> dict[str, int]:
    counted = select(column, func.count()).where(*conditions).group_by(column)
    return {name: int(count) for name, count in connection.execute(counted)}


def _most_frequent_first(counts: dict[str, int]) -> dict[str, int]:
    """Equally frequent ones by name; not ordered by the database, since each has an order of texts of its own."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
