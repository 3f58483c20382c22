"""What goes from the database, within a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from avsearch.catalog.records import EncoderRecord
from avsearch.catalog.rows import KEPT_STATES, chunks
from avsearch.errors import LibraryError
from avsearch.schema import coverage, embedding, file, label, media, segment


def delete_made_by(connection: Connection, encoder: EncoderRecord) -> None:
    """All that an encoder made."""
    made_by = segment.c.encoder_id == encoder.id
    gone = select(segment.c.id).where(made_by)
    connection.execute(delete(embedding).where(embedding.c.segment_id.in_(gone)))
    connection.execute(delete(segment).where(made_by))
    connection.execute(delete(coverage).where(coverage.c.encoder_id == encoder.id))


def delete_segments(connection: Connection, names: Sequence[str]) -> None:
    """Segments, by the names of their files."""
    for some in chunks(names):
        gone = select(segment.c.id).where(segment.c.name.in_(some))
        connection.execute(delete(embedding).where(embedding.c.segment_id.in_(gone)))
        connection.execute(delete(segment).where(segment.c.name.in_(some)))


def forget_media(connection: Connection, media_ids: Sequence[int]) -> None:
    """All that is known of media; what segments still hold of them is of nobody from now on."""
    for some in chunks(media_ids):
        held = file.c.media_id.in_(some)
        if connection.execute(select(file.c.id).where(held, file.c.state.in_(KEPT_STATES)).limit(1)).first():
            raise LibraryError("A media that a file holds cannot be forgotten.", hint="Run the same command again.")
        connection.execute(update(file).where(held).values(media_id=None))
        connection.execute(delete(label).where(label.c.media_id.in_(some)))
        for table in (embedding, coverage):
            connection.execute(delete(table).where(table.c.media_id.in_(some)))
        connection.execute(delete(media).where(media.c.id.in_(some)))
