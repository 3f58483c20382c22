"""Records to rows of the database, within a transaction; new ones, and ones that replace what was known."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from avsearch.catalog.database import is_sqlite
from avsearch.catalog.publication import Coverage, NewSegment, SegmentRecord
from avsearch.catalog.records import FileState, NewEncoder, Root
from avsearch.catalog.rows import Values, now_us, storable
from avsearch.remote import address
from avsearch.schema import coverage, embedding, encoder, file, label, root, segment

MAX_INT = 2**63 - 1  # that both databases can hold


def insert_root(connection: Connection, path: Path) -> Root:
    """A new root; its folder's real path, or its place behind a URL."""
    values = {"path": stored_path(path), "added_at_us": now_us()}
    return Root(id=connection.execute(insert(root).values(values).returning(root.c.id)).scalar_one(), path=path)


def insert_encoder(connection: Connection, new: NewEncoder) -> int:
    """The id of an encoder, which is new or known."""
    chosen = select(encoder.c.id).where(encoder.c.fingerprint == new.fingerprint)
    if connection.execute(chosen).first() is None:
        values = {name: getattr(new, name) for name in NewEncoder.__dataclass_fields__}
        connection.execute(insert(encoder).values(values | {"added_at_us": now_us()}))
    return int(connection.execute(chosen).scalar_one())


def insert_all(connection: Connection, table: Table, values: Sequence[Values]) -> None:
    """New rows, perhaps none."""
    if values:
        connection.execute(insert(table), values)


def insert_segment(connection: Connection, new: NewSegment) -> None:
    """A new segment, and which media have how many rows in it."""
    statement = insert(segment).values(_segment_values(new.record)).returning(segment.c.id)
    segment_id = connection.execute(statement).scalar_one()
    rows = [
        {"segment_id": segment_id, "media_id": media_id, "num_rows": num_rows}
        for media_id, num_rows in new.rows_of_media.items()
    ]
    insert_all(connection, embedding, rows)


def add_labels(connection: Connection, labels: Mapping[int, Iterable[str]]) -> None:
    """Labels that media have beside those they had."""
    values = [
        {"media_id": media_id, "label": text}
        for media_id, texts in labels.items()
        for text in dict.fromkeys(map(storable, texts))
    ]
    if values:
        connection.execute(_upsert(connection, label).on_conflict_do_nothing(), values)


def put_files(connection: Connection, files: Sequence[FileState]) -> None:
    """What is known of files from now on."""
    if not files:
        return
    kept = ("size_bytes", "mtime_ns", "state", "reason", "media_id", "etag")
    statement = _upsert(connection, file)
    new = {name: statement.excluded[name] for name in kept}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["root_id", "path"], set_=new), list(map(file_values, files))
    )


def update_known_files(connection: Connection, files: Sequence[FileState]) -> None:
    """States of files that are known by now, of those that have the size, time and media that are given."""
    if not files:
        return
    given: Values = {name: bindparam(f"given_{name}") for name in ("root_id", "path", "size_bytes", "mtime_ns")}
    same = [file.c[name] == value for name, value in given.items()]
    same.append(file.c.media_id.is_not_distinct_from(bindparam("given_media_id", type_=file.c.media_id.type)))
    new: Values = {name: bindparam(f"given_{name}") for name in ("state", "reason", "etag")}
    values = [{f"given_{name}": value for name, value in file_values(state).items()} for state in files]
    connection.execute(update(file).where(*same).values(new), values)


def file_values(state: FileState) -> Values:
    """A row of `file`."""
    return {
        "root_id": state.root_id,
        "path": state.path,
        "size_bytes": state.size_bytes,
        "mtime_ns": storable_ns(state.mtime_ns),
        "state": state.state,
        "reason": storable(state.reason),
        "media_id": state.media_id,
        "etag": state.etag and storable(state.etag),
    }


def stored_path(folder: Path) -> bytes:
    """The folder of a root as the catalog holds it: its path, or its URL."""
    return os.fsencode(address(folder))


def storable_ns(time_ns: int) -> int:
    """A file's time as both databases take it: a clock can be set to the year 2400."""
    return max(-MAX_INT, min(time_ns, MAX_INT))


def put_coverage(connection: Connection, made: Sequence[Coverage]) -> None:
    """How many moments encoders made, from now on."""
    if not made:
        return
    fingerprints = {one.fingerprint for one in made}
    known = select(encoder.c.fingerprint, encoder.c.id).where(encoder.c.fingerprint.in_(fingerprints))
    id_of = {row.fingerprint: row.id for row in connection.execute(known)}
    values = [
        {
            "encoder_id": id_of[one.fingerprint],
            "media_id": one.media_id,
            "modality": one.modality,
            "num_moments": one.num_moments,
        }
        for one in made
    ]
    statement = _upsert(connection, coverage)
    new = {"num_moments": statement.excluded.num_moments}
    connection.execute(statement.on_conflict_do_update(index_elements=list(coverage.primary_key), set_=new), values)


def _segment_values(record: SegmentRecord) -> Values:
    made_by = select(encoder.c.id).where(encoder.c.fingerprint == record.fingerprint)
    return {
        "name": record.name,
        "modality": record.modality,
        "encoder_id": made_by.scalar_subquery(),
        "num_rows": record.num_rows,
        "dim": record.dim,
        "num_bytes": record.num_bytes,
        "checksum": record.checksum,
    }


def _upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that knows ON CONFLICT: SQLite's and PostgreSQL's are alike, but no standard."""
    return sqlite.insert(table) if is_sqlite(connection) else postgresql.insert(table)
