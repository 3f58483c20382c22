"""Where the arrays of a segment lie in its bytes: a strict reading of the safetensors header.

Every claim is checked against the bytes that are there, because a file can come from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsearch.moments import Modality

FORMAT_VERSION = 1
LENGTH_BYTES = 8  # little-endian, before the header
MAX_HEADER_BYTES = 1 << 16

_VERSION, _MODALITY, _ENCODER = "avsearch_segment", "modality", "encoder"
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "I64": np.dtype("<i8")}
_ALLOWED = {"vector": ("F32", "F16"), "media_id": ("I64",), "start_us": ("I64",)}
_NUM_AXES = {"vector": 2, "media_id": 1, "start_us": 1}


@dataclass(frozen=True)
class SegmentHeader:
    """What a segment says about itself."""

    version: int
    modality: Modality
    fingerprint: str

    def metadata(self) -> dict[str, str]:
        """As it stands in the file."""
        return {_VERSION: str(self.version), _MODALITY: str(self.modality), _ENCODER: self.fingerprint}


@dataclass(frozen=True)
class ArraySpan:
    """An array at bytes [start, end) of its file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    end: int

    def view(self, data: NDArray[np.uint8]) -> NDArray[Any]:
        """The array itself, without a copy."""
        return data[self.start : self.end].view(self.dtype).reshape(self.shape)


def parse_header(data: NDArray[np.uint8]) -> tuple[SegmentHeader, dict[str, ArraySpan]]:
    """Bytes of a whole segment -> its header, and where `vector`, `media_id` and `start_us` lie.

    Raises:
        ValueError: a phrase that says what is wrong.
    """
    first = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES].tobytes(), "little")
    if not LENGTH_BYTES < first <= min(len(data), MAX_HEADER_BYTES):
        raise ValueError("its header has no sensible length")
    entries = _read_json(data[LENGTH_BYTES:first].tobytes())
    header = _segment_header(entries.pop("__metadata__", None))
    if set(entries) != set(_ALLOWED):
        raise ValueError("its arrays are not vector, media_id and start_us")
    spans = {name: _array_span(name, entries[name], first) for name in _ALLOWED}
    _refuse_gaps(spans, first, len(data))
    return header, spans


def _read_json(text: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("its header is not JSON") from error
    if not isinstance(entries, dict):
        raise ValueError("its header is not a JSON object")
    return entries


def _segment_header(metadata: object) -> SegmentHeader:
    if not isinstance(metadata, dict) or metadata.get(_VERSION) != str(FORMAT_VERSION):
        raise ValueError(f"it is not a segment of version {FORMAT_VERSION}")
    modality, fingerprint = metadata.get(_MODALITY), metadata.get(_ENCODER)
    if modality not in tuple(Modality) or not isinstance(fingerprint, str):
        raise ValueError("its header names no modality or no encoder")
    return SegmentHeader(version=FORMAT_VERSION, modality=Modality(modality), fingerprint=fingerprint)


def _array_span(name: str, entry: object, first: int) -> ArraySpan:
    fields: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
    shape, offsets = _integers(fields.get("shape")), _integers(fields.get("data_offsets"))
    if fields.get("dtype") not in _ALLOWED[name] or len(shape) != _NUM_AXES[name] or len(offsets) != 2:
        raise ValueError(f"its header does not describe {name}")
    span = ArraySpan(_DTYPES[fields["dtype"]], shape, first + offsets[0], first + offsets[1])
    size = span.dtype.itemsize
    for length in shape:
        size *= length
    if span.end - span.start != size or span.start % span.dtype.itemsize:
        raise ValueError(f"{name} does not lie where its header says")
    return span


def _integers(values: object) -> tuple[int, ...]:
    """A JSON list of numbers of at least 0; empty for anything else."""
    if isinstance(values, list) and all(type(value) is int and value >= 0 for value in values):
        return tuple(values)
    return ()


def _refuse_gaps(spans: Mapping[str, ArraySpan], first: int, num_bytes: int) -> None:
    """The arrays fill the file from the header to its end, without overlap."""
    end = first
    for span in sorted(spans.values(), key=lambda span: (span.start, span.end)):
        if span.start != end:
            raise ValueError("its arrays overlap or leave gaps")
        end = span.end
    if end != num_bytes:
        raise ValueError("its arrays do not end where the file ends")
