"""The files that a path in a filter names: of a file, of a folder above it, or a pattern; within a transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, select

from avsearch.catalog.fields import ANYWHERE
from avsearch.catalog.globs import Glob, is_glob, read_glob
from avsearch.catalog.paths import Branch, branches_of
from avsearch.catalog.records import Root, State
from avsearch.catalog.selection import is_below
from avsearch.errors import UsageError
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
    for branch in _branches(glob.folder, roots):
        named.update(_matching(connection, glob, branch))
    return named


def match_names(names: Sequence[re.Pattern[str] | None], path: Sequence[str]) -> bool:
    """Whether the names of a path are those of a pattern, None standing for any number of folders.

    Only the last None has ever to take more, so that this costs names times path, whoever wrote the pattern.
    """
    at = place = 0
    resume: tuple[int, int] | None = None  # after the last None; and how much of the path it has taken
    while place < len(path):
        name = names[at] if at < len(names) else None
        if at < len(names) and name is None:
            at, resume = at + 1, (at + 1, place)
        elif name is not None and name.match(path[place]):
            at, place = at + 1, place + 1
        elif resume is not None:
            at, place = resume[0], resume[1] + 1
            resume = (at, place)
        else:
            return False
    return at == len(names)


def _branches(path: Path, roots: Sequence[Root]) -> list[Branch]:
    try:
        return branches_of(path, roots)
    except (OSError, RuntimeError) as error:  # a loop of links, a folder that may not be read
        reason = getattr(error, "strerror", None) or "its links go round in a circle"
        raise UsageError(f"{path}: cannot be looked up ({reason}).", hint="Give the path of a root.") from error


def _matching(connection: Connection, glob: Glob, branch: Branch) -> dict[int, int]:
    last = glob.names[-1]
    rows = select(file.c.id, file.c.path, file.c.media_id).where(IS_INDEXED, is_below([branch]))
    found = {}
    for file_id, path, media_id in connection.execute(rows):
        names = branch.names(path).split("/")
        if last is not None and last.match(names[-1]) and match_names(glob.names, names):
            found[file_id] = media_id
    return found
