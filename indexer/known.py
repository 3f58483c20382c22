"""What the catalog holds of the paths that a run was given, and which of them are gone although files are known."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from avsearch.catalog import Catalog, FileState, Root
from avsearch.media.listing import Listing, nothing_in, nothing_there


@dataclass(frozen=True)
class Known:
    """What the catalog holds of the roots concerned.

    Attributes:
        files: path -> its root and what is known of it.
        roots: real path -> root.
    """

    files: Mapping[str, tuple[Root, FileState]]
    roots: Mapping[str, Root]

    def folders(self) -> set[str]:
        """Every folder below which a file is known."""
        found: set[str] = set()
        for path in self.files:
            for folder in folders_above(path):
                if folder in found:
                    break
                found.add(folder)
        return found


def read_known(catalog: Catalog, listing: Listing) -> Known:
    """The roots in or around the paths named, and their files; of two roots the outer one knows better."""
    named = (*listing.named_folders, *listing.named_files, *listing.absent, *listing.dangling.values())
    concerned = {_slashed(path) for path in (*named, *listing.unreachable)}
    files: dict[str, tuple[Root, FileState]] = {}
    roots: dict[str, Root] = {}
    for root in sorted(catalog.roots(), key=lambda root: len(root.path.parts), reverse=True):
        top = _slashed(str(root.path))
        if any(path.startswith(top) or top.startswith(path) for path in concerned):
            roots[str(root.path)] = root
            known = catalog.files_of(root.id)
            files.update((top + os.fsdecode(path), (root, state)) for path, state in known.items())
    return Known(files, roots)


def lost_names(listing: Listing, known: Known) -> set[str]:
    """The folders named that are gone although files are known there.

    Raises:
        MediaError: a path does not exist or a folder holds no media, and nothing is known of it.
        StorageError: a store does not answer, or refuses, and nothing is known of the place there.
    """
    if not (listing.absent or listing.dangling or listing.barren or listing.unreachable):
        return set()
    folders = known.folders()
    for path, written in listing.absent.items():
        if path not in folders and path not in known.files:
            raise nothing_there(written)
    for path, error in listing.unreachable.items():
        if path not in folders and path not in known.files:
            raise error
    for folder, written in listing.named_folders.items():
        if folder in listing.barren - folders:
            raise nothing_in(written)
    return {*listing.absent, *listing.dangling.values()} & folders


def folders_in_use(listing: Listing, lost: set[str]) -> list[str]:
    """The folders named, and those of the files named, where their disk is there."""
    files = [path for path in sorted(listing.named_files) if listing.dangling.get(path) not in lost]
    return list(dict.fromkeys((*listing.named_folders, *map(folder_of, files))))


def holds_nothing(folder: str) -> bool:
    """Whether a folder is gone or empty, as a mount point without its disk is."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)


def folders_above(path: str) -> Iterator[str]:
    """The folder that a path lies in, the one around it, and so on up to `/`."""
    while path != "/":
        path = folder_of(path)
        yield path


def folder_of(path: str) -> str:
    """The folder that a path lies in."""
    return path.rpartition("/")[0] or "/"


def _slashed(folder: str) -> str:
    return folder.rstrip("/") + "/"
