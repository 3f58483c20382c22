"""Which media a filter wants, and which files a path or a pattern names; within a transaction."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, false, or_, select

from avsearch.catalog.globs import Glob, is_glob, read_glob
from avsearch.catalog.paths import Branch, branches_of
from avsearch.catalog.records import FileState, MediaFilter, Root, State
from avsearch.catalog.rows import LIVE_MEDIA, chunks, file_state, read_ids
from avsearch.schema import file, label, media

INDEXED_FILES = select(file.c.root_id, file.c.path, file.c.media_id).where(file.c.state == State.INDEXED)


def read_selection(connection: Connection, wanted: MediaFilter, roots: Sequence[Root]) -> NDArray[np.int64]:
    """(M,) int64 ascending: the live media for which all conditions hold."""
    found = _media_of_files(connection, wanted, roots)
    if wanted.kind is not None:
        found = _both(found, read_ids(connection, select(media.c.id).where(media.c.kind == wanted.kind)))
    if wanted.labels:
        labelled = select(label.c.media_id).where(label.c.label.in_(wanted.labels)).distinct()
        found = _both(found, read_ids(connection, labelled))
    return found


def read_files_at(connection: Connection, target: str, roots: Sequence[Root]) -> list[tuple[Root, FileState]]:
    """The known files that a path or a pattern names; an existing or a known path is no pattern."""
    root_of = {root.id: root for root in roots}
    rows = _rows_at(connection, select(file), target, roots)
    # Sorted here: asked for an order, SQLite walks through all files in it.
    ordered = sorted(rows, key=lambda row: (row.root_id, row.path))
    return [(root_of[row.root_id], file_state(row)) for row in ordered]


def conditions_for(connection: Connection, target: str, roots: Sequence[Root]) -> list[ColumnElement[bool]]:
    """What the rows of the files that a path or a pattern names meet, one condition or another; none without files.

    The files are those of `read_files_at`, without a hundred thousand of them being read.
    """
    is_named = is_below(branches_of(Path(target), roots))
    if connection.execute(select(file.c.id).where(is_named).limit(1)).first() is not None:
        return [is_named]
    rows = _rows_at(connection, select(file.c.id, file.c.root_id, file.c.path), target, roots)
    return [file.c.id.in_(some) for some in chunks(sorted(row.id for row in rows))]


def _rows_at(connection: Connection, files: Select[Any], target: str, roots: Sequence[Root]) -> Sequence[Row[Any]]:
    rows = _rows_below(connection, files, branches_of(Path(target), roots))
    if not rows and is_glob(target) and not os.path.lexists(target):
        return _matching(connection, files, read_glob(target), roots)
    return rows


def _both(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.intersect1d(one, other, assume_unique=True)


def _media_of_files(connection: Connection, wanted: MediaFilter, roots: Sequence[Root]) -> NDArray[np.int64]:
    if wanted.under is None and not wanted.glob:
        return read_ids(connection, LIVE_MEDIA)
    files = INDEXED_FILES
    if wanted.under is not None:
        files = files.where(is_below(branches_of(wanted.under, roots)))
    rows = _matching(connection, files, read_glob(wanted.glob), roots) if wanted.glob else connection.execute(files)
    ids: NDArray[np.int64] = np.unique(np.fromiter((row.media_id for row in rows), np.int64))
    return ids


def _matching(connection: Connection, files: Select[Any], glob: Glob, roots: Sequence[Root]) -> Sequence[Row[Any]]:
    """Those of the files whose path matches; all that do lie below the folder before the first wildcard."""
    branches = branches_of(glob.folder, roots)
    if not glob.names:
        return _rows_below(connection, files, branches)
    found: dict[tuple[int, bytes], Row[Any]] = {}
    for branch in branches:
        for row in _rows_below(connection, files, [branch]):
            names = branch.names(row.path)
            if names and glob.matches(names):
                found[row.root_id, row.path] = row
    return list(found.values())


def _rows_below(connection: Connection, files: Select[Any], branches: Sequence[Branch]) -> Sequence[Row[Any]]:
    if not branches:
        return ()
    return connection.execute(files.where(is_below(branches))).all()


def is_below(branches: Iterable[Branch]) -> ColumnElement[bool]:
    """Whether a row of `file` is one of the branches or lies below one."""
    return or_(false(), *map(_is_in, branches))


def _is_in(branch: Branch) -> ColumnElement[bool]:
    is_in_root = file.c.root_id == branch.root.id
    if not branch.path:
        return is_in_root
    is_below = and_(file.c.path > branch.path + b"/", file.c.path < branch.path + b"0")  # 0 comes after /
    return and_(is_in_root, or_(file.c.path == branch.path, is_below))
