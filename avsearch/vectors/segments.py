"""Segments: immutable safetensors files with the vectors of one modality, one row a moment.

    vector    (N, D) float16 or float32, unit rows
    media_id  (N,) int64, ascending
    start_us  (N,) int64, ascending within a media

Without avsearch: `safetensors.numpy.load_file(path)["vector"]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import safetensors.numpy
import xxhash
from numpy.typing import NDArray

from avsearch.errors import LibraryError
from avsearch.moments import Modality
from avsearch.vectors.header import FORMAT_VERSION, SegmentHeader, parse_header

SUFFIX = ".safetensors"
UNIT_TOLERANCE = 0.01  # of a squared norm
SMALL_BYTES = 1 << 20  # a smaller file is read instead of mapped: a mapping holds a file descriptor
_CHECKED_ROWS = 65_536  # at a time
_VERIFY_HINT = "Run `avsearch library verify`."


@dataclass(frozen=True, eq=False)
class Rows:
    """Moments and their vectors, aligned.

    Attributes:
        vector: (N, D) float32 or float16.
        media_id: (N,) int64.
        start_us: (N,) int64, at least 0.
    """

    vector: NDArray[np.floating]
    media_id: NDArray[np.int64]
    start_us: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.vector.ndim != 2 or self.vector.dtype not in (np.float32, np.float16):
            raise ValueError(f"vectors are (N, D) float32 or float16, not {self.vector.shape} {self.vector.dtype}")
        for column in (self.media_id, self.start_us):
            if column.shape != self.vector.shape[:1] or column.dtype != np.int64:
                raise ValueError(f"{self.vector.shape} vectors do not fit {column.shape} {column.dtype}")

    def __len__(self) -> int:
        return len(self.vector)

    @property
    def dim(self) -> int:
        return int(self.vector.shape[1])

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Rows:
        """Some rows, by index or by mask as a copy, by slice as a view."""
        return Rows(vector=self.vector[rows], media_id=self.media_id[rows], start_us=self.start_us[rows])


@dataclass(frozen=True)
class SegmentFile:
    """A written segment; `checksum` is xxh3_128 of the whole file, in hexadecimal."""

    name: str
    modality: Modality
    fingerprint: str
    num_rows: int
    dim: int
    num_bytes: int
    checksum: str


def encode_segment(rows: Rows, *, modality: Modality, fingerprint: str) -> tuple[SegmentFile, bytes]:
    """Rows, sorted by media and time, as a file under a name of its own; all of its bytes.

    Args:
        rows: at least one; no moment twice.
        modality: of all of them.
        fingerprint: of the encoder that made the vectors.

    Raises:
        LibraryError: the vectors are not finite unit rows.
    """
    if fault := fault_in_vectors(rows):
        raise LibraryError(f"The encoder gave vectors that {fault}.", hint="Train it anew, or index with another.")
    ordered = rows
    if fault_in_order(rows):
        ordered = rows.take(np.lexsort((rows.start_us, rows.media_id)))
        if fault := fault_in_order(ordered):
            raise ValueError(f"rows for a segment {fault}")
    header = SegmentHeader(version=FORMAT_VERSION, modality=modality, fingerprint=fingerprint)
    tensors = {"vector": ordered.vector, "media_id": ordered.media_id, "start_us": ordered.start_us}
    data = safetensors.numpy.save(tensors, metadata=header.metadata())
    written = SegmentFile(
        name=uuid4().hex + SUFFIX,
        modality=modality,
        fingerprint=fingerprint,
        num_rows=len(rows),
        dim=rows.dim,
        num_bytes=len(data),
        checksum=xxhash.xxh3_128_hexdigest(data),
    )
    return written, data


def map_segment(path: Path, expected: SegmentFile) -> Rows:
    """Map a segment into memory, read-only, after its checksum was found right.

    Raises:
        LibraryError: it is missing, or is not what the catalog says, to the last bit.
    """
    return check_segment(_read_bytes(path), expected, address=str(path))


def check_segment(data: NDArray[np.uint8], expected: SegmentFile, *, address: str) -> Rows:
    """(B,) uint8 of a segment's file -> its rows, as views.

    Args:
        data: all bytes of it.
        expected: what the catalog says.
        address: where it was read, for messages.

    Raises:
        LibraryError: it is not what the catalog says, to the last bit.
    """
    if len(data) != expected.num_bytes:
        raise _damaged(address, f"it has {len(data)} bytes instead of {expected.num_bytes}")
    if xxhash.xxh3_128_hexdigest(data.data) != expected.checksum:
        raise _damaged(address, "its checksum is another")
    try:
        header, spans = parse_header(data)
        rows = Rows(**{name: span.view(data) for name, span in spans.items()})
    except ValueError as error:
        raise _damaged(address, str(error)) from error
    found = (header.modality, header.fingerprint, len(rows), rows.dim)
    if found != (expected.modality, expected.fingerprint, expected.num_rows, expected.dim):
        raise _damaged(address, "its header contradicts the catalog")
    return rows


def rows_at(segments: Sequence[Rows], row: NDArray[np.int64]) -> Rows:
    """(M,) rows of the concatenation of segments -> those rows, float32 unless all segments are float16."""
    ends = np.cumsum([len(segment) for segment in segments], dtype=np.int64)
    owner = np.searchsorted(ends, row, side="right")
    dim = segments[0].dim if segments else 0
    dtype = np.result_type(*(segment.vector.dtype for segment in segments)) if segments else np.dtype(np.float32)
    vector = np.empty((len(row), dim), dtype)
    media_id, start_us = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
    order = np.argsort(owner, kind="stable")
    for here in np.split(order, np.flatnonzero(np.diff(owner[order])) + 1) if len(row) else ():
        index = owner[here[0]]
        segment = segments[index]
        local = row[here] - (ends[index] - len(segment))
        vector[here], media_id[here] = segment.vector[local], segment.media_id[local]
        start_us[here] = segment.start_us[local]
    return Rows(vector=vector, media_id=media_id, start_us=start_us)


def merge_rows(segments: Sequence[Rows], media_ids: NDArray[np.int64]) -> Rows:
    """The rows of some media out of several segments, sorted by media and time; no number changes."""
    media_id = np.concatenate([segment.media_id for segment in segments])
    start_us = np.concatenate([segment.start_us for segment in segments])
    row = np.flatnonzero(np.isin(media_id, media_ids))
    return rows_at(segments, row[np.lexsort((start_us[row], media_id[row]))])


def fault_in_vectors(rows: Rows) -> str:
    """What is wrong with the vectors, as a phrase; empty when they are finite unit rows."""
    for first in range(0, len(rows), _CHECKED_ROWS):
        block = rows.vector[first : first + _CHECKED_ROWS]
        squares = np.einsum("nd,nd->n", block, block, dtype=np.float32)
        if not np.isfinite(squares).all():
            return "are not finite"
        if np.abs(squares - 1.0).max() > UNIT_TOLERANCE:
            return "have not unit length"
    return ""


def fault_in_order(rows: Rows) -> str:
    """What is wrong with the moments, as a phrase; empty when they ascend, without any twice."""
    if not len(rows):
        return "are none"
    if rows.start_us.min() < 0:
        return "begin before their media"
    media_step, time_step = np.diff(rows.media_id), np.diff(rows.start_us)
    if ((media_step < 0) | ((media_step == 0) & (time_step <= 0))).any():
        return "do not ascend by media and time"
    return ""


def count_by_media(rows: Rows) -> Mapping[int, int]:
    """Media ids -> number of rows, ascending."""
    media_ids, counts = np.unique(rows.media_id, return_counts=True)
    return dict(zip(media_ids.tolist(), counts.tolist(), strict=True))


def unreadable(address: str, why: str) -> LibraryError:
    """The error for a segment that is not there, or that cannot be read."""
    return LibraryError(f"{address}: the segment cannot be read ({why}).", hint=_VERIFY_HINT)


def _read_bytes(path: Path) -> NDArray[np.uint8]:
    try:
        if path.stat().st_size > SMALL_BYTES:
            return np.asarray(np.memmap(path, np.uint8, mode="r"))
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise unreadable(str(path), str(error.strerror)) from error
    data.flags.writeable = False
    return data


def _damaged(address: str, why: str) -> LibraryError:
    return LibraryError(f"{address}: the segment is damaged: {why}.", hint=_VERIFY_HINT)
