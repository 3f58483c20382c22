"""Take files out of a library, and follow a folder that has moved; both touch the catalog only."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsearch.catalog import CatalogWriter, FileState, Root, State
from avsearch.errors import LibraryError
from avsearch.library.store import Library
from avsearch.remote import address, checked, is_remote, list_objects


@dataclass(frozen=True)
class Removed:
    """`num_files` that were taken out, and `num_media` that can no longer be found, because no copy is left."""

    num_files: int
    num_media: int


@dataclass(frozen=True)
class Relinked:
    """A root at its new place; of `num_files` that were indexed below it, `num_there` are there, equally large."""

    root: Root
    num_files: int
    num_there: int


def remove(library: Library, targets: Sequence[str]) -> Removed:
    """Take files out: they are no longer found from the next search on. The files themselves are left alone.

    They stay out when their folder is indexed again. Vectors are kept until `compact`.

    Args:
        library: that knows them.
        targets: files, folders or patterns.

    Raises:
        LibraryError: a target names no file that the library knows; then nothing is changed.
    """
    with library.writer("remove") as writer:
        before = writer.catalog.live_media_ids()
        num_files = writer.catalog.remove_files(targets)
        after = writer.catalog.live_media_ids()
    return Removed(num_files=num_files, num_media=len(np.setdiff1d(before, after)))


def relink(library: Library, old: Path, new: Path) -> Relinked:
    """Say that a root lies elsewhere now; its files keep their media, vectors and labels.

    Args:
        library: that knows the root.
        old: the root's folder, as it was.
        new: the folder that holds its files now.

    Raises:
        LibraryError: there is no such root, none of its files is in the new folder, or another root is in the way.
        StorageError: the new place is behind a URL, and its store does not answer, or refuses.
    """
    with library.writer("relink") as writer:
        root = _root_at(writer.catalog, old)
        files = writer.catalog.files_of(root.id).values()
        indexed = [file for file in files if file.state in {State.INDEXED, State.MISSING}]
        num_there = _num_there(Root(root.id, new if is_remote(new) else new.resolve()), indexed)
        if not num_there:
            raise LibraryError(
                f"{address(new)}: none of the {len(indexed)} files of {address(root.path)} is there "
                "with the same size.",
                hint="Name the folder that holds them below the same relative paths.",
            )
        relinked = writer.catalog.relink_root(root.id, new)
    return Relinked(root=relinked, num_files=len(indexed), num_there=num_there)


def _root_at(catalog: CatalogWriter, folder: Path) -> Root:
    roots = catalog.roots()
    for root in roots:
        if root.path in ((folder,) if is_remote(folder) else (folder.absolute(), folder.resolve())):
            return root
    known = ", ".join(address(root.path) for root in roots) or "none"
    raise LibraryError(f"{address(folder)}: is no root of this library.", hint=f"Its roots are: {known}.")


def _num_there(there: Root, files: Sequence[FileState]) -> int:
    """How many of the files lie below a root, of the same size."""
    if not is_remote(there.path):
        return sum(_is_there(there.absolute(file.path), file.size_bytes) for file in files)
    objects = list_objects(checked(there.path))
    found = [objects.get(os.fsdecode(file.path)) for file in files]
    return sum(
        now is not None and now.size_bytes == file.size_bytes for now, file in zip(found, files, strict=True)
    )


def _is_there(path: Path, size_bytes: int) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116  (one call for both questions)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size_bytes
