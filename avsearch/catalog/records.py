"""What goes into the catalog and comes out of it: frozen dataclasses, no rows and no SQL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.moments import MediaInfo, MediaKind, Modality


class State(StrEnum):
    """What became of a file."""

    INDEXED = "indexed"
    FAILED = "failed"
    MISSING = "missing"
    REMOVED = "removed"


@dataclass(frozen=True)
class Root:
    """A registered folder of media, by its real path; no root lies inside another."""

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
    """

    root_id: int
    path: bytes
    size_bytes: int
    mtime_ns: int
    state: State
    reason: str = ""
    media_id: int | None = None

    def __post_init__(self) -> None:
        if self.path.startswith(b"/") or {b"", b".", b".."} & set(self.path.split(b"/")):
            raise ValueError(f"{self.path!r} is not relative to a root")
        if self.state is State.INDEXED and self.media_id is None:
            raise ValueError(f"{self.path!r} is indexed, but no media is named")
        if self.state is State.FAILED and not self.reason:
            raise ValueError(f"{self.path!r} failed without a reason")


@dataclass(frozen=True)
class IndexedMedia:
    """One content that was read; `id` was reserved before."""

    id: int
    content_hash: str
    info: MediaInfo
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class MediaRecord:
    """What the catalog knows about a media; `paths` are absolute, of its indexed files."""

    id: int
    content_hash: str
    info: MediaInfo
    labels: tuple[str, ...]
    paths: tuple[Path, ...]

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
class SegmentRecord:
    """The row of a segment; `checksum` is xxh3_128 of the whole file, in hexadecimal."""

    name: str
    modality: Modality
    fingerprint: str
    num_rows: int
    dim: int
    num_bytes: int
    checksum: str


@dataclass(frozen=True)
class NewSegment:
    """A segment whose file is on the disk and whose row is not; rows by media id."""

    record: SegmentRecord
    rows_of_media: Mapping[int, int]

    def __post_init__(self) -> None:
        if sum(self.rows_of_media.values()) != self.record.num_rows:
            raise ValueError(f"{self.record.name}: the rows of its media do not add up")


@dataclass(frozen=True)
class Publication:
    """What becomes true in one commit.

    `media` are new; `labels` are added to those that media have, new ones and known ones alike.
    """

    media: tuple[IndexedMedia, ...] = ()
    segments: tuple[NewSegment, ...] = ()
    files: tuple[FileState, ...] = ()
    labels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What can be searched at one instant.

    Attributes:
        encoder: the active one, or None before the first index.
        segments: the segments that it made.
        live_media_ids: (M,) int64 ascending, media with at least one indexed file.
    """

    encoder: EncoderRecord | None
    segments: tuple[SegmentRecord, ...]
    live_media_ids: NDArray[np.int64]


@dataclass(frozen=True)
class Status:
    """A library in figures; media, hours and moments are those that can be found.

    Attributes:
        num_roots: registered folders.
        files: number of files by state.
        failures: number of failed files by reason, the most frequent first.
        media: number of media by kind.
        hours: duration of all media.
        moments: number of moments by modality, of the active encoder.
        num_segments: segment files.
        segment_bytes: their size together.
        encoder: the active one.
    """

    num_roots: int
    files: Mapping[str, int]
    failures: Mapping[str, int]
    media: Mapping[str, int]
    hours: float
    moments: Mapping[str, int]
    num_segments: int
    segment_bytes: int
    encoder: EncoderRecord | None
