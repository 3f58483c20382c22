"""Where paths lie among the roots; bytes, because names need not be UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from avsearch.catalog.records import Root

Place = tuple[int, bytes]  # a root's id, and the path relative to it: the key of a file's row


def places_of(paths: Iterable[Path], roots: Sequence[Root]) -> dict[Path, list[Place]]:
    """Each path -> the places where its row can stand, the likeliest first; none outside all roots.

    Roots are kept by their real path. So a path is tried as written and with its folder's real path; its last
    part stays as written, because a link can be a file of its own.
    """
    real_folders: dict[Path, Path] = {}
    places: dict[Path, list[Place]] = {}
    for path in paths:
        written = path.absolute()
        if written.parent not in real_folders:
            real_folders[written.parent] = written.parent.resolve()
        spellings = dict.fromkeys((written, real_folders[written.parent] / path.name))
        places[path] = [place for spelling in spellings for place in _places(spelling, roots)]
    return places


def _places(path: Path, roots: Sequence[Root]) -> Iterator[Place]:
    for root in roots:
        if path.is_relative_to(root.path) and path != root.path:
            yield root.id, root.relative(path)
