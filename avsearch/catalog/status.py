"""The library in figures, counted by the database."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Select, func, select

from avsearch.catalog.records import EncoderRecord, State, Status
from avsearch.catalog.rows import LIVE_MEDIA
from avsearch.moments import SECOND_US, MediaKind, Modality
from avsearch.schema import embedding, file, media, root, segment

HOUR_US = 3600 * SECOND_US


def read_status(connection: Connection, active: EncoderRecord | None) -> Status:
    """Count everything, within a transaction; kinds, states and modalities without any count 0."""
    is_live = media.c.id.in_(LIVE_MEDIA)
    duration_us = connection.scalar(select(func.sum(media.c.duration_us)).where(is_live)) or 0
    segment_bytes = connection.scalar(select(func.sum(segment.c.num_bytes))) or 0
    return Status(
        num_roots=connection.scalar(select(func.count()).select_from(root)) or 0,
        files=dict.fromkeys(map(str, State), 0) | _counts(connection, _count_by(file.c.state)),
        failures=_counts(connection, _count_by(file.c.reason).where(file.c.state == State.FAILED)),
        media=dict.fromkeys(map(str, MediaKind), 0) | _counts(connection, _count_by(media.c.kind).where(is_live)),
        hours=int(duration_us) / HOUR_US,
        moments=dict.fromkeys(map(str, Modality), 0) | _moments(connection, active),
        num_segments=connection.scalar(select(func.count()).select_from(segment)) or 0,
        segment_bytes=int(segment_bytes),
        encoder=active,
    )


def _count_by(column: ColumnElement[str]) -> Select[str, int]:
    """Value, count; the most frequent first."""
    return select(column, func.count()).group_by(column).order_by(func.count().desc(), column)


def _moments(connection: Connection, active: EncoderRecord | None) -> dict[str, int]:
    if active is None:
        return {}
    counted = select(segment.c.modality, func.sum(embedding.c.num_rows)).join_from(embedding, segment)
    found = counted.where(segment.c.encoder_id == active.id, embedding.c.media_id.in_(LIVE_MEDIA))
    return _counts(connection, found.group_by(segment.c.modality))


def _counts(connection: Connection, statement: Select[str, int]) -> dict[str, int]:
    return {name: int(count) for name, count in connection.execute(statement)}
