"""What says at a glance whether a library has changed on the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from avsearch.errors import LibraryError
from avsearch.library import Library
from avsearch.library.layout import CONFIG_NAME, Layout, read_layout
from avsearch.moments import Modality
from avsearch.vectors.ann.record import record_path
from avsearch.vectors.milvus.record import copied_path, engine_path

FileStamp: TypeAlias = tuple[int, int, int]  # inode, bytes, when last changed


@dataclass(frozen=True)
class Stamp:
    """Files of a library as they are at one moment.

    Attributes:
        config: library.json; None where it cannot be read.
        catalog: the database and its log; empty where the catalog is on a server.
        segments: all files of the segments' folder; empty where they lie in a store.
        ann: the records of indexes, and of what is in Milvus.
    """

    config: FileStamp | None = None
    catalog: tuple[FileStamp | None, ...] = ()
    segments: frozenset[FileStamp] = frozenset()
    ann: frozenset[FileStamp] = frozenset()

    def keeps(self, before: Stamp) -> bool:
        """Whether it is the same library as before, and every segment that was there is there, unchanged."""
        return self.config is not None and self.config == before.config and before.segments <= self.segments


def read_stamp(directory: Path) -> Stamp:
    """Look at a library's files; opens none but library.json."""
    try:
        layout = read_layout(directory)
    except LibraryError:
        return Stamp()
    database = layout.database.file
    catalog = () if database is None else (database, database.with_name(f"{database.name}-wal"))
    return Stamp(
        config=_stamp_of(directory / CONFIG_NAME),
        catalog=tuple(map(_stamp_of, catalog)),
        segments=_segments(layout.shelf.folder),
        ann=ann_stamps(layout),
    )


def is_there(library: Library) -> bool:
    """Whether the files that make a library are there; SQLite would make an empty database where there is none."""
    database = library.layout.database.file
    return (library.directory / CONFIG_NAME).exists() and (database is None or database.exists())


def ann_stamps(layout: Layout) -> frozenset[FileStamp]:
    """Of the records of indexes that are there, and of what is in Milvus."""
    indexes = [record_path(layout.ann, modality) for modality in Modality]
    copies = [copied_path(layout.milvus, modality) for modality in Modality]
    stamps = map(_stamp_of, (*indexes, *copies, engine_path(layout.milvus)))
    return frozenset(stamp for stamp in stamps if stamp is not None)


def _segments(folder: Path | None) -> frozenset[FileStamp]:
    if folder is None:
        return frozenset()
    try:
        with os.scandir(folder) as entries:
            stamps = [_stamp_of(Path(entry.path)) for entry in entries]
    except OSError:
        return frozenset()
    return frozenset(stamp for stamp in stamps if stamp is not None)


def _stamp_of(path: Path) -> FileStamp | None:
    """None for what is not there or empty: SQLite's log comes and goes whenever somebody reads."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns) if status.st_size else None
