"""Which files below some paths are media."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avsearch.errors import MediaError, StorageError
from avsearch.media.walking import OnDisk, Walk
from avsearch.remote import address, is_remote

_COPY_HINT = "Copy it to a disk first."


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
    walk = Walk(tell or (lambda _: None))
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
