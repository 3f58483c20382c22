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
class Coverage:
    """How many moments of one modality a media has under an encoder; 0 is said as well."""

    fingerprint: str
    media_id: int
    modality: Modality
    num_moments: int


@dataclass(frozen=True, order=True)
class Lost:
    """A media whose vectors of the asked encoder and one modality are not, or not all, there any more."""

    media_id: int
    modality: Modality


@dataclass(frozen=True)
class Publication:
    """What becomes true in one commit.

    `media` are new; `labels` are added to those that media have, new ones and known ones alike; `coverage`
    replaces what was said of the same encoder, media and modality.
    """

    media: tuple[IndexedMedia, ...] = ()
    segments: tuple[NewSegment, ...] = ()
    files: tuple[FileState, ...] = ()
    labels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    coverage: tuple[Coverage, ...] = ()


@dataclass(frozen=True)
class Replacement:
    """Segments that take the place of others in one commit.

    Attributes:
        old: names of the segments that go.
        new: those that come.
        forgotten: media that go with all that is known of them; segments that stay may still hold rows of them.
    """

    old: tuple[str, ...]
    new: tuple[NewSegment, ...]
    forgotten: tuple[int, ...] = ()


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
class IndexerRecord:
    """An indexer at work on a server: which process it is, since when, and how many files it has in hand."""

    name: str
    started_at_us: int
    num_files: int


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
        silent_seconds: seconds of digital silence, left out.
        still_frames: black and frozen frames, left out.
        dead_moments: moments that `compact` would reclaim: of media that no indexed or missing file holds, and
            of encoders neither active nor pending.
        pending: the encoder whose vectors are being made.
        num_pending_done: live media that it has dealt with.
        num_live: media that can be found.
        localizer: the encoder that says where in a picture a sound comes from.
        indexers: who is at work on it, on a server; for SQLite none are counted.
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
    silent_seconds: int
    still_frames: int
    dead_moments: int
    pending: EncoderRecord | None
    num_pending_done: int
    num_live: int
    localizer: EncoderRecord | None
    indexers: tuple[IndexerRecord, ...] = ()
