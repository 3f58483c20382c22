"""Which files are new or changed since the library last saw them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avsearch.catalog import FileState, Root, State
from avsearch.library import Writer
from avsearch.media import media_files


@dataclass(frozen=True)
class FoundFile:
    """A file below a root, as it lies on the disk now."""

    root: Root
    path: Path
    size_bytes: int
    mtime_ns: int

    def state(self, state: State, *, reason: str = "", media_id: int | None = None) -> FileState:
        """What the catalog should hold of it."""
        return FileState(
            root_id=self.root.id,
            path=self.root.relative(self.path),
            size_bytes=self.size_bytes,
            mtime_ns=self.mtime_ns,
            state=state,
            reason=reason,
            media_id=media_id,
        )


@dataclass(frozen=True)
class Discovery:
    """What there is to do.

    Attributes:
        to_read: new and changed files, and failed ones where asked for.
        unchanged: indexed files that are as they were, with what the catalog holds of them.
        still_failed: files that failed before and are as they were.
        vanished: files that the catalog knows as there, and that no longer are.
    """

    to_read: Sequence[FoundFile]
    unchanged: Sequence[tuple[FoundFile, FileState]]
    still_failed: Sequence[tuple[FoundFile, FileState]]
    vanished: Sequence[FileState]


def discover(paths: Sequence[Path], writer: Writer, *, retry_failed: bool = False) -> Discovery:
    """Walk the paths, register their folders as roots, and compare with the catalog.

    A file is unchanged when size and modification time are. Only files below the folders named can be found
    to have vanished: a folder that is not there (an unmounted disk) is an error before anything is marked.

    Raises:
        MediaError: a path does not exist, or a folder holds no media.
    """
    files = media_files(paths)
    folders = [path if path.is_dir() else path.absolute().parent for path in paths]
    for folder in folders:
        writer.catalog.add_root(folder)
    roots = [writer.catalog.add_root(folder) for folder in folders]  # one may have become part of another
    found = [_found(path, roots) for path in files]
    known = {root.id: writer.catalog.files_of(root.id) for root in roots}
    return _sort(found, known, retry_failed=retry_failed, vanished=_vanished(paths, roots, found, known))


def _found(path: Path, roots: Iterable[Root]) -> FoundFile:
    real = path.parent.resolve() / path.name
    root = next(root for root in roots if real.is_relative_to(root.path))
    status = os.stat(real) if real.exists() else os.lstat(real)  # noqa: PTH116  (a dangling link has no stat)
    return FoundFile(root=root, path=real, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


def _sort(
    found: Sequence[FoundFile],
    known: Mapping[int, Mapping[bytes, FileState]],
    *,
    retry_failed: bool,
    vanished: Sequence[FileState],
) -> Discovery:
    to_read: list[FoundFile] = []
    unchanged: list[tuple[FoundFile, FileState]] = []
    still_failed: list[tuple[FoundFile, FileState]] = []
    for file in found:
        before = known[file.root.id].get(file.root.relative(file.path))
        if before is None or (before.size_bytes, before.mtime_ns) != (file.size_bytes, file.mtime_ns):
            to_read.append(file)
        elif before.state is State.INDEXED:
            unchanged.append((file, before))
        elif before.state is State.FAILED and not retry_failed:
            still_failed.append((file, before))
        else:
            to_read.append(file)
    return Discovery(to_read, unchanged, still_failed, vanished)


def _vanished(
    paths: Sequence[Path],
    roots: Sequence[Root],
    found: Sequence[FoundFile],
    known: Mapping[int, Mapping[bytes, FileState]],
) -> list[FileState]:
    """Files that the catalog has below the folders named, and the walk has not."""
    seen = {(file.root.id, file.root.relative(file.path)) for file in found}
    folders = [(root, path.resolve()) for path, root in zip(paths, roots, strict=True) if path.is_dir()]
    gone: dict[tuple[int, bytes], FileState] = {}
    for root, folder in folders:
        for path, state in known[root.id].items():
            there = state.state in {State.INDEXED, State.FAILED}
            if there and (root.id, path) not in seen and root.absolute(path).is_relative_to(folder):
                gone[root.id, path] = replace(state, state=State.MISSING)
    return list(gone.values())
