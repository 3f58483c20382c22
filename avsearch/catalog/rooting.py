"""Folders that become roots, and files whose root has become part of another; within a transaction."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, select, update

from avsearch.catalog.inserts import insert_root
from avsearch.catalog.records import FileState, Root
from avsearch.catalog.rows import Values, read_roots
from avsearch.errors import LibraryError
from avsearch.remote import address, is_remote
from avsearch.schema import file, root


def put_root(connection: Connection, folder: Path) -> Root:
    """The root that holds a folder, given by its real path; the folder becomes one when none does.

    Known roots inside it become part of it, so that no file is known twice: their files move over and keep
    their media. One that is not there (an unmounted disk) is left alone until it is.
    """
    roots = read_roots(connection)
    outer = next((known for known in roots if folder.is_relative_to(known.path)), None)
    outer = outer or insert_root(connection, folder)
    for inner in roots:
        if inner != outer and inner.path.is_relative_to(outer.path) and _is_there(inner.path):
            _absorb_root(connection, inner, outer)
    return outer


def at_present(
    connection: Connection, files: Sequence[FileState], paths_of_roots: Mapping[int, Path]
) -> list[FileState]:
    """The same files, below the roots that there are now.

    Args:
        connection: to the catalog.
        files: as they were found.
        paths_of_roots: the folders of the roots that they were found in, which may have been absorbed since.

    Raises:
        LibraryError: the files of a root are in no root any more.
    """
    roots = read_roots(connection)
    known = {one.id for one in roots}
    gone = {state.root_id for state in files}.intersection(paths_of_roots) - known
    if not gone:
        return list(files)
    return [
        _moved(state, paths_of_roots[state.root_id], roots) if state.root_id in gone else state for state in files
    ]


def _moved(state: FileState, folder: Path, roots: Iterable[Root]) -> FileState:
    path = folder / os.fsdecode(state.path)
    for one in roots:
        if path.is_relative_to(one.path):
            return replace(state, root_id=one.id, path=one.relative(path))
    raise LibraryError(
        f"{address(folder)}: is no root of this library any more.", hint="Run the same command again."
    )


def _is_there(folder: Path) -> bool:
    """Whether a folder can be read and holds anything: an empty one may be a mount point.

    One behind a URL has just been listed, with all that is around it.
    """
    if is_remote(folder):
        return True
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
