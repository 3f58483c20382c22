"""What lies at paths and below them, seen without opening a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from avsearch.errors import StorageError
from avsearch.media.names import is_media_name
from avsearch.media.objects import sort_objects
from avsearch.remote import Version, checked, list_objects


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file without opening it; what is no regular file is there too, and is refused where it would be read.

    Attributes:
        size_bytes: its size; of a link, that of the file it leads to.
        mtime_ns: when it was last changed, in nanoseconds since 1970.
        is_dangling: it is a link that leads nowhere now; size and time are the link's own.
        etag: the mark of its content that a store of objects gives it; None on a disk.
    """

    size_bytes: int
    mtime_ns: int
    is_dangling: bool = False
    etag: str | None = None


@dataclass
class Walk:
    """A listing in the making."""

    tell: Callable[[int], None]
    files: dict[str, OnDisk] = field(default_factory=dict)
    named_files: set[str] = field(default_factory=set)
    named_folders: dict[str, Path] = field(default_factory=dict)
    num_entries: dict[str, int] = field(default_factory=dict)
    barren: set[str] = field(default_factory=set)
    absent: dict[str, Path] = field(default_factory=dict)
    dangling: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    real_folders: dict[str, str] = field(default_factory=dict)
    unreachable: dict[str, StorageError] = field(default_factory=dict)
    passed_over: dict[str, OnDisk] = field(default_factory=dict)

    def name(self, path: Path) -> None:
        """Take in one path that was named, whatever is there."""
        try:
            status = path.stat()
        except OSError as error:
            self._name_unusable(path, error)
            return
        if stat.S_ISDIR(status.st_mode):
            self._name_folder(path)
        else:
            self._name_file(path, OnDisk(status.st_size, status.st_mtime_ns))

    def name_remote(self, path: Path) -> None:
        """Take in a place behind a URL that was named, and all below it."""
        top = str(path)
        try:
            found = list_objects(checked(path))
        except StorageError as error:
            self.unreachable[top], self.unreadable[top] = error, error.message.rstrip(".")
            return
        if not found:
            self.absent[top] = path
        elif "" in found:
            self.files[top] = _object(found[""])
            self.named_files.add(top)
        else:
            objects = sort_objects(top, found)
            self.num_entries[top], self.named_folders[top] = len(found), path
            self.files |= {name: _object(it) for name, it in objects.media.items()}
            self.passed_over |= {name: _object(it) for name, it in objects.others.items()}
            self.unreadable |= dict.fromkeys(objects.nameless, "no file can have such a name")
            self.barren |= set() if objects.media or objects.nameless else {top}
        self.tell(len(self.files))

    def _name_unusable(self, path: Path, error: OSError) -> None:
        with suppress(OSError):
            status = path.lstat()  # there is something, then: a link that leads nowhere, or into what is closed
            real = self._name_file(path, OnDisk(status.st_size, status.st_mtime_ns, is_dangling=True))
            self.dangling[real] = os.path.realpath(path)
            return
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            self.absent[os.path.realpath(path)] = path
        else:
            self.unreadable[os.path.realpath(path)] = error.strerror or str(error)

    def _name_file(self, path: Path, on_disk: OnDisk) -> str:
        parent, name = os.path.split(path.absolute())
        if parent not in self.real_folders:
            self.real_folders[parent] = os.path.realpath(parent)
        real = f"{self.real_folders[parent].rstrip('/')}/{name}"
        self.files[real] = on_disk
        self.named_files.add(real)
        return real

    def _name_folder(self, path: Path) -> None:
        top = os.path.realpath(path)
        num_unreadable = len(self.unreadable)
        num_seen = self._walk(top)
        if top in self.num_entries:
            self.named_folders[top] = path
            if not num_seen and len(self.unreadable) == num_unreadable:
                self.barren.add(top)
        elif top not in self.unreadable:
            self.absent[top] = path

    def _walk(self, top: str) -> int:
        """How many media are below a folder."""
        num_seen = 0
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                num_entries, files, folders = _read_folder(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it went while we were on the way
            except OSError as error:
                self.unreadable[folder] = error.strerror or str(error)
                continue
            self.num_entries[folder] = num_entries
            self.files.update(files)
            waiting += reversed(folders)
            num_seen += len(files)
            self.tell(len(self.files))
        return num_seen


def _read_folder(folder: str) -> tuple[int, dict[str, OnDisk], list[str]]:
    """How many entries it has, its media, its folders; sorted, so that two runs see one order.

    Raises:
        OSError: any of it cannot be looked at; then nothing of it is known for certain.
    """
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    files: dict[str, OnDisk] = {}
    folders: list[str] = []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
        elif is_media_name(entry.name) and (on_disk := _on_disk(entry)) is not None:
            files[entry.path] = on_disk
    return len(entries), files, folders


def _object(version: Version) -> OnDisk:
    return OnDisk(version.size_bytes, version.mtime_ns, etag=version.etag)


def _on_disk(entry: os.DirEntry[str]) -> OnDisk | None:
    """None for what is gone by now, and for a link to a folder.

    Raises:
        OSError: names in this folder may be seen, and nothing else of it.
    """
    try:
        status, is_dangling = _status(entry)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        return None
    return OnDisk(status.st_size, status.st_mtime_ns, is_dangling)


def _status(entry: os.DirEntry[str]) -> tuple[os.stat_result, bool]:
    """Of the file that an entry leads to, or of the link itself if it leads nowhere, and whether it does that."""
    try:
        return entry.stat(), False
    except OSError:
        if not entry.is_symlink():
            raise
        return entry.stat(follow_symlinks=False), True
