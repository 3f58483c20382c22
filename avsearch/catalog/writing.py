"""What changes the catalog; only a holder of the library's lock has one of these (`write_session`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, insert, select, update

from avsearch.catalog.basis import Basis, read_basis
from avsearch.catalog.claims import Claim, FileOnDisk
from avsearch.catalog.database import is_sqlite, reading, writing
from avsearch.catalog.deletes import delete_made_by, delete_segments, forget_media
from avsearch.catalog.encoders import read_active_encoder
from avsearch.catalog.inserts import (
    add_labels,
    insert_all,
    insert_encoder,
    insert_segment,
    put_coverage,
    put_files,
    stored_path,
    update_known_files,
)
from avsearch.catalog.paths import Place
from avsearch.catalog.publication import Publication, Replacement
from avsearch.catalog.reading import Catalog
from avsearch.catalog.records import EncoderRecord, FileState, NewEncoder, Root, State
from avsearch.catalog.rooting import at_present, put_root
from avsearch.catalog.rows import chunks, media_values, now_us, read_roots
from avsearch.catalog.selection import conditions_for
from avsearch.errors import LibraryError
from avsearch.remote import address, is_remote
from avsearch.schema import encoder as encoders
from avsearch.schema import file, label, library_state, media, root, run

_TARGET_HINT = "Give a file or a folder that was indexed, or a pattern such as '*/rushes/*.mov' in quotes."


class CatalogWriter(Catalog):
    """A catalog that can be changed; each method is one commit, or raises LibraryError and changes nothing.

    On a server, changes are made one after another: each waits for its turn, and then sees all that came before.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._paths_of_roots: dict[int, Path] = {}

    def roots(self) -> tuple[Root, ...]:
        found = super().roots()
        self._paths_of_roots |= {root.id: root.path for root in found}  # one may become part of another
        return found

    def add_root(self, path: Path) -> Root:
        """The root that holds a folder; the folder becomes one when none does.

        Known roots inside it become part of it, so that no file is known twice: their files move over and keep
        their media. One that is not there (an unmounted disk) is left alone until it is.
        """
        folder = path if is_remote(path) else path.resolve()
        with self._changing() as connection:
            found = put_root(connection, folder)
        self._paths_of_roots[found.id] = found.path
        return found

    def claim(self, files: Sequence[FileOnDisk], *, retry_failed: bool = False) -> Claim:  # noqa: ARG002
        """Ask for files, to read them: whose they are. One who writes alone has all of them.

        Args:
            files: as they are on the disk.
            retry_failed: whether those that others could not read are wanted all the same.
        """
        return Claim(ours=frozenset(file.path for file in files))

    def in_other_hands(self, files: Sequence[FileOnDisk]) -> dict[Path, str]:  # noqa: ARG002  (a sole writer's answer)
        """Those of the files that other indexers read at the moment, and who does."""
        return {}

    def reserve_media_ids(self, count: int) -> range:
        """Ids for new media, never given out before or after, even when nothing is made of them."""
        with self._changing() as connection:
            statement = update(library_state).values(next_media_id=library_state.c.next_media_id + count)
            connection.execute(statement)
            end = connection.execute(select(library_state.c.next_media_id)).scalar_one()
        return range(end - count, end)

    def register_encoder(self, new: NewEncoder) -> EncoderRecord:
        """Make an encoder known; which one is active stays."""
        with self._changing() as connection:
            return _record(insert_encoder(connection, new), new)

    def activate_encoder(self, new: NewEncoder) -> EncoderRecord:
        """Register an encoder unless it is known, and make it the active one; returns which one is active then.

        That is another one where several index at once, and one of them uses it.
        """
        with self._changing() as connection:
            before = read_active_encoder(connection)
            is_other = before is not None and before.fingerprint != new.fingerprint
            if before is not None and is_other and not self._may_replace(connection, before):
                return before
            active = _record(insert_encoder(connection, new), new)
            connection.execute(update(library_state).values(active_encoder_id=active.id))
            return active

    def set_pending_encoder(self, encoder: EncoderRecord | None) -> None:
        """Note whose vectors are being made beside the active one's, or that none are any more."""
        with self._changing() as connection:
            connection.execute(update(library_state).values(pending_encoder_id=encoder and encoder.id))

    def switch_encoder(self, encoder: EncoderRecord) -> None:
        """From now on this encoder's vectors are searched, and none are being made."""
        with self._changing() as connection:
            values = {"active_encoder_id": encoder.id, "pending_encoder_id": None}
            connection.execute(update(library_state).values(values))

    def set_localizer(self, new: NewEncoder | None) -> EncoderRecord | None:
        """Register an encoder unless it is known, and have it say where sounds come from; or have none do."""
        with self._changing() as connection:
            localizer = None if new is None else _record(insert_encoder(connection, new), new)
            connection.execute(update(library_state).values(localizer_encoder_id=localizer and localizer.id))
            return localizer

    def forget_vectors(self, encoder: EncoderRecord) -> None:
        """An encoder stays; its segments go, and all that it has dealt with."""
        with self._changing() as connection:
            delete_made_by(connection, encoder)

    def forget_encoder(self, encoder: EncoderRecord) -> None:
        """An encoder goes, with its segments and all that it has dealt with.

        Raises:
            LibraryError: also when it is the active or the pending one, or the localizer.
        """
        with self._changing() as connection:
            delete_made_by(connection, encoder)
            connection.execute(delete(encoders).where(encoders.c.id == encoder.id))

    def set_files(self, files: Sequence[FileState]) -> None:
        """Record what became of files, known or new."""
        with self._changing() as connection:
            put_files(connection, at_present(connection, files, self._paths_of_roots))

    def update_files(self, files: Sequence[FileState]) -> None:
        """Record states of known files, as far as they still have the size, time and media that are given."""
        with self._changing() as connection:
            update_known_files(connection, at_present(connection, files, self._paths_of_roots))

    def remove_files(self, targets: Sequence[str]) -> int:
        """Take files out, all that paths or patterns name (see `files_at`); returns how many were not out by then.

        Raises:
            LibraryError: also when a target names no file that is known; then nothing is changed.
        """
        out = update(file).where(file.c.state != State.REMOVED).values(state=State.REMOVED, reason="")
        num_files = 0
        with self._changing() as connection:
            roots = read_roots(connection)
            for target in targets:
                named = conditions_for(connection, target, roots)
                if not named:
                    raise LibraryError(f"{target}: the library knows no such file.", hint=_TARGET_HINT)
                num_files += sum(connection.execute(out.where(is_named)).rowcount for is_named in named)
        return num_files

    def set_labels(self, labels: Mapping[int, Iterable[str]]) -> None:
        """Replace all labels of the media given."""
        with self._changing() as connection:
            for some in chunks(list(labels)):
                connection.execute(delete(label).where(label.c.media_id.in_(some)))
            add_labels(connection, labels)

    def basis(self, hashes: Iterable[str], files: Iterable[FileState]) -> Basis:
        """What is known of contents and files that were read, to decide what of them is new."""
        with reading(self._engine) as connection:
            return self._read_basis(connection, tuple(hashes), tuple(files))

    def publish(self, publication: Publication, basis: Basis | None = None) -> bool:
        """Media, segments, files, labels and coverage become true together; nothing does if the basis is gone.

        Returns:
            Whether they did. If not, somebody else was quicker, and what is new has to be decided again.
        """
        with self._changing() as connection:
            if basis is not None and self._read_basis(connection, basis.hashes, basis.files) != basis:
                return False
            insert_all(connection, media, [media_values(one) for one in publication.media])
            for segment_made in publication.segments:
                insert_segment(connection, segment_made)
            add_labels(connection, publication.labels)
            put_files(connection, at_present(connection, publication.files, self._paths_of_roots))
            put_coverage(connection, publication.coverage)
            self._give_back(connection, publication.files)
        return True

    def drop_segments(self, names: Sequence[str]) -> None:
        """Segments no longer exist; coverage still knows what was in them, and so what is lost."""
        with self._changing() as connection:
            delete_segments(connection, names)

    def replace_segments(self, replacement: Replacement) -> None:
        """Segments take the place of others, and media are forgotten, together.

        Raises:
            LibraryError: also when a file still holds a media that is to be forgotten.
        """
        with self._changing() as connection:
            delete_segments(connection, replacement.old)
            for segment_made in replacement.new:
                insert_segment(connection, segment_made)
            forget_media(connection, replacement.forgotten)

    def relink_root(self, root_id: int, new_path: Path) -> Root:
        """A root lies elsewhere now; its files are known below it as before.

        Raises:
            LibraryError: another root lies there, inside it or around it, or there is no such root.
        """
        folder = new_path if is_remote(new_path) else new_path.resolve()
        with self._changing() as connection:
            known = {root.id: root.path for root in read_roots(connection)}
            if known.pop(root_id, None) is None:
                raise LibraryError("The library has no such root.", hint="`avsearch library status` counts them.")
            for path in known.values():
                if folder.is_relative_to(path) or path.is_relative_to(folder):
                    raise LibraryError(
                        f"{address(folder)}: the root {address(path)} is in the way, "
                        "and no root lies inside another.",
                        hint="Relink to a folder that is apart from all other roots.",
                    )
            connection.execute(update(root).where(root.c.id == root_id).values(path=stored_path(folder)))
        return Root(root_id, folder)

    def start_run(self, command: str) -> int:
        """Note that a job begins; returns the run's id."""
        with self._changing() as connection:
            values = {"command": command, "started_at_us": now_us(), "counts": {}}
            return int(connection.execute(insert(run).values(values).returning(run.c.id)).scalar_one())

    def finish_run(self, run_id: int, counts: Mapping[str, int]) -> None:
        """Note that a job is over, and what it did."""
        with self._changing() as connection:
            values = {"finished_at_us": now_us(), "counts": dict(counts)}
            connection.execute(update(run).where(run.c.id == run_id).values(values))

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction that changes something; on a server it begins when all others before it are over."""
        with writing(self._engine) as connection:
            if not is_sqlite(connection):  # which lets one in at a time by itself
                connection.execute(select(library_state.c.id).with_for_update())
            yield connection

    def _read_basis(self, connection: Connection, hashes: tuple[str, ...], files: tuple[FileState, ...]) -> Basis:
        return read_basis(connection, hashes, files, lost=self._lost(connection, files))

    def _lost(self, connection: Connection, files: Sequence[FileState]) -> frozenset[Place]:  # noqa: ARG002
        """Those of the files that are in other hands by now; one who writes alone loses none."""
        return frozenset()

    def _give_back(self, connection: Connection, files: Sequence[FileState]) -> None:
        """Others may have files again; one who writes alone has told nobody that they are in hand."""

    def _may_replace(self, connection: Connection, encoder: EncoderRecord) -> bool:  # noqa: ARG002
        """Whether another encoder may become the active one in its place."""
        return True


def _record(encoder_id: int, new: NewEncoder) -> EncoderRecord:
    return EncoderRecord(**{name: getattr(new, name) for name in NewEncoder.__dataclass_fields__}, id=encoder_id)
