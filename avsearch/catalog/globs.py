"""Patterns of paths, as shells read them: `*`, `?` and `[...]` within a name, `**` for any number of folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path

from avsearch.remote import is_remote

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
        return last is not None and last.match(names[-1]) is not None and match_names(self.names, names)


def is_glob(pattern: str) -> bool:
    """Whether there is any wildcard in it."""
    return _WILDCARD.search(pattern) is not None


def read_glob(pattern: str) -> Glob:
    """Read a pattern; one without a leading `/` begins in the current folder, unless it is a URL.

    `**` and `/` at the end mean all that lies below.
    """
    parts = [part for part in pattern.split("/") if part not in {"", "."}]
    first = next((at for at, part in enumerate(parts) if is_glob(part)), len(parts))
    names = parts[first:]
    if pattern.endswith("/"):
        names.append(_ANY_FOLDERS)
    if names and names[-1] == _ANY_FOLDERS:
        names.append("*")
    start = Path("/") if pattern.startswith("/") else Path() if is_remote(pattern) else Path.cwd()
    return Glob(start.joinpath(*parts[:first]), tuple(map(_name, names)))


def _name(part: str) -> re.Pattern[str] | None:
    return None if part == _ANY_FOLDERS else re.compile(translate(part))


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
