"""What goes into the catalog and comes out of it: frozen dataclasses, no rows and no SQL."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from avsearch.moments import MediaInfo, MediaKind


class State(StrEnum):
    """What became of a file."""

    INDEXED = "indexed"
    FAILED = "failed"
    MISSING = "missing"
    REMOVED = "removed"


@dataclass(frozen=True)
class Root:
    """A registered folder of media, by its real path or its place behind a URL; no root lies inside another."""

    id: int
    path: Path

    def relative(self, path: Path) -> bytes:
        """A path below this root -> the bytes that the catalog holds."""
        return os.fsencode(path.relative_to(self.path))

    def absolute(self, path: bytes) -> Path:
        """The bytes that the catalog holds -> the path."""
        return self.path / os.fsdecode(path)


@dataclass(frozen=True)
class FileState:
    """A file below a root, as it was when it was last looked at.

    Attributes:
        root_id: the root that it lies below.
        path: bytes relative to the root, without `.` or `..`.
        size_bytes: its size.
        mtime_ns: when it was last changed, in nanoseconds since 1970.
        state: what became of it.
        reason: one sentence, for a failed file.
        media_id: the media that it holds; always known for an indexed file.
        etag: the mark of its content that a store of objects gave it; None on a disk.
    """

    root_id: int
    path: bytes
    size_bytes: int
    mtime_ns: int
    state: State
    reason: str = ""
    media_id: int | None = None
    etag: str | None = None

    def __post_init__(self) -> None:
        names = self.path.split(b"/")
        if b"" in names or b"." in names or b".." in names:
            raise ValueError(f"{self.path!r} is not relative to a root")
        if self.state is State.INDEXED and self.media_id is None:
            raise ValueError(f"{self.path!r} is indexed, but no media is named")
        if self.state is State.FAILED and not self.reason:
            raise ValueError(f"{self.path!r} failed without a reason")


@dataclass(frozen=True)
class IndexedMedia:
    """One content that was read.

    Attributes:
        id: was reserved before.
        content_hash: of all of its bytes.
        info: what the demuxer says.
        labels: what its user calls what is in it.
        num_silent: seconds of digital silence, which made no moment.
        num_still: black or frozen frames that made no moment.
        gap_us: the longest gap between keyframes, in microseconds, that was not filled by exact decoding.
    """

    id: int
    content_hash: str
    info: MediaInfo
    labels: tuple[str, ...] = ()
    num_silent: int = 0
    num_still: int = 0
    gap_us: int = 2_000_000


@dataclass(frozen=True)
class MediaRecord:
    """What the catalog knows about a media; `paths` are absolute, of its indexed files."""

    id: int
    content_hash: str
    info: MediaInfo
    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    num_silent: int
    num_still: int
    gap_us: int
    added_at_us: int

    @property
    def duration_us(self) -> int:
        return self.info.duration_us

    @property
    def kind(self) -> MediaKind:
        return self.info.kind


@dataclass(frozen=True)
class NewEncoder:
    """What a weights file says about its encoder."""

    fingerprint: str
    architecture: str
    size: str
    recipe: str
    dim: int

    def __str__(self) -> str:
        return f"{self.architecture} ({self.size}, {self.recipe}, {self.fingerprint[:8]})"


@dataclass(frozen=True)
class EncoderRecord(NewEncoder):
    """An encoder that the library holds."""

    id: int


@dataclass(frozen=True)
class MediaFilter:
    """Which media are wanted: those for which all that is given holds.

    Attributes:
        kind: video, sound or picture.
        labels: one of these, or several.
        under: an indexed file of theirs is this one, or lies below this folder.
        glob: the absolute path of the same file matches this; `*`, `?`, `[...]`, and `**` for any folders.
            One without a leading `/` begins in the current folder; one without any of these is read as `under` is.
    """

    kind: MediaKind | None = None
    labels: tuple[str, ...] = ()
    under: Path | None = None
    glob: str = ""
