"""The files of media: found by id only, inside registered folders only, and only as they were when indexed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from avsearch.catalog import FileState, MediaRecord, Root, State
from avsearch.library import Library
from avsearch.web.refusals import Refused

_DESCRIPTORS = Path("/proc/self/fd")  # where Linux says what an open file is called
_AGAIN = "Run `avsearch index` on its folder again."


@dataclass(frozen=True)
class MediaFile:
    """A media, and a file of it that is as it was when it was indexed; `path` has no links in it."""

    record: MediaRecord
    path: Path
    size_bytes: int
    mtime_ns: int


def known_media(library: Library, media_id: int) -> MediaRecord:
    """What the catalog knows of a media that can be found.

    Raises:
        Refused: there is none with that id, or none any more.
    """
    record = library.catalog.media_records([media_id]).get(media_id)
    if record is None or not record.paths:
        raise Refused(404, f"There is no media {media_id}.", hint="It may have been removed; search again.")
    return record


def media_file(library: Library, media_id: int) -> MediaFile:
    """The first file of a media that may be given out.

    Raises:
        Refused: there is no such media, or none of its files is there as it was.
    """
    record = known_media(library, media_id)
    folders = [Path(os.path.realpath(root.path)) for root in library.catalog.roots()]
    for root, state in library.catalog.files_of_media([media_id]).get(media_id, []):
        path = _allowed_path(root, state, folders)
        if path is not None:
            return MediaFile(record, path, state.size_bytes, state.mtime_ns)
    raise Refused(404, f"The file of media {media_id} is not there as it was indexed.", hint=_AGAIN)


def open_media(library: Library, media_id: int) -> tuple[MediaFile, BinaryIO]:
    """A media's file, opened for reading: what is read is what was checked.

    Raises:
        Refused: as `media_file`.
    """
    found = media_file(library, media_id)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        file = os.fdopen(os.open(found.path, flags), "rb", buffering=0)
    except OSError:
        raise _gone(media_id) from None
    if _is_same(os.fstat(file.fileno()), found) and _is_called(file.fileno(), found.path):
        return found, file
    file.close()
    raise _gone(media_id)


@contextmanager
def readable_media(library: Library, media_id: int) -> Iterator[MediaFile]:
    """A media's file, for a decoder that opens it by its path: it is looked at again afterwards.

    Raises:
        Refused: as `media_file`; also where it became another file meanwhile, so that nothing of that is told.
    """
    found = media_file(library, media_id)
    yield found
    again = media_file(library, media_id)
    if (again.path, again.size_bytes, again.mtime_ns) != (found.path, found.size_bytes, found.mtime_ns):
        raise _gone(media_id)


def _allowed_path(root: Root, state: FileState, folders: Sequence[Path]) -> Path | None:
    """The real path of a file, if it lies inside a registered folder and is as it was."""
    if state.state is not State.INDEXED:
        return None
    real = Path(os.path.realpath(root.absolute(state.path)))
    if not any(real.is_relative_to(folder) for folder in folders):
        return None
    try:
        status = real.lstat()
    except OSError:
        return None
    is_same = (status.st_size, status.st_mtime_ns) == (state.size_bytes, state.mtime_ns)
    return real if stat.S_ISREG(status.st_mode) and is_same else None


def _is_same(status: os.stat_result, found: MediaFile) -> bool:
    is_regular = stat.S_ISREG(status.st_mode)
    return is_regular and (status.st_size, status.st_mtime_ns) == (found.size_bytes, found.mtime_ns)


def _is_called(descriptor: int, path: Path) -> bool:
    """Whether no folder on the way became a link before it was opened; only Linux can tell."""
    if not _DESCRIPTORS.is_dir():
        return True
    return (_DESCRIPTORS / str(descriptor)).readlink() == path


def _gone(media_id: int) -> Refused:
    return Refused(404, f"The file of media {media_id} has just changed.", hint=_AGAIN)
