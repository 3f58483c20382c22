"""The tables of a library's catalog, for SQLAlchemy and Alembic; SQLite and PostgreSQL alike.

What one filters by is here, per media; what exists a billion times, the times and vectors of moments, is in
segments. Times of media are microseconds, points in time are microseconds since 1970 (UTC). Paths are bytes,
because names on disk need not be UTF-8. Ids are never reused: those of media come from `library_state`,
because a segment holds them before its row exists; the others from the database (AUTOINCREMENT on SQLite).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

REVISION = "0005"  # the newest file in migrations/versions; counted up, so that older and newer can be told apart
STATE_ID = 1  # of the one row of library_state

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_BIG_ID = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only what is called INTEGER

metadata = MetaData(naming_convention=_NAMING)


def _id(*, is_counted: bool = True) -> Column[Any]:
    return Column("id", _BIG_ID, primary_key=True, autoincrement=is_counted)


def _needed(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], *keys: ForeignKey) -> Column[Any]:
    return Column(name, kind, *keys, nullable=False)


def _added(name: str, kind: type[TypeEngine[Any]], default: str) -> Column[Any]:
    """A column that came later: rows that were there by then have the default."""
    return Column(name, kind, nullable=False, server_default=default)


root = Table(
    "root",
    metadata,
    _id(),
    _needed("path", LargeBinary),  # absolute; or a URL
    _needed("added_at_us", BigInteger),
    UniqueConstraint("path"),
    sqlite_autoincrement=True,
)

media = Table(
    "media",
    metadata,
    _id(is_counted=False),
    _needed("content_hash", String),
    _needed("kind", String),
    _needed("container", String),
    _needed("duration_us", BigInteger),
    _needed("start_time_us", BigInteger),
    Column("video_index", Integer),  # the stream of pictures: all of its columns, or none
    Column("video_codec", String),
    Column("width", Integer),
    Column("height", Integer),
    Column("rotation", Integer),
    Column("frames_per_second", Float),
    Column("audio_index", Integer),  # the stream of sound that was read: all of its columns, or none
    Column("audio_ordinal", Integer),
    Column("audio_codec", String),
    Column("sample_rate_hz", Integer),
    Column("num_channels", Integer),
    Column("is_default_audio", Boolean),
    _needed("added_at_us", BigInteger),
    _added("timecode", String, ""),  # of the first frame, as the file has it
    _added("num_silent", BigInteger, "0"),  # seconds of digital silence, which made no moment
    _added("num_still", BigInteger, "0"),  # black or frozen frames that made no moment
    _added("gap_us", BigInteger, "2000000"),  # the longest gap between keyframes that was left as it is
    UniqueConstraint("content_hash"),
)

file = Table(
    "file",
    metadata,
    _id(),
    _needed("root_id", _BIG_ID, ForeignKey("root.id")),
    _needed("path", LargeBinary),  # relative to its root
    _needed("size_bytes", BigInteger),
    _needed("mtime_ns", BigInteger),
    _needed("state", String),  # indexed | failed | missing | removed
    _needed("reason", String),
    Column("media_id", _BIG_ID, ForeignKey("media.id")),
    Column("etag", String),  # a store's own mark of the content; NULL on a disk
    UniqueConstraint("root_id", "path"),
    CheckConstraint("state <> 'indexed' OR media_id IS NOT NULL", name="indexed_has_media"),
    Index(None, "state", "media_id"),
    Index(None, "media_id"),
    sqlite_autoincrement=True,
)

label = Table(
    "label",
    metadata,
    Column("media_id", _BIG_ID, ForeignKey("media.id"), primary_key=True),
    Column("label", String, primary_key=True),
    Index(None, "label"),
    sqlite_with_rowid=False,
)

encoder = Table(
    "encoder",
    metadata,
    _id(),
    _needed("fingerprint", String),
    _needed("architecture", String),
    _needed("size", String),
    _needed("recipe", String),
    _needed("dim", Integer),
    _needed("added_at_us", BigInteger),
    UniqueConstraint("fingerprint"),
    sqlite_autoincrement=True,
)

segment = Table(
    "segment",
    metadata,
    _id(),
    _needed("name", String),  # of the file, with its suffix
    _needed("modality", String),
    _needed("encoder_id", _BIG_ID, ForeignKey("encoder.id")),
    _needed("num_rows", BigInteger),
    _needed("dim", Integer),
    _needed("num_bytes", BigInteger),
    _needed("checksum", String),
    UniqueConstraint("name"),
    Index(None, "encoder_id"),
    sqlite_autoincrement=True,
)

embedding = Table(  # which media has how many rows in which segment; modality and encoder are the segment's
    "embedding",
    metadata,
    Column("segment_id", _BIG_ID, ForeignKey("segment.id"), primary_key=True),
    Column("media_id", _BIG_ID, ForeignKey("media.id"), primary_key=True),
    _needed("num_rows", BigInteger),
    Index(None, "media_id"),
    sqlite_with_rowid=False,
)

coverage = Table(  # which media an encoder has dealt with, and how many moments that made; also where it is none
    "coverage",
    metadata,
    Column("encoder_id", _BIG_ID, ForeignKey("encoder.id"), primary_key=True),
    Column("media_id", _BIG_ID, ForeignKey("media.id"), primary_key=True),
    Column("modality", String, primary_key=True),
    _needed("num_moments", BigInteger),
    Index(None, "media_id"),
    sqlite_with_rowid=False,
)

run = Table(
    "run",
    metadata,
    _id(),
    _needed("command", String),
    _needed("started_at_us", BigInteger),
    Column("finished_at_us", BigInteger),  # NULL: still running, or cut off
    _needed("counts", JSON),
    sqlite_autoincrement=True,
)

indexer = Table(  # who indexes at the moment, where several do at once: on PostgreSQL
    "indexer",
    metadata,
    _id(),
    _needed("name", String),  # which process, on which machine
    _needed("backend_pid", Integer),  # of the server's process at the other end of its connection
    _needed("started_at_us", BigInteger),  # by the server's clock, as the next one
    _needed("expires_at_us", BigInteger),  # after which its leases are free, unless it says that it is there
    sqlite_autoincrement=True,
)

lease = Table(  # a file that an indexer has in hand: nobody else reads it
    "lease",
    metadata,
    Column("path_digest", LargeBinary, primary_key=True),  # of the absolute path, which an index might not hold
    _needed("indexer_id", _BIG_ID, ForeignKey("indexer.id", ondelete="CASCADE")),
    Index(None, "indexer_id"),
    sqlite_with_rowid=False,
)

library_state = Table(  # one row
    "library_state",
    metadata,
    _id(is_counted=False),
    _needed("library_id", String),  # stands in library.json too, so that neither is taken for another's
    _needed("next_media_id", BigInteger),
    Column("active_encoder_id", _BIG_ID, ForeignKey("encoder.id")),
    Column("pending_encoder_id", _BIG_ID, ForeignKey("encoder.id")),  # whose vectors are being made
    Column("localizer_encoder_id", _BIG_ID, ForeignKey("encoder.id")),  # which says where in a picture a sound is
    CheckConstraint(f"id = {STATE_ID}", name="one_row"),
)
