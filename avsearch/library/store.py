"""Open, create and upgrade a library; read what can be searched, and let one writer in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from avsearch.catalog import (
    Catalog,
    CatalogWriter,
    Database,
    EncoderRecord,
    SegmentRecord,
    Snapshot,
    find_database,
    indexer_session,
    write_session,
)
from avsearch.errors import LibraryError
from avsearch.library.layout import (
    ANN_NAME,
    CATALOG_NAME,
    CATALOG_URL,
    CONFIG_NAME,
    ENCODERS_NAME,
    LOCK_NAME,
    MILVUS_NAME,
    SEGMENTS_NAME,
    Config,
    Layout,
    read_layout,
    write_layout,
)
from avsearch.library.lock import write_lock
from avsearch.library.orphans import sweep, sweep_orphans, what_lies_there
from avsearch.library.writer import Writer
from avsearch.moments import Modality
from avsearch.remote import check_url
from avsearch.vectors import Rows, SegmentFile

_NUM_TRIES = 5  # as often a compact may come in between
_OWN_NAMES = (ANN_NAME, CATALOG_NAME, CONFIG_NAME, ENCODERS_NAME, LOCK_NAME, MILVUS_NAME, SEGMENTS_NAME)


@dataclass(frozen=True, eq=False)
class View:
    """What can be searched at one instant, with the rows of the modalities asked for; one encoder made them all."""

    snapshot: Snapshot
    segments: Mapping[Modality, Sequence[Rows]]


class Library:
    """A library that is open for reading.

    Attributes:
        catalog: what is known about its media; each question sees one consistent state.
    """

    def __init__(self, layout: Layout, database: Database) -> None:
        self._layout = layout
        self._database = database
        self._mapped: dict[str, Rows] = {}
        self.catalog = Catalog(database.engine())

    @property
    def directory(self) -> Path:
        return self._layout.directory

    @property
    def layout(self) -> Layout:
        return self._layout

    def snapshot(self) -> Snapshot:
        """What can be searched now: the active encoder, its segments, the live media."""
        return self.catalog.snapshot()

    def segments(self, snapshot: Snapshot, modality: Modality) -> list[Rows]:
        """The rows of one modality, mapped; each file's checksum is checked the first time.

        Raises:
            LibraryError: a segment is damaged or missing, perhaps because it was compacted since (see `view`).
        """
        return [self._map(record) for record in snapshot.segments if record.modality is modality]

    def view(self, *modalities: Modality) -> View:
        """A snapshot and the rows of some modalities, which stay readable whatever a writer does.

        A segment that was compacted before it could be mapped is no error: a newer snapshot does without it.

        Raises:
            LibraryError: a segment is missing or damaged.
        """
        snapshot = self.snapshot()
        for _ in range(_NUM_TRIES):
            try:
                return self._map_all(snapshot, modalities)
            except LibraryError:
                newer = self.snapshot()
                if set(snapshot.segments) <= set(newer.segments):
                    raise
                snapshot = newer
        return self._map_all(snapshot, modalities)

    def encoder_path(self, encoder: EncoderRecord) -> Path:
        """The weights file of an encoder."""
        return self._layout.encoder_path(encoder.fingerprint)

    def localizer_path(self) -> Path | None:
        """The weights file of the network that says where in a picture a sound comes from; None without one."""
        localizer = self.catalog.localizer()
        return None if localizer is None else self.encoder_path(localizer)

    @contextmanager
    def writer(self, doing: str = "a writer") -> Iterator[Writer]:
        """Become the one writer; what a killed one left behind is swept first.

        Args:
            doing: what others are told about it, in a word.

        Raises:
            LibraryError: another process writes, or the library cannot be written.
        """
        library_id = self._layout.config.library_id
        with write_session(self._database, library_id, doing=doing) as engine, write_lock(self.directory):
            catalog = CatalogWriter(engine)
            catalog.check(library_id)  # it may have been upgraded since it was opened
            sweep_orphans(self._layout, catalog)
            yield Writer(self._layout, catalog)

    @contextmanager
    def indexer(self) -> Iterator[Writer]:
        """Become the one writer, or one of several where the catalog is on a server.

        What killed ones left behind is swept unless others are at work: it might be theirs.

        Raises:
            LibraryError: another process writes and is no indexer, or the library cannot be written.
        """
        if self._database.file is not None:
            with self.writer("index") as writer:
                yield writer
            return
        there = what_lies_there(self._layout)  # before it is asked who else is there, who can only add new ones
        library_id = self._layout.config.library_id
        self.catalog.check(library_id)
        with (
            indexer_session(self._database, library_id) as catalog,
            write_lock(self.directory, is_alone=False),
        ):
            if catalog.is_alone():
                sweep(there, self._layout, catalog)
            yield Writer(self._layout, catalog)

    def _map_all(self, snapshot: Snapshot, modalities: Sequence[Modality]) -> View:
        named = {record.name for record in snapshot.segments}
        self._mapped = {name: rows for name, rows in self._mapped.items() if name in named}
        new = [it for it in snapshot.segments if it.modality in modalities and it.name not in self._mapped]
        self._layout.shelf.gather([segment_file(record) for record in new])
        return View(snapshot, {modality: tuple(self.segments(snapshot, modality)) for modality in modalities})

    def _map(self, record: SegmentRecord) -> Rows:
        rows = self._mapped.get(record.name)
        if rows is None:
            rows = self._layout.shelf.map(segment_file(record))
            self._mapped[record.name] = rows
        return rows


def create_library(directory: Path, *, database_url: str | None = None, segments_url: str | None = None) -> Library:
    """Make an empty library in a directory that is empty or does not exist.

    Args:
        directory: where it will lie.
        database_url: of its catalog; by default an SQLite file in it. A password is used now and not kept:
            later it comes from PGPASSWORD or ~/.pgpass.
        segments_url: of the place in a store that is to hold its segments, and nothing else; by default a folder
            in it. Credentials come from the environment.

    Raises:
        StorageError: the place cannot be reached, or something lies there.
        LibraryError: there is one already, something else is there, or it cannot be written.
    """
    from avsearch.catalog.migrate import create_catalog  # noqa: PLC0415  (Alembic: a quarter of a second)

    directory = directory.absolute()
    database = find_database(database_url or CATALOG_URL, directory)
    segments = check_url(segments_url) if segments_url else SEGMENTS_NAME
    layout = Layout(directory, Config(uuid4().hex, database_url=database.public_url, segments=segments))
    _make_folders(layout)
    with write_lock(directory):
        if (directory / CONFIG_NAME).exists():
            raise LibraryError(f"{directory}: there is a library already.", hint="Open it, or name another.")
        layout.shelf.take()
        create_catalog(database, layout.config.library_id)
        write_layout(layout)
    return Library(layout, database)


def open_library(directory: Path) -> Library:
    """Open a library for reading; imports neither torch nor faiss.

    Raises:
        LibraryError: there is none, it is damaged, or of another version.
    """
    layout = read_layout(directory)
    _require_database(layout)
    library = Library(layout, layout.database)
    library.catalog.check(layout.config.library_id)
    return library


def upgrade_library(directory: Path) -> Library:
    """Bring a library that an older avsearch made to this version's format, then open it.

    Raises:
        LibraryError: a newer avsearch made it, another process writes to it, or it is damaged.
    """
    from avsearch.catalog.migrate import upgrade_catalog  # noqa: PLC0415  (as above)

    layout = read_layout(directory)
    _require_database(layout)
    alone = nullcontext() if layout.database.file is None else write_lock(layout.directory)  # servers have a lock
    with alone:
        upgrade_catalog(layout.database)
    return open_library(directory)


def segment_file(record: SegmentRecord) -> SegmentFile:
    """What the catalog says about a segment, as `vectors` wants to know it."""
    return SegmentFile(
        name=record.name,
        modality=record.modality,
        fingerprint=record.fingerprint,
        num_rows=record.num_rows,
        dim=record.dim,
        num_bytes=record.num_bytes,
        checksum=record.checksum,
    )


def _make_folders(layout: Layout) -> None:
    """Make them where nothing else is; what a killed creation left behind is no obstacle."""
    directory = layout.directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        strangers = [path for path in directory.iterdir() if not path.name.startswith(_OWN_NAMES)]
        for folder in () if strangers else (layout.shelf.folder, layout.encoders):
            if folder is not None:
                folder.mkdir(exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{directory}: a library cannot be made here ({error.strerror}).", hint="Name another directory."
        ) from error
    if strangers:
        raise LibraryError(
            f"{directory}: is no library, and holds other files, as {strangers[0].name}.",
            hint="Name an empty directory.",
        )


def _require_database(layout: Layout) -> None:
    file = layout.database.file
    if file is not None and not file.is_file():
        raise LibraryError(f"{file}: the library's database is missing.", hint="Restore it from a backup.")
