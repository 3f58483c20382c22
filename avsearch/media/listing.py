"""Which files below some paths are media, and when two files hold the same content."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from avsearch.errors import MediaError, StorageError
from avsearch.media.names import is_media_name
from avsearch.media.objects import sort_objects
from avsearch.media.safety import open_file
from avsearch.media.waiting import still_waiting
from avsearch.remote import Version, address, checked, is_remote, list_objects

_READ_BYTES = 1 << 20
_COPY_HINT = "Copy it to a disk first."


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


@dataclass(frozen=True)
class Listing:
    """What lies at some paths and below them. Paths are text in which bytes that are no UTF-8 are surrogates.

    Folders are real paths; the name of a file stays as written, because a link to a file is a file of its own. What
    lies behind a URL is named as `avsearch.remote.addresses` has it.

    Attributes:
        files: the files named, and those below the folders named that have a media extension.
        named_files: those that were named themselves.
        named_folders: real path -> path as written, of the folders named that can be read.
        num_entries: of every folder that was read, hidden ones counted; an empty one may wait for its disk.
        barren: the folders named below which no media is.
        absent: real path -> path as written, of the paths named at which nothing is.
        dangling: links that were named and lead nowhere -> where they lead; they are among the files, too.
        unreadable: what could not be looked into -> the system's reason.
        unreachable: of that, the places in stores that do not answer, or refuse.
        passed_over: objects in stores that are there and are not among the files, since they are no media by their
            names, or hidden.
    """

    files: Mapping[str, OnDisk]
    named_files: frozenset[str]
    named_folders: Mapping[str, Path]
    num_entries: Mapping[str, int]
    barren: frozenset[str]
    absent: Mapping[str, Path]
    dangling: Mapping[str, str]
    unreadable: Mapping[str, str]
    unreachable: Mapping[str, StorageError] = field(default_factory=dict)
    passed_over: Mapping[str, OnDisk] = field(default_factory=dict)


def list_media(paths: Iterable[Path], *, tell: Callable[[int], None] | None = None) -> Listing:
    """Look at paths and below them, opening no file; what cannot be looked into is part of the answer.

    Folders are walked to any depth without following links to folders; hidden files and folders are left out.

    Args:
        paths: files and folders, of this machine or behind URLs.
        tell: told now and then how many files were seen.
    """
    walk = _Walk(tell or (lambda _: None))
    for path in paths:
        (walk.name_remote if is_remote(path) else walk.name)(path)
    return Listing(
        files=walk.files,
        named_files=frozenset(walk.named_files),
        named_folders=walk.named_folders,
        num_entries=walk.num_entries,
        barren=frozenset(walk.barren),
        absent=walk.absent,
        dangling=walk.dangling,
        unreadable=walk.unreadable,
        unreachable=walk.unreachable,
        passed_over=walk.passed_over,
    )


def media_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and those below the folders named that have a media extension; real paths, each once.

    Raises:
        MediaError: a path does not exist, a folder cannot be read, or a folder named holds no media at all.
    """
    named = list(paths)
    for path in filter(is_remote, named):
        raise MediaError(f"{address(path)}: lies in a store, from where footage is only indexed.", hint=_COPY_HINT)
    listing = list_media(named)
    for path in listing.absent.values():
        raise nothing_there(path)
    for folder, reason in listing.unreadable.items():
        raise MediaError(f"{folder}: cannot be read ({reason}).", hint="Change its permissions, or move it away.")
    for folder in listing.barren:
        raise nothing_in(listing.named_folders[folder])
    return [Path(path) for path in listing.files]


def barren_folders(paths: Iterable[Path]) -> set[Path]:
    """The folders among `paths` below which no media is."""
    listing = list_media(paths)
    return {listing.named_folders[it] for it in listing.barren}


def nothing_there(path: Path) -> MediaError:
    """The error of a path that is named and does not exist."""
    return MediaError(f"{address(path)}: there is no such file or folder.", hint="Check the path.")


def nothing_in(folder: Path) -> MediaError:
    """The error of a folder that is named and holds no media."""
    return MediaError(f"{address(folder)}: the folder holds no media.", hint="Name a folder with videos or sounds.")


def content_hash(path: Path) -> str:
    """xxh3-128 of the file's bytes, as 32 hexadecimal digits.

    Raises:
        MediaError: it is not a regular file, or most of its bytes are not there (`safety.open_file`).
        OSError: it cannot be read.
    """
    digest = xxhash.xxh3_128()
    with open_file(path) as file:
        while block := file.read(_READ_BYTES):
            still_waiting()
            digest.update(block)
    return digest.hexdigest()


@dataclass
class _Walk:
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
