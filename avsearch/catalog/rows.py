"""Rows of SQL to records and back, one small function each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Row, Select, select

from avsearch.catalog.records import EncoderRecord, FileState, IndexedMedia, Root, SegmentRecord, State
from avsearch.moments import AudioStream, MediaInfo, MediaKind, Modality, VideoStream
from avsearch.schema import encoder, file, segment

NUM_PARAMETERS = 5000  # in one statement; SQLite allows 32,766

T = TypeVar("T")
Values = dict[str, Any]

SELECT_SEGMENTS: Select[Any] = select(segment, encoder.c.fingerprint).join(encoder).order_by(segment.c.id)
LIVE_MEDIA: Select[Any] = select(file.c.media_id).where(file.c.state == State.INDEXED).distinct()


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many values at a time as one statement takes."""
    for first in range(0, len(values), NUM_PARAMETERS):
        yield values[first : first + NUM_PARAMETERS]


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def root_record(row: Row[Any]) -> Root:
    """A row of `root`."""
    return Root(id=row.id, path=Path(os.fsdecode(row.path)))


def file_state(row: Row[Any]) -> FileState:
    """A row of `file`."""
    return FileState(
        root_id=row.root_id,
        path=row.path,
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        state=State(row.state),
        reason=row.reason,
        media_id=row.media_id,
    )


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
    )


def media_values(media: IndexedMedia) -> Values:
    """A new row of `media`."""
    info = media.info
    return {
        "id": media.id,
        "content_hash": media.content_hash,
        "kind": info.kind,
        "container": info.container,
        "duration_us": info.duration_us,
        "start_time_us": info.start_time_us,
        **_video_values(info.video),
        **_audio_values(info.audio),
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
        "video_codec": stream and stream.codec,
        "width": stream and stream.width,
        "height": stream and stream.height,
        "rotation": stream and stream.rotation,
        "frames_per_second": stream and stream.frames_per_second,
    }


def _audio_values(stream: AudioStream | None) -> Values:
    return {
        "audio_index": stream and stream.index,
        "audio_ordinal": stream and stream.ordinal,
        "audio_codec": stream and stream.codec,
        "sample_rate_hz": stream and stream.sample_rate_hz,
        "num_channels": stream and stream.num_channels,
        "is_default_audio": stream and stream.is_default,
    }
