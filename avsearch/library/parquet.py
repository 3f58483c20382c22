"""Write what a library holds as Parquet, for other programs: one table of moments, one of media."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from avsearch.catalog import EncoderRecord, MediaFilter, MediaRecord
from avsearch.errors import LibraryError
from avsearch.installing import extra_hint
from avsearch.library.layout import made_folder
from avsearch.library.store import Library, View
from avsearch.moments import SECOND_US, Modality, Moment, Progress
from avsearch.remote import address
from avsearch.vectors import Rows, rows_at, written_aside

GROUP_ROWS = 65_536  # of a row group, which a reader has in memory at once
_GROUP_MEDIA = 5_000


@dataclass(frozen=True)
class Exported:
    """What was written, and the two files."""

    num_media: int
    num_moments: int
    paths: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The media to export: (M,) int64 each, ids ascending."""

    media_id: NDArray[np.int64]
    duration_us: NDArray[np.int64]


def export(library: Library, out: Path, *, wanted: MediaFilter, progress: Progress) -> Exported:
    """Write `out/moments.parquet` and `out/media.parquet`; files of these names are replaced when both are whole.

    Args:
        library: whose media that can be found are exported, with the vectors of its active encoder.
        out: a folder, made when it is not there.
        wanted: which media.
        progress: is told of moments.

    Raises:
        LibraryError: nothing has been indexed, pyarrow is not installed, or the folder cannot be written.
    """
    _import_parquet()
    view = library.view(*Modality)
    if view.snapshot.encoder is None:
        raise LibraryError(f"{library.directory}: nothing has been indexed.", hint="Run `avsearch index FOLDER`.")
    media_ids = np.intersect1d(library.catalog.select_media(wanted), view.snapshot.live_media_ids)
    moments, media = out / "moments.parquet", out / "media.parquet"
    made_folder(out, parents=True)
    with written_aside(media) as media_file, written_aside(moments) as moments_file:
        chosen = _write_media(media_file, library, media_ids, view.snapshot.encoder)
        num_moments = _write_moments(moments_file, view, chosen, view.snapshot.encoder, progress)
    return Exported(num_media=len(chosen.media_id), num_moments=num_moments, paths=(moments, media))


def _import_parquet() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet, which take a while to import."""
    try:
        import pyarrow  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise LibraryError(
            "Exporting needs pyarrow, which is not installed.", hint=extra_hint("parquet")
        ) from error
    return pyarrow, pyarrow.parquet


def _write_media(file: BinaryIO, library: Library, media_ids: NDArray[np.int64], encoder: EncoderRecord) -> _Chosen:
    """A row a media; one that was removed since it was chosen is left out."""
    pyarrow, parquet = _import_parquet()
    schema = _media_schema(encoder)
    written: list[MediaRecord] = []
    with parquet.ParquetWriter(file, schema) as writer:
        for first in range(0, len(media_ids), _GROUP_MEDIA):
            records = library.catalog.media_records(media_ids[first : first + _GROUP_MEDIA].tolist())
            live = [record for record in records.values() if record.paths]
            writer.write_table(pyarrow.Table.from_pylist([_media_row(record) for record in live], schema=schema))
            written += live
    return _Chosen(
        media_id=np.array([record.id for record in written], np.int64),
        duration_us=np.array([record.duration_us for record in written], np.int64),
    )


def _media_schema(encoder: EncoderRecord) -> Any:  # noqa: ANN401  (pyarrow has no types)
    pyarrow, _ = _import_parquet()
    text, real = pyarrow.string(), pyarrow.float64()
    columns = {
        "media_id": pyarrow.int64(),
        "content_hash": text,
        "kind": text,
        "duration_s": real,
        "width": pyarrow.int32(),
        "height": pyarrow.int32(),
        "frames_per_second": real,
        "sample_rate_hz": pyarrow.int32(),
        "timecode": text,
        "labels": pyarrow.list_(text),
        "paths": pyarrow.list_(text),
        "added": pyarrow.timestamp("us", tz="UTC"),
    }
    return pyarrow.schema(columns.items(), metadata=_metadata(encoder))


def _media_row(record: MediaRecord) -> dict[str, object]:
    video, audio = record.info.video, record.info.audio
    return {
        "media_id": record.id,
        "content_hash": record.content_hash,
        "kind": str(record.kind),
        "duration_s": record.duration_us / SECOND_US,
        "width": video and video.width,
        "height": video and video.height,
        "frames_per_second": video and video.frames_per_second,
        "sample_rate_hz": audio and audio.sample_rate_hz,
        "timecode": record.info.timecode,
        "labels": list(record.labels),
        "paths": [os.fsencode(address(path)).decode(errors="replace") for path in record.paths],
        "added": record.added_at_us,
    }


def _write_moments(file: BinaryIO, view: View, chosen: _Chosen, encoder: EncoderRecord, progress: Progress) -> int:
    """A row a moment, those of pictures first; returns how many."""
    pyarrow, parquet = _import_parquet()
    schema = _moment_schema(encoder)
    all_rows = [rows for modality in Modality for rows in view.segments[modality]]
    num_moments = sum(int(np.isin(rows.media_id, chosen.media_id).sum()) for rows in all_rows)
    progress.stage("export", num_moments, "moment")
    with parquet.ParquetWriter(file, schema, use_dictionary=["modality"]) as writer:
        for modality in Modality:
            for rows in _row_groups(view.segments[modality], chosen.media_id):
                columns = _moment_columns(rows, modality, chosen)
                vector = pyarrow.FixedSizeListArray.from_arrays(columns["vector"].ravel(), rows.dim)
                writer.write_table(pyarrow.table(columns | {"vector": vector}, schema=schema))
                progress.advance(len(rows))
    return num_moments


def _moment_schema(encoder: EncoderRecord) -> Any:  # noqa: ANN401  (pyarrow has no types)
    pyarrow, _ = _import_parquet()
    columns = {
        "moment_id": pyarrow.string(),
        "media_id": pyarrow.int64(),
        "modality": pyarrow.string(),
        "start_s": pyarrow.float64(),
        "end_s": pyarrow.float64(),
        "vector": pyarrow.list_(pyarrow.float32(), encoder.dim),
    }
    return pyarrow.schema(columns.items(), metadata=_metadata(encoder))


def _metadata(encoder: EncoderRecord) -> dict[str, str]:
    """Only vectors of one encoder can be compared, so each file says whose they are."""
    return {"avsearch_encoder": encoder.fingerprint}


def _row_groups(segments: Sequence[Rows], media_ids: NDArray[np.int64]) -> Iterator[Rows]:
    """The rows of some media, a bounded number at a time."""
    waiting: list[Rows] = []
    num_rows = 0
    for segment in segments:
        for first in range(0, len(segment), GROUP_ROWS):
            some = segment.take(slice(first, first + GROUP_ROWS))
            some = some.take(np.isin(some.media_id, media_ids))
            if num_rows + len(some) > GROUP_ROWS:
                yield _joined(waiting)
                waiting, num_rows = [], 0
            waiting.append(some)
            num_rows += len(some)
    if num_rows:
        yield _joined(waiting)


def _joined(parts: Sequence[Rows]) -> Rows:
    return rows_at(parts, np.arange(sum(map(len, parts))))


def _moment_columns(rows: Rows, modality: Modality, chosen: _Chosen) -> dict[str, Any]:
    """(N,) columns by name, and vector (N, D) float32."""
    end_us = rows.start_us
    if modality is Modality.AUDIO:
        duration_us = chosen.duration_us[np.searchsorted(chosen.media_id, rows.media_id)]
        end_us = np.maximum(np.minimum(rows.start_us + SECOND_US, duration_us), rows.start_us)
    moments = zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True)
    return {
        "moment_id": [Moment(media_id, modality, start_us).id for media_id, start_us in moments],
        "media_id": rows.media_id,
        "modality": [str(modality)] * len(rows),
        "start_s": rows.start_us / SECOND_US,
        "end_s": end_us / SECOND_US,
        "vector": rows.vector.astype(np.float32),
    }
