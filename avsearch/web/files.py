"""The files of media: found by id only, inside registered folders only, and only as they were when indexed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from avsearch.catalog import FileState, MediaRecord, Root, State
from avsearch.errors import MediaError, StorageError
from avsearch.library import Library
from avsearch.media.waiting import still_waiting
from avsearch.remote import Version, address, default_originals, is_remote
from avsearch.web.refusals import Refused

_DESCRIPTORS = Path("/proc/self/fd")  # where Linux says what an open file is called
_AGAIN = "Run `avsearch index` on its folder again."


@dataclass(frozen=True)
class MediaFile:
    """A media, and a file of it that is as it was when it was indexed.

    Attributes:
        record: what is known of the media.
        path: without links in it; of what lies behind a URL, that of a copy.
        size_bytes: its size.
        mtime_ns: its time.
        told: what people know it by: the path, or the URL.
    """

    record: MediaRecord
    path: Path
    size_bytes: int
    mtime_ns: int
    told: str


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
    """The first file of a media that lies on a disk and may be given out.

    Raises:
        Refused: there is no such media, or none of its files is there as it was.
    """
    record = known_media(library, media_id)
    disks = [root.path for root in library.catalog.roots() if not is_remote(root.path)]
    folders = [Path(os.path.realpath(path)) for path in disks]
    for root, state in library.catalog.files_of_media([media_id]).get(media_id, []):
        path = None if is_remote(root.path) else _allowed_path(root, state, folders)
        if path is not None:
            return MediaFile(record, path, state.size_bytes, state.mtime_ns, str(path))
    raise Refused(404, f"The file of media {media_id} is not there as it was indexed.", hint=_AGAIN)


def open_media(library: Library, media_id: int) -> tuple[MediaFile, BinaryIO]:
    """A media's file, opened for reading: what is read is what was checked.

    Raises:
        Refused: as `media_file`.
    """
    with ExitStack() as stack:
        found = _at_hand(library, media_id, stack)
        return found, _opened(found, media_id)


def _opened(found: MediaFile, media_id: int) -> BinaryIO:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        file = os.fdopen(os.open(found.path, flags), "rb", buffering=0)
    except OSError:
        raise _gone(media_id) from None
    if _is_same(os.fstat(file.fileno()), found) and _is_called(file.fileno(), found.path):
        return file
    file.close()
    raise _gone(media_id)


@contextmanager
def readable_media(library: Library, media_id: int) -> Iterator[MediaFile]:
    """A media's file, for a decoder that opens it by its path: it is looked at again afterwards.

    Raises:
        Refused: as `media_file`; also where it became another file meanwhile, so that nothing of that is told.
    """
    with ExitStack() as stack:
        found = _at_hand(library, media_id, stack)
        try:
            yield found
        except MediaError as error:
            raise MediaError(error.message.replace(str(found.path), found.told), hint=error.hint) from error
    if found.told != str(found.path):
        return  # a copy is nobody else's
    again = media_file(library, media_id)
    if (again.path, again.size_bytes, again.mtime_ns) != (found.path, found.size_bytes, found.mtime_ns):
        raise _gone(media_id)


def _at_hand(library: Library, media_id: int, stack: ExitStack) -> MediaFile:
    """A file on a disk, or else a copy of an object, fetched now, which is there until the stack is closed."""
    try:
        return media_file(library, media_id)
    except Refused:
        objects = [
            (root.absolute(state.path), state)
            for root, state in library.catalog.files_of_media([media_id]).get(media_id, [])
            if is_remote(root.path) and state.state is State.INDEXED
        ]
        if not objects:
            raise
    path, state = objects[0]
    version = Version(state.size_bytes, state.mtime_ns, state.etag)
    try:
        copy = stack.enter_context(default_originals().at_hand(path, version, lasts=True, still=still_waiting))
    except StorageError as error:
        raise Refused(503, error.message, hint=error.hint) from error
    except MediaError as error:
        raise Refused(404, error.message, hint=error.hint) from error
    real = Path(os.path.realpath(copy))
    mtime_ns = real.stat().st_mtime_ns
    record = known_media(library, media_id)
    return MediaFile(record, real, state.size_bytes, mtime_ns, address(path))


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
