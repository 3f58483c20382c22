"""What changes the catalog; only the holder of the library's write lock has one of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from avsearch.catalog.database import writing
from avsearch.catalog.inserts import (
    add_labels,
    insert_all,
    insert_encoder,
    insert_root,
    insert_segment,
    put_coverage,
    put_files,
)
from avsearch.catalog.reading import Catalog
from avsearch.catalog.records import (
    EncoderRecord,
    FileState,
    NewEncoder,
    Publication,
    Replacement,
    Root,
    State,
)
from avsearch.catalog.rows import KEPT_STATES, Values, chunks, media_values, now_us, read_roots
from avsearch.catalog.selection import conditions_for
from avsearch.errors import LibraryError
from avsearch.schema import coverage, embedding, file, label, library_state, media, root, run, segment
from avsearch.schema import encoder as encoders

_TARGET_HINT = "Give a file or a folder that was indexed, or a pattern such as '*/rushes/*.mov' in quotes."


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
            outer = outer or insert_root(connection, folder)
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

    def register_encoder(self, new: NewEncoder) -> EncoderRecord:
        """Make an encoder known; which one is active stays."""
        with writing(self._engine) as connection:
            return _record(insert_encoder(connection, new), new)

    def activate_encoder(self, new: NewEncoder) -> EncoderRecord:
        """Register an encoder unless it is known, and make it the active one."""
        with writing(self._engine) as connection:
            active = _record(insert_encoder(connection, new), new)
            connection.execute(update(library_state).values(active_encoder_id=active.id))
            return active

    def set_pending_encoder(self, encoder: EncoderRecord | None) -> None:
        """Note whose vectors are being made beside the active one's, or that none are any more."""
        with writing(self._engine) as connection:
            connection.execute(update(library_state).values(pending_encoder_id=encoder and encoder.id))

    def switch_encoder(self, encoder: EncoderRecord) -> None:
        """From now on this encoder's vectors are searched, and none are being made."""
        with writing(self._engine) as connection:
            values = {"active_encoder_id": encoder.id, "pending_encoder_id": None}
            connection.execute(update(library_state).values(values))

    def set_localizer(self, new: NewEncoder | None) -> EncoderRecord | None:
        """Register an encoder unless it is known, and have it say where sounds come from; or have none do."""
        with writing(self._engine) as connection:
            localizer = None if new is None else _record(insert_encoder(connection, new), new)
            connection.execute(update(library_state).values(localizer_encoder_id=localizer and localizer.id))
            return localizer

    def forget_vectors(self, encoder: EncoderRecord) -> None:
        """An encoder stays; its segments go, and all that it has dealt with."""
        with writing(self._engine) as connection:
            _delete_made_by(connection, encoder)

    def forget_encoder(self, encoder: EncoderRecord) -> None:
        """An encoder goes, with its segments and all that it has dealt with.

        Raises:
            LibraryError: also when it is the active or the pending one, or the localizer.
        """
        with writing(self._engine) as connection:
            _delete_made_by(connection, encoder)
            connection.execute(delete(encoders).where(encoders.c.id == encoder.id))

    def set_files(self, files: Sequence[FileState]) -> None:
        """Record what became of files, known or new."""
        with writing(self._engine) as connection:
            put_files(connection, files)

    def remove_files(self, targets: Sequence[str]) -> int:
        """Take files out, all that paths or patterns name (see `files_at`); returns how many were not out by then.

        Raises:
            LibraryError: also when a target names no file that is known; then nothing is changed.
        """
        out = update(file).where(file.c.state != State.REMOVED).values(state=State.REMOVED, reason="")
        num_files = 0
        with writing(self._engine) as connection:
            roots = read_roots(connection)
            for target in targets:
                named = conditions_for(connection, target, roots)
                if not named:
                    raise LibraryError(f"{target}: the library knows no such file.", hint=_TARGET_HINT)
                num_files += sum(connection.execute(out.where(is_named)).rowcount for is_named in named)
        return num_files

    def set_labels(self, labels: Mapping[int, Iterable[str]]) -> None:
        """Replace all labels of the media given."""
        with writing(self._engine) as connection:
            for some in chunks(list(labels)):
                connection.execute(delete(label).where(label.c.media_id.in_(some)))
            add_labels(connection, labels)

    def publish(self, publication: Publication) -> None:
        """Media, segments, files, labels and coverage become true together."""
        with writing(self._engine) as connection:
            insert_all(connection, media, [media_values(one) for one in publication.media])
            for segment_made in publication.segments:
                insert_segment(connection, segment_made)
            add_labels(connection, publication.labels)
            put_files(connection, publication.files)
            put_coverage(connection, publication.coverage)

    def drop_segments(self, names: Sequence[str]) -> None:
        """Segments no longer exist; coverage still knows what was in them, and so what is lost."""
        with writing(self._engine) as connection:
            _delete_segments(connection, names)

    def replace_segments(self, replacement: Replacement) -> None:
        """Segments take the place of others, and media are forgotten, together.

        Raises:
            LibraryError: also when a file still holds a media that is to be forgotten.
        """
        with writing(self._engine) as connection:
            _delete_segments(connection, replacement.old)
            for segment_made in replacement.new:
                insert_segment(connection, segment_made)
            _forget_media(connection, replacement.forgotten)

    def relink_root(self, root_id: int, new_path: Path) -> Root:
        """A root lies elsewhere now; its files are known below it as before.

        Raises:
            LibraryError: another root lies there, inside it or around it, or there is no such root.
        """
        folder = new_path.resolve()
        with writing(self._engine) as connection:
            known = {root.id: root.path for root in read_roots(connection)}
            if known.pop(root_id, None) is None:
                raise LibraryError("The library has no such root.", hint="`avsearch library status` counts them.")
            for path in known.values():
                if folder.is_relative_to(path) or path.is_relative_to(folder):
                    raise LibraryError(
                        f"{folder}: the root {path} is in the way, and no root lies inside another.",
                        hint="Relink to a folder that is apart from all other roots.",
                    )
            connection.execute(update(root).where(root.c.id == root_id).values(path=os.fsencode(folder)))
        return Root(root_id, folder)

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


def _delete_made_by(connection: Connection, encoder: EncoderRecord) -> None:
    made_by = segment.c.encoder_id == encoder.id
    gone = select(segment.c.id).where(made_by)
    connection.execute(delete(embedding).where(embedding.c.segment_id.in_(gone)))
    connection.execute(delete(segment).where(made_by))
    connection.execute(delete(coverage).where(coverage.c.encoder_id == encoder.id))


def _delete_segments(connection: Connection, names: Sequence[str]) -> None:
    for some in chunks(names):
        gone = select(segment.c.id).where(segment.c.name.in_(some))
        connection.execute(delete(embedding).where(embedding.c.segment_id.in_(gone)))
        connection.execute(delete(segment).where(segment.c.name.in_(some)))


def _forget_media(connection: Connection, media_ids: Sequence[int]) -> None:
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


def _record(encoder_id: int, new: NewEncoder) -> EncoderRecord:
    return EncoderRecord(**{name: getattr(new, name) for name in NewEncoder.__dataclass_fields__}, id=encoder_id)
