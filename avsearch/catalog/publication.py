"""What is published and searched: segments, and what becomes true of them in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avsearch.catalog.records import EncoderRecord, FileState, IndexedMedia
from avsearch.moments import Modality


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
