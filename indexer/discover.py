"""Which files are new, changed, gone or back since the library last saw them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from avsearch.catalog import Catalog, FileState, Place, Root, State
from avsearch.library import Writer
from avsearch.media.listing import Listing, list_media
from avsearch.media.walking import OnDisk
from avsearch.moments import Failed
from avsearch.remote import Version, is_remote
from indexer.events import Listener, Walking
from indexer.known import Known, folder_of, folders_above, folders_in_use, holds_nothing, lost_names, read_known


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file below a root, as it lies on the disk or in the store now."""

    root: Root
    path: Path
    size_bytes: int
    mtime_ns: int
    etag: str | None = None

    @property
    def version(self) -> Version:
        """What tells whether it is the same as before."""
        return Version(self.size_bytes, self.mtime_ns, self.etag)

    @property
    def place(self) -> Place:
        """Where its row stands in the catalog."""
        return self.root.id, self.root.relative(self.path)

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
            etag=self.etag,
        )


@dataclass(frozen=True)
class Discovery:
    """What there is to do.

    Attributes:
        to_read: new and changed files, those that the encoder has not dealt with, failed ones where asked for.
        unchanged: indexed files that are as they were, with what the catalog holds of them.
        still_failed: files that failed before and are as they were.
        vanished: files that are gone: what the catalog should hold of them now.
        returned: files that were gone and are back as they were, their vectors still there: what it should hold.
        removed: files that stay out because they were removed from the library.
        unmounted: folders that are gone or empty although files are known there; nothing below them is touched.
        unreadable: what cannot be looked into; nothing below it is touched.
    """

    to_read: Sequence[FoundFile]
    unchanged: Sequence[tuple[FoundFile, FileState]]
    still_failed: Sequence[tuple[FoundFile, FileState]]
    vanished: Sequence[FileState]
    returned: Sequence[FileState]
    removed: Sequence[FoundFile]
    unmounted: Sequence[Path]
    unreadable: Sequence[Failed]


def discover(
    paths: Sequence[Path], writer: Writer, *, retry_failed: bool = False, tell: Listener | None = None
) -> Discovery:
    """Walk the paths, register their folders as roots, and compare with the catalog.

    A file is unchanged when size and modification time are, an object in a store when size and etag are. Only files
    below the folders named can be found to have vanished, and only where their disk is there: a folder that is gone
    or empty may be waiting for it, and a store that does not answer says nothing about what lies there.

    Raises:
        MediaError: a path does not exist or a folder holds no media, and the library knows nothing of it either.
        StorageError: a store does not answer, or refuses, and the library knows nothing of the place there.
        LibraryError: the catalog cannot be read or written.
    """
    catalog = writer.catalog
    listing = list_media(paths, tell=None if tell is None else lambda num_files: tell(Walking(num_files)))
    roots = catalog.roots()
    known = read_known(catalog, listing)
    lost = lost_names(listing, known)
    for folder in folders_in_use(listing, lost):
        catalog.add_root(Path(folder))
    if catalog.roots() != roots:  # there are new ones, also of others, and some have become part of them
        known = read_known(catalog, listing)
    comparison = _Comparison(listing, known, lost, retry_failed)
    comparison.sort_known()
    comparison.sort_found()
    return comparison.result(_covered(catalog))


def _covered(catalog: Catalog) -> frozenset[int]:
    """The media that the active encoder has dealt with."""
    active = catalog.active_encoder()
    return frozenset(catalog.covered_media(active.id) if active else ())


@dataclass
class _Comparison:
    """What was found against what is known."""

    listing: Listing
    known: Known
    lost: set[str]
    retry_failed: bool
    # known files that a walk does not list, and that are there
    seen: dict[str, OnDisk] = field(default_factory=dict)
    to_read: list[FoundFile] = field(default_factory=list)
    unchanged: list[tuple[FoundFile, FileState]] = field(default_factory=list)
    still_failed: list[tuple[FoundFile, FileState]] = field(default_factory=list)
    vanished: list[FileState] = field(default_factory=list)
    back: list[tuple[FoundFile, FileState]] = field(default_factory=list)
    removed: list[FoundFile] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    reaches: dict[str, bool] = field(default_factory=dict)

    def sort_known(self) -> None:
        """Look after the known files that were not listed: gone, or there under a name that a walk leaves out."""
        for path, (_, state) in self.known.files.items():
            in_use = state.state in {State.INDEXED, State.FAILED}
            if in_use and path not in self.listing.files and self._is_within_reach(path):
                self._look_after(path, state)

    def sort_found(self) -> None:
        """Compare every file that is there with what is known of it."""
        for path, on_disk in {**self.listing.files, **self.seen}.items():
            if self.listing.dangling.get(path) in self.lost:
                continue
            root, before = self.known.files.get(path, (None, None))
            file = FoundFile(root or self._root_of(path), Path(path), *_told(on_disk))
            if before is None:
                self.to_read.append(file)
            elif on_disk.is_dangling and before.media_id is not None:
                if before.state is State.INDEXED:
                    self.vanished.append(replace(before, state=State.MISSING))
            else:
                self._compare(file, before, is_named=path in self.listing.named_files)

    def result(self, covered: frozenset[int]) -> Discovery:
        """What there is to do; files that are back or unchanged are read unless their vectors are there."""
        returned = [(file, state) for file, state in self.back if state.media_id in covered]
        without_vectors = [file for file, it in (*self.back, *self.unchanged) if it.media_id not in covered]
        unreadable = {**self.listing.unreadable, **self.unreadable}
        return Discovery(
            to_read=self.to_read + without_vectors,
            unchanged=[(file, state) for file, state in self.unchanged if state.media_id in covered],
            still_failed=self.still_failed,
            vanished=self.vanished,
            returned=[replace(state, state=State.INDEXED, reason="") for _, state in returned],
            removed=self.removed,
            unmounted=[Path(folder) for folder in sorted(self.lost)],
            unreadable=[Failed(Path(path), f"cannot be looked into ({why}).") for path, why in unreadable.items()],
        )

    def _compare(self, file: FoundFile, before: FileState, *, is_named: bool) -> None:
        is_same = Version(before.size_bytes, before.mtime_ns, before.etag).is_same(file.version)
        if before.state is State.REMOVED and not is_named:
            self.removed.append(file)
        elif not is_same:
            self.to_read.append(file)
        elif before.state is State.INDEXED:
            self.unchanged.append((file, before))
        elif before.state is State.FAILED and not self.retry_failed:
            self.still_failed.append((file, before))
        elif before.state is not State.FAILED and before.media_id is not None:
            self.back.append((file, before))
        else:
            self.to_read.append(file)

    def _look_after(self, path: str, state: FileState) -> None:
        if is_remote(path):  # all that lies in a store was listed
            if path in self.listing.passed_over:
                self.seen[path] = self.listing.passed_over[path]
            else:
                self.vanished.append(replace(state, state=State.MISSING))
            return
        try:
            status = os.stat(path)  # noqa: PTH116  (ten thousand of them may have gone)
        except (FileNotFoundError, NotADirectoryError):
            status = None
        except OSError as error:
            self.unreadable[path] = error.strerror or str(error)
            return
        if status is None or stat.S_ISDIR(status.st_mode):
            self.vanished.append(replace(state, state=State.MISSING))
        else:
            self.seen[path] = OnDisk(status.st_size, status.st_mtime_ns)

    def _is_within_reach(self, path: str) -> bool:
        """Whether a file that was not listed would have been, were it there."""
        folder = folder_of(path)
        if path in self.listing.absent and holds_nothing(folder):
            self.lost.add(folder)
            return False
        if folder not in self.reaches:
            self.reaches[folder] = self._is_folder_within_reach(path)
        return self.reaches[folder] or path in self.listing.absent

    def _is_folder_within_reach(self, path: str) -> bool:
        """Whether the walk came where this file was, and found its disk there."""
        for folder in folders_above(path):
            if folder in self.listing.unreadable:
                return False
            if self.listing.num_entries.get(folder) == 0 or self._is_lost_root(folder):
                self.lost.add(folder)
                return False
            if folder in self.listing.named_folders:
                return True
        return False

    def _is_lost_root(self, folder: str) -> bool:
        return folder in self.known.roots and folder not in self.listing.num_entries and holds_nothing(folder)

    def _root_of(self, path: str) -> Root:
        return next(self.known.roots[folder] for folder in folders_above(path) if folder in self.known.roots)


def _told(on_disk: OnDisk) -> tuple[int, int, str | None]:
    return on_disk.size_bytes, on_disk.mtime_ns, on_disk.etag
