"""The files that a path in a filter names: of a file, of a folder above it, or a pattern; within a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, select

from avsearch.catalog.fields import ANYWHERE
from avsearch.catalog.globs import Glob, is_glob, read_glob
from avsearch.catalog.paths import Branch, branches_of
from avsearch.catalog.records import Root, State
from avsearch.catalog.selection import is_below
from avsearch.errors import UsageError
from avsearch.remote import is_remote
from avsearch.schema import file

IS_INDEXED = file.c.state == State.INDEXED


def named_by(connection: Connection, text: str, roots: Sequence[Root]) -> ColumnElement[bool] | Mapping[int, int]:
    """What a row of `file` meets that is named; of a pattern, ids of the indexed files -> ids of their media.

    A path that is known is never read as a pattern.

    Raises:
        UsageError: it cannot be looked up.
    """
    path = f"/{text}" if text.startswith(ANYWHERE) else text
    is_named = is_below(_branches(Path(path), roots))
    if not is_glob(path) or connection.execute(select(file.c.id).where(is_named).limit(1)).first() is not None:
        return is_named
    glob = read_glob(path)
    named: dict[int, int] = {}
    branches = _branches(glob.folder, roots)
    if text.startswith(ANYWHERE):  # what is behind URLs lies below no folder
        branches += [Branch(root, b"", Path(root.path.parts[0])) for root in roots if is_remote(root.path)]
    for branch in branches:
        named.update(_matching(connection, glob, branch))
    return named


def _branches(path: Path, roots: Sequence[Root]) -> list[Branch]:
    try:
        return branches_of(path, roots)
    except (OSError, RuntimeError) as error:  # a loop of links, a folder that may not be read
        reason = getattr(error, "strerror", None) or "its links go round in a circle"
        raise UsageError(f"{path}: cannot be looked up ({reason}).", hint="Give the path of a root.") from error


def _matching(connection: Connection, glob: Glob, branch: Branch) -> dict[int, int]:
    rows = select(file.c.id, file.c.path, file.c.media_id).where(IS_INDEXED, is_below([branch]))
    found = connection.execute(rows)
    return {file_id: media_id for file_id, path, media_id in found if glob.matches(branch.names(path))}
