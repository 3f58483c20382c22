"""Patterns of paths, as shells read them: `*`, `?` and `[...]` within a name, `**` for any number of folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path

_WILDCARD = re.compile(r"[*?[]")
_ANY_FOLDERS = "**"


@dataclass(frozen=True)
class Glob:
    """A pattern, split where its first wildcard is.

    Attributes:
        folder: what stands before: everything that matches lies below it.
        names: patterns of the names below it; None for any number of folders, never at the end.
    """

    folder: Path
    names: tuple[re.Pattern[str] | None, ...]

    def matches(self, path: str) -> bool:
        """Whether a path, relative to `folder`, is one of those meant."""
        names, last = path.split("/"), self.names[-1]
        return last is not None and last.match(names[-1]) is not None and _match(self.names, names)


def is_glob(pattern: str) -> bool:
    """Whether there is any wildcard in it."""
    return _WILDCARD.search(pattern) is not None


def read_glob(pattern: str) -> Glob:
    """Read a pattern; one without a leading `/` begins in the current folder.

    `**` and `/` at the end mean all that lies below.
    """
    parts = [part for part in pattern.split("/") if part not in {"", "."}]
    first = next((at for at, part in enumerate(parts) if is_glob(part)), len(parts))
    names = parts[first:]
    if pattern.endswith("/"):
        names.append(_ANY_FOLDERS)
    if names and names[-1] == _ANY_FOLDERS:
        names.append("*")
    start = Path("/") if pattern.startswith("/") else Path.cwd()
    return Glob(start.joinpath(*parts[:first]), tuple(map(_name, names)))


def _name(part: str) -> re.Pattern[str] | None:
    return None if part == _ANY_FOLDERS else re.compile(translate(part))


def _match(names: Sequence[re.Pattern[str] | None], path: Sequence[str]) -> bool:
    for at, name in enumerate(names):
        if name is None and at == len(names) - 2:
            return at < len(path)  # the last name is known to match
        if name is None:
            return any(_match(names[at + 1 :], path[skipped:]) for skipped in range(at, len(path)))
        if at >= len(path) or not name.match(path[at]):
            return False
    return len(names) == len(path)
