"""What changes the catalog; only the holder of the library's write lock has one of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from avsearch.catalog.database import is_sqlite, writing
from avsearch.catalog.reading import Catalog, read_active_encoder, read_roots
from avsearch.catalog.records import (
    EncoderRecord,
    FileState,
    NewEncoder,
    NewSegment,
    Publication,
    Root,
    SegmentRecord,
)
from avsearch.catalog.rows import Values, chunks, media_values, now_us
from avsearch.schema import embedding, encoder, file, label, library_state, media, root, run, segment


class CatalogWriter(Catalog):
    """A catalog that can be changed; each method is one commit, or raises LibraryError and changes nothing."""

    def add_root(self, path: Path) -> Root:
        """The root that holds a folder; the folder becomes one when none does.

        Known roots inside it become part of it, so that no file is known twice: their files move over and keep
        their media. One that is not there (an unmounted disk) is left alone until it is.
        """
        folder = path.resolve()
        with writing(self._engine) as connection:
            roots = read_roots(connection)
            outer = next((known for known in roots if folder.is_relative_to(known.path)), None)
            outer = outer or _insert_root(connection, folder)
            for inner in roots:
                if inner != outer and inner.path.is_relative_to(outer.path) and _is_there(inner.path):
                    _absorb_root(connection, inner, outer)
            return outer

    def reserve_media_ids(self, count: int) -> range:
        """Ids for new media, never given out before or after, even when nothing is made of them."""
        with writing(self._engine) as connection:
            statement = update(library_state).values(next_media_id=library_state.c.next_media_id + count)
            connection.execute(statement)
            end = connection.execute(select(library_state.c.next_media_id)).scalar_one()
        return range(end - count, end)

    def activate_encoder(self, new: NewEncoder) -> EncoderRecord:
        """Register an encoder unless it is known, and make it the active one."""
        values = {name: getattr(new, name) for name in NewEncoder.__dataclass_fields__}
        with writing(self._engine) as connection:
            chosen = select(encoder.c.id).where(encoder.c.fingerprint == new.fingerprint)
            if connection.execute(chosen).first() is None:
                connection.execute(insert(encoder).values(values | {"added_at_us": now_us()}))
            connection.execute(update(library_state).values(active_encoder_id=chosen.scalar_subquery()))
            active = read_active_encoder(connection)
        assert active is not None
        return active

    def set_files(self, files: Sequence[FileState]) -> None:
        """Record what became of files, known or new."""
        with writing(self._engine) as connection:
            _upsert_files(connection, files)

    def set_labels(self, labels: Mapping[int, Iterable[str]]) -> None:
        """Replace all labels of the media given."""
        with writing(self._engine) as connection:
            for some in chunks(list(labels)):
                connection.execute(delete(label).where(label.c.media_id.in_(some)))
            _add_labels(connection, labels)

    def publish(self, publication: Publication) -> None:
        """Media, segments, files and labels become true together."""
        with writing(self._engine) as connection:
            _insert_all(connection, media, [media_values(one) for one in publication.media])
            for segment_made in publication.segments:
                _insert_segment(connection, segment_made)
            _add_labels(connection, publication.labels)
            _upsert_files(connection, publication.files)

    def start_run(self, command: str) -> int:
        """Note that a job begins; returns the run's id."""
        with writing(self._engine) as connection:
            values = {"command": command, "started_at_us": now_us(), "counts": {}}
            return int(connection.execute(insert(run).values(values).returning(run.c.id)).scalar_one())

    def finish_run(self, run_id: int, counts: Mapping[str, int]) -> None:
        """Note that a job is over, and what it did."""
        with writing(self._engine) as connection:
            values = {"finished_at_us": now_us(), "counts": dict(counts)}
            connection.execute(update(run).where(run.c.id == run_id).values(values))


def _is_there(folder: Path) -> bool:
    """Whether a folder can be read and holds anything: an empty one may be a mount point."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _insert_root(connection: Connection, path: Path) -> Root:
    values = {"path": os.fsencode(path), "added_at_us": now_us()}
    return Root(id=connection.execute(insert(root).values(values).returning(root.c.id)).scalar_one(), path=path)


def _absorb_root(connection: Connection, inner: Root, outer: Root) -> None:
    """Move the files of `inner` over; where `outer` knows the file by now, it knows better."""
    known = set(connection.scalars(select(file.c.path).where(file.c.root_id == outer.id)))
    moved = []
    for row in connection.execute(select(file.c.id, file.c.path).where(file.c.root_id == inner.id)).all():
        path = outer.relative(inner.absolute(row.path))
        if path not in known:
            moved.append({"file_id": row.id, "new_path": path, "new_root_id": outer.id})
    if moved:
        statement = update(file).where(file.c.id == bindparam("file_id"))
        new: Values = {"path": bindparam("new_path"), "root_id": bindparam("new_root_id")}
        connection.execute(statement.values(new), moved)
    connection.execute(delete(file).where(file.c.root_id == inner.id))
    connection.execute(delete(root).where(root.c.id == inner.id))


def _insert_all(connection: Connection, table: Table, values: Sequence[Values]) -> None:
    if values:
        connection.execute(insert(table), values)


def _insert_segment(connection: Connection, new: NewSegment) -> None:
    statement = insert(segment).values(_segment_values(new.record)).returning(segment.c.id)
    segment_id = connection.execute(statement).scalar_one()
    rows = [
        {"segment_id": segment_id, "media_id": media_id, "num_rows": num_rows}
        for media_id, num_rows in new.rows_of_media.items()
    ]
    _insert_all(connection, embedding, rows)


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


def _add_labels(connection: Connection, labels: Mapping[int, Iterable[str]]) -> None:
    values = [
        {"media_id": media_id, "label": text} for media_id, texts in labels.items() for text in dict.fromkeys(texts)
    ]
    if values:
        connection.execute(_upsert(connection, label).on_conflict_do_nothing(), values)


def _upsert_files(connection: Connection, files: Sequence[FileState]) -> None:
    if not files:
        return
    statement = _upsert(connection, file)
    kept = ("size_bytes", "mtime_ns", "state", "reason", "media_id")
    values = [{name: getattr(state, name) for name in ("root_id", "path", *kept)} for state in files]
    new = {name: statement.excluded[name] for name in kept}
    connection.execute(statement.on_conflict_do_update(index_elements=["root_id", "path"], set_=new), values)


def _upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that knows ON CONFLICT: SQLite's and PostgreSQL's are alike, but no standard."""
    return sqlite.insert(table) if is_sqlite(connection) else postgresql.insert(table)
