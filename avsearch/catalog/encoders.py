"""Which of a library's encoders are used, and for what; within a transaction."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select

from avsearch.catalog.records import EncoderRecord
from avsearch.catalog.rows import encoder_record
from avsearch.schema import encoder, library_state


def read_active_encoder(connection: Connection) -> EncoderRecord | None:
    """The active encoder."""
    return _read(connection, library_state.c.active_encoder_id)


def read_pending_encoder(connection: Connection) -> EncoderRecord | None:
    """The encoder whose vectors are being made."""
    return _read(connection, library_state.c.pending_encoder_id)


def read_localizer(connection: Connection) -> EncoderRecord | None:
    """The encoder that says where in a picture a sound comes from; perhaps an active or pending one too."""
    return _read(connection, library_state.c.localizer_encoder_id)


def _read(connection: Connection, which: ColumnElement[int | None]) -> EncoderRecord | None:
    row = connection.execute(select(encoder).join(library_state, encoder.c.id == which)).first()
    return None if row is None else encoder_record(row)
