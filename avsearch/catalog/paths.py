"""Where paths lie among the roots; bytes, because names need not be UTF-8."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from avsearch.catalog.records import Root
from avsearch.remote import is_remote

Place = tuple[int, bytes]  # a root's id, and the path relative to it: the key of a file's row


@dataclass(frozen=True)
class Branch:
    """A file or a folder, and all below it.

    Attributes:
        root: that it lies in; or that lies in it, and then the branch is all of this root.
        path: relative to the root; empty for all of it.
        top: the absolute path of the file or folder.
    """

    root: Root
    path: bytes
    top: Path

    def names(self, path: bytes) -> str:
        """The path of a file of this branch, relative to the root -> relative to `top`; empty for `top` itself."""
        if self.path:
            return os.fsdecode(path[len(self.path) + 1 :])
        return self._root_from_top + os.fsdecode(path)

    @cached_property
    def _root_from_top(self) -> str:
        between = self.root.path.relative_to(self.top).parts
        return "".join(f"{part}/" for part in between)


def places_of(paths: Iterable[Path], roots: Sequence[Root]) -> dict[Path, list[Place]]:
    """Each path -> the places where its row can stand, the likeliest first; none outside all roots.

    Roots are kept by their real path. So a path is tried as written and with its folder's real path; its last
    part stays as written, because a link can be a file of its own.
    """
    real_folders: dict[Path, Path] = {}
    places: dict[Path, list[Place]] = {}
    for path in paths:
        if is_remote(path):
            places[path] = list(_places(path, roots))
            continue
        written = path.absolute()
        if written.parent not in real_folders:
            real_folders[written.parent] = written.parent.resolve()
        spellings = dict.fromkeys((written, real_folders[written.parent] / path.name))
        places[path] = [place for spelling in spellings for place in _places(spelling, roots)]
    return places


def branches_of(path: Path, roots: Sequence[Root]) -> list[Branch]:
    """What a path means among the roots: a link to a folder is that folder, one to a file is a file of its own."""
    if is_remote(path):
        return list(_branches(path, roots))
    written = path.absolute()
    spellings = [written, written.parent.resolve() / written.name]
    if written.is_dir():
        spellings.append(written.resolve())
    return [branch for spelling in dict.fromkeys(spellings) for branch in _branches(spelling, roots)]


def _places(path: Path, roots: Sequence[Root]) -> Iterator[Place]:
    for root in roots:
        if path.is_relative_to(root.path) and path != root.path:
            yield root.id, root.relative(path)


def _branches(path: Path, roots: Sequence[Root]) -> Iterator[Branch]:
    for root in roots:
        if root.path.is_relative_to(path):
            yield Branch(root, b"", path)
        elif path.is_relative_to(root.path):
            yield Branch(root, os.fsencode(path.relative_to(root.path)), path)
