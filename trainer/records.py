"""One decoded clip as bytes in a shard: where it lies, how it is read back, and how a line tells of it."""

from __future__ import annotations

import io
import json
import math
import mmap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from avsearch.errors import TrainingError
from trainer.moments import ClipArrays

DAMAGED = "damaged.jsonl"
_ALIGNMENT = 64
_INT64: np.dtype[Any] = np.dtype(np.int64)
_UINT8: np.dtype[Any] = np.dtype(np.uint8)
_INT16: np.dtype[Any] = np.dtype(np.int16)


@dataclass(frozen=True, slots=True)
class Record:
    """Where a clip is and what shape it has; small, for there may be millions."""

    shard: Path
    at: int
    num_frames: int
    height: int
    width: int
    num_times: int
    num_samples: int
    start_us: int
    has_flow: bool
    checksum: int

    @property
    def num_bytes(self) -> int:
        return sum(padded(size) for _, _, size in self._parts())

    def _parts(self) -> Iterator[tuple[tuple[int, ...], np.dtype[Any], int]]:
        """(shape, type, bytes) of frame_us, times_us, frames, flow and sound, in the order they lie in."""
        pixels = (self.height, self.width)
        flows = self.num_frames - 1 if self.has_flow else 0
        shapes = [(self.num_frames,), (self.num_times,), (self.num_frames, *pixels, 3), (flows, *pixels, 2)]
        kinds = (_INT64, _INT64, _UINT8, _UINT8, _INT16)
        for shape, kind in zip([*shapes, (self.num_samples,)], kinds, strict=True):
            yield shape, kind, math.prod(shape) * kind.itemsize

    def read(self, *, check: bool) -> ClipArrays:
        """The arrays, mapped; with `check` all bytes are read once and compared with their checksum.

        Raises:
            TrainingError: the shard is gone, cut short or damaged.
        """
        try:
            data = self._mapped()
        except (OSError, ValueError) as error:
            raise self._damaged() from error
        if check and xxhash.xxh3_64_intdigest(data.data) != self.checksum:
            raise self._damaged()
        arrays, at = [], 0
        for shape, kind, size in self._parts():
            arrays.append(data[at : at + size].view(kind).reshape(shape))
            at += padded(size)
        frame_us, times_us, frames, flow, sound = arrays
        return ClipArrays(frames, frame_us, times_us, sound, self.start_us, flow if self.has_flow else None)

    def is_sound(self) -> bool:
        try:
            return xxhash.xxh3_64_intdigest(self._mapped().data) == self.checksum
        except (OSError, ValueError):
            return False

    def _mapped(self) -> np.ndarray:
        """All bytes of the clip, (num_bytes,) uint8; the map goes with the last array over it."""
        page = self.at // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        before, size = self.at - page, self.num_bytes
        with self.shard.open("rb", buffering=0) as file:
            mapped = mmap.mmap(file.fileno(), before + size, access=mmap.ACCESS_READ, offset=page)
        return np.frombuffer(mapped, np.uint8, size, before)

    def _damaged(self) -> TrainingError:
        mark_damage(self.shard)
        return TrainingError(
            f"{self.shard}: this part of the cache of decoded clips is damaged.",
            hint="Run the same command again (`avsearch train` with --resume): what is damaged is decoded anew.",
        )


def mark_damage(shard: Path) -> None:
    """Read a whole shard and write down which of its clips are damaged, so that the next run decodes them again."""
    records = [record_of(shard, entry) for entry in entries(shard.with_suffix(".jsonl")) if "at" in entry]
    damaged = [line({"shard": shard.name, "at": record.at}) for record in records if not record.is_sound()]
    with suppress(OSError), (shard.parent / DAMAGED).open("ab") as file:
        file.write(b"".join(damaged))


def record_of(shard: Path, entry: Mapping[str, Any]) -> Record:
    """The clip that a line of the index of `shard` tells of."""
    num_frames, height, width = entry["frames"]
    return Record(
        shard=shard,
        at=entry["at"],
        num_frames=num_frames,
        height=height,
        width=width,
        num_times=entry["times"],
        num_samples=entry["samples"],
        start_us=entry["start_us"],
        has_flow=entry["flow"],
        checksum=int(entry["xxh3"], 16),
    )


def bytes_of(arrays: ClipArrays) -> Iterator[memoryview | bytes]:
    """The bytes of a clip as they lie in the shard, padding included."""
    parts = (arrays.frame_us, arrays.times_us, arrays.frames, arrays.flow, arrays.sound)
    for part in parts:
        if part is not None and part.size:
            flat = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
            yield flat.data
            yield bytes(padded(flat.size) - flat.size)


def entries(index: Path) -> Iterator[dict[str, Any]]:
    """The lines of an index, without those that are torn or damaged."""
    with suppress(FileNotFoundError), index.open("rb") as file:
        for text in file:
            checksum, _, body = text.rstrip(b"\n").partition(b" ")
            if text.endswith(b"\n") and checksum == xxhash.xxh3_64_hexdigest(body).encode():
                yield json.loads(body)


def line(entry: Mapping[str, Any]) -> bytes:
    """An entry of an index as it is written: checksum, JSON, line feed."""
    text = json.dumps(entry, separators=(",", ":")).encode()
    return xxhash.xxh3_64_hexdigest(text).encode() + b" " + text + b"\n"


def write(file: io.FileIO, data: bytes | memoryview) -> None:
    """All of it: one call may write a part."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def padded(size: int) -> int:
    """The size with what fills it up to where the next array may begin."""
    return -(-size // _ALIGNMENT) * _ALIGNMENT
