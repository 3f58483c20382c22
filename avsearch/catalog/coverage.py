"""Which media an encoder has dealt with, and what of that is not there any more."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from avsearch.catalog.publication import Lost
from avsearch.catalog.rows import KEPT_MEDIA
from avsearch.moments import Modality
from avsearch.schema import coverage, embedding, media, segment


def covered_by(encoder_id: int) -> Select[Any]:
    """The ids of the media that an encoder has dealt with."""
    return select(coverage.c.media_id).where(coverage.c.encoder_id == encoder_id).distinct()


def is_uncovered_by(encoder_id: int) -> ColumnElement[bool]:
    """Whether an encoder has not dealt with a row of `media`; asked media by media, which PostgreSQL does well."""
    dealt = select(coverage.c.media_id).where(
        coverage.c.encoder_id == encoder_id, coverage.c.media_id == media.c.id
    )
    return ~dealt.correlate(media).exists()


def read_lost(connection: Connection, encoder_id: int) -> dict[Lost, tuple[int, int]]:
    """Media and modalities, ascending, that have not as many rows as moments were made -> moments and rows."""
    made = _rows_made(encoder_id).subquery()
    is_same = (made.c.media_id == coverage.c.media_id) & (made.c.modality == coverage.c.modality)
    num_rows = func.coalesce(made.c.num_rows, 0)
    missing = (
        select(coverage.c.media_id, coverage.c.modality, coverage.c.num_moments, num_rows.label("num_rows"))
        .outerjoin_from(coverage, made, is_same)
        .where(coverage.c.encoder_id == encoder_id, coverage.c.num_moments != num_rows)
        .where(coverage.c.media_id.in_(KEPT_MEDIA))
        .order_by(coverage.c.media_id, coverage.c.modality)
    )
    return {
        Lost(row.media_id, Modality(row.modality)): (row.num_moments, int(row.num_rows))
        for row in connection.execute(missing)
    }


def _rows_made(encoder_id: int) -> Select[Any]:
    rows = func.sum(embedding.c.num_rows).label("num_rows")
    made = select(embedding.c.media_id, segment.c.modality, rows).join_from(embedding, segment)
    return made.where(segment.c.encoder_id == encoder_id).group_by(embedding.c.media_id, segment.c.modality)
