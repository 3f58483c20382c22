"""Rows of SQL to records and back, one small function each."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, select

from avsearch.catalog.publication import SegmentRecord
from avsearch.catalog.records import EncoderRecord, FileState, IndexedMedia, MediaRecord, Root, State
from avsearch.moments import AudioStream, MediaInfo, MediaKind, Modality, VideoStream
from avsearch.schema import encoder, file, root, segment

NUM_PARAMETERS = 5000  # in one statement; SQLite allows 32,766

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

T = TypeVar("T")
Values = dict[str, Any]

SELECT_SEGMENTS: Select[Any] = select(segment, encoder.c.fingerprint).join(encoder).order_by(segment.c.id)
LIVE_MEDIA: Select[Any] = select(file.c.media_id).where(file.c.state == State.INDEXED).distinct()
KEPT_STATES = (State.INDEXED, State.MISSING)  # a missing file may come back
KEPT_MEDIA: Select[Any] = (
    select(file.c.media_id).where(file.c.state.in_(KEPT_STATES), file.c.media_id.is_not(None)).distinct()
)


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many values at a time as one statement takes."""
    for first in range(0, len(values), NUM_PARAMETERS):
        yield values[first : first + NUM_PARAMETERS]


def read_ids(connection: Connection, statement: Select[Any]) -> NDArray[np.int64]:
    """(N,) int64 ascending: the one column of a statement."""
    ids: NDArray[np.int64] = np.fromiter(connection.scalars(statement), np.int64)
    ids.sort()
    return ids


def read_roots(connection: Connection) -> tuple[Root, ...]:
    """All roots."""
    return tuple(map(root_record, connection.execute(select(root).order_by(root.c.id))))


def storable(text: str) -> str:
    """Text as both databases take it: PostgreSQL knows no NUL, and neither knows half a character."""
    return _NOT_STORABLE.sub(_REPLACEMENT, text)


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def root_record(row: Row[Any]) -> Root:
    """A row of `root`."""
    return Root(id=row.id, path=Path(os.fsdecode(row.path)))


def file_state(row: Row[Any]) -> FileState:
    """A row of `file`; by position, because there are a hundred thousand of them at a time."""
    columns: Sequence[Any] = row
    _, root_id, path, size_bytes, mtime_ns, state, reason, media_id, etag = columns
    return FileState(root_id, path, size_bytes, mtime_ns, State(state), reason, media_id, etag)


def encoder_record(row: Row[Any]) -> EncoderRecord:
    """A row of `encoder`."""
    return EncoderRecord(
        id=row.id,
        fingerprint=row.fingerprint,
        architecture=row.architecture,
        size=row.size,
        recipe=row.recipe,
        dim=row.dim,
    )


def segment_record(row: Row[Any]) -> SegmentRecord:
    """A row of `SELECT_SEGMENTS`."""
    return SegmentRecord(
        name=row.name,
        modality=Modality(row.modality),
        fingerprint=row.fingerprint,
        num_rows=row.num_rows,
        dim=row.dim,
        num_bytes=row.num_bytes,
        checksum=row.checksum,
    )


def media_info(row: Row[Any]) -> MediaInfo:
    """A row of `media`, as the demuxer said it."""
    return MediaInfo(
        kind=MediaKind(row.kind),
        duration_us=row.duration_us,
        start_time_us=row.start_time_us,
        container=row.container,
        video=None if row.video_index is None else _video_stream(row),
        audio=None if row.audio_index is None else _audio_stream(row),
        timecode=row.timecode,
    )


def media_record(row: Row[Any], *, labels: Sequence[str], paths: Sequence[Path]) -> MediaRecord:
    """A row of `media`, with what other tables say of it."""
    return MediaRecord(
        id=row.id,
        content_hash=row.content_hash,
        info=media_info(row),
        labels=tuple(labels),
        paths=tuple(paths),
        num_silent=row.num_silent,
        num_still=row.num_still,
        gap_us=row.gap_us,
        added_at_us=row.added_at_us,
    )


def media_values(media: IndexedMedia) -> Values:
    """A new row of `media`."""
    info = media.info
    return {
        "id": media.id,
        "content_hash": media.content_hash,
        "kind": info.kind,
        "container": storable(info.container),
        "duration_us": info.duration_us,
        "start_time_us": info.start_time_us,
        **_video_values(info.video),
        **_audio_values(info.audio),
        "timecode": storable(info.timecode),
        "num_silent": media.num_silent,
        "num_still": media.num_still,
        "gap_us": media.gap_us,
        "added_at_us": now_us(),
    }


def _video_stream(row: Row[Any]) -> VideoStream:
    return VideoStream(
        index=row.video_index,
        codec=row.video_codec,
        width=row.width,
        height=row.height,
        rotation=row.rotation,
        frames_per_second=row.frames_per_second,
    )


def _audio_stream(row: Row[Any]) -> AudioStream:
    return AudioStream(
        index=row.audio_index,
        ordinal=row.audio_ordinal,
        codec=row.audio_codec,
        sample_rate_hz=row.sample_rate_hz,
        num_channels=row.num_channels,
        is_default=row.is_default_audio,
    )


def _video_values(stream: VideoStream | None) -> Values:
    return {
        "video_index": stream and stream.index,
        "video_codec": stream and storable(stream.codec),
        "width": stream and stream.width,
        "height": stream and stream.height,
        "rotation": stream and stream.rotation,
        "frames_per_second": stream and stream.frames_per_second,
    }


def _audio_values(stream: AudioStream | None) -> Values:
    return {
        "audio_index": stream and stream.index,
        "audio_ordinal": stream and stream.ordinal,
        "audio_codec": stream and storable(stream.codec),
        "sample_rate_hz": stream and stream.sample_rate_hz,
        "num_channels": stream and stream.num_channels,
        "is_default_audio": stream and stream.is_default,
    }
