"""Clips on disk: shards that only ever grow at their end, each with an index of lines beside it.

    NAME.clips   arrays of many clips, one after the other, each at a multiple of 64 bytes
    NAME.jsonl   a header, then a line for each clip, and one for each media of which all clips are there
    damaged.jsonl   places in shards at which a clip was found damaged

A line is a checksum and JSON, and is written after the bytes that it tells of: a clip counts once its line is
there, so that a kill loses the clips in hand and nothing else. Safetensors would want all lengths before the first
byte; here a clip is added without rewriting any. Everything read back is checked: lines when they are loaded, a
clip's bytes (xxh3) when it is first used. A writer holds a lock on its shard, which dies with it; several writers
have several shards, and the next one goes on with a shard that is not full.
"""

from __future__ import annotations

import fcntl
import io
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from avsearch.errors import TrainingError
from trainer.moments import ClipArrays
from trainer.records import DAMAGED, Record, bytes_of, entries, line, padded, record_of, write

SHARD_BYTES = 128 << 20


@dataclass(slots=True)
class Kept:
    """What a cache has of one media: clips by window, and which windows have one (None while not all are done)."""

    clips: tuple[tuple[int, Record], ...] = ()  # a dict would take four times the memory
    windows: tuple[int, ...] | None = None

    @property
    def is_complete(self) -> bool:
        return self.windows is not None and set(self.windows) <= {window for window, _ in self.clips}

    def keep(self, window: int, record: Record, *, shard_size: int) -> None:
        """Of two runs that decoded the same window side by side, the first one counts."""
        if record.at + record.num_bytes <= shard_size and all(window != other for other, _ in self.clips):
            self.clips = (*self.clips, (window, record))

    def records(self) -> list[Record]:
        clips = dict(self.clips)
        return [clips[window] for window in self.windows or ()]


def load(directory: Path, header: Mapping[str, Any]) -> dict[str, Kept]:
    """What a folder holds, by content hash; lines that are torn or damaged are as if they were not there.

    Raises:
        TrainingError: a shard has another header: it was made for other networks, or by another version.
        OSError: the folder cannot be read.
    """
    lost = {(entry["shard"], entry["at"]) for entry in entries(directory / DAMAGED)}
    kept: dict[str, Kept] = {}
    for index in sorted(directory.glob("*.jsonl")):
        shard = index.with_suffix(".clips")
        if index.name == DAMAGED or not shard.exists():
            continue
        size = shard.stat().st_size
        for entry in entries(index):
            if "header" in entry:
                _require(index, entry["header"], header)
                continue
            media = kept.setdefault(entry["content"], Kept())
            if "windows" in entry:
                media.windows = (0,) if entry["windows"] == [0] else tuple(entry["windows"])
            elif (shard.name, entry["at"]) not in lost:
                media.keep(entry["window"], record_of(shard, entry), shard_size=size)
    return kept


class ShardWriter:
    """Adds clips to a folder; threads may share one. A shard is taken or made when the first clip comes."""

    def __init__(self, directory: Path, header: Mapping[str, Any]) -> None:
        self._directory = directory
        self._header = dict(header)
        self._lock = threading.Lock()
        self._shard: _Shard | None = None

    def add(self, content: str, window: int, arrays: ClipArrays) -> Record:
        """Write one clip; it counts from now on.

        Raises:
            OSError: it cannot be written; what was written before stays.
        """
        with self._writing() as shard:
            return shard.add(content, window, arrays)

    def finish(self, content: str, windows: Sequence[int]) -> None:
        """Write down that these windows are all that the media has; none means that it has no clip at all."""
        with self._writing() as shard:
            shard.tell({"content": content, "windows": list(windows)})

    def close(self) -> None:
        with self._lock:
            self._leave()

    @contextmanager
    def _writing(self) -> Iterator[_Shard]:
        with self._lock:
            self._shard = self._shard or _Shard.claim(self._directory, self._header)
            try:
                yield self._shard
            except BaseException:
                self._leave()  # its end may be torn; who claims it next puts that right
                raise
            if self._shard.end >= SHARD_BYTES:
                self._leave()

    def _leave(self) -> None:
        if self._shard is not None:
            self._shard.close()
            self._shard = None


@dataclass
class _Shard:
    """One shard that this process holds the lock of; `end` is where the next clip goes."""

    path: Path
    data: io.FileIO
    index: io.FileIO
    end: int = 0

    @classmethod
    def claim(cls, directory: Path, header: Mapping[str, Any]) -> _Shard:
        """One that nobody writes to and that is not full, else a new one."""
        small = (path for path in sorted(directory.glob("*.clips")) if path.stat().st_size < SHARD_BYTES)
        shard = next(filter(None, map(cls._taken, small)), None)
        if shard is None:
            shard = cls._opened(directory / f"{uuid.uuid4().hex}.clips")
            with suppress(OSError):  # no locks on this file system: then nobody else takes it either
                fcntl.flock(shard.index, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not shard.index.tell():
            shard.tell({"header": dict(header)})
        return shard

    @classmethod
    def _taken(cls, path: Path) -> _Shard | None:
        shard = cls._opened(path)
        try:
            fcntl.flock(shard.index, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            shard.close()
            return None
        shard.mend()
        return shard

    @classmethod
    def _opened(cls, path: Path) -> _Shard:
        data = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return cls(path, io.FileIO(data, "r+"), io.FileIO(path.with_suffix(".jsonl"), "a"))

    def mend(self) -> None:
        """Find the end: throw away a torn line, and the bytes that no line tells of.

        Those bytes are left where any line is damaged: it may have told of them, and another run may read them now.
        """
        index = self.path.with_suffix(".jsonl")
        *whole, torn = index.read_bytes().split(b"\n")
        self.index.truncate(index.stat().st_size - len(torn))
        self.index.seek(0, io.SEEK_END)
        sound = list(entries(index))
        self.end = padded(self.path.stat().st_size)
        if len(sound) == len(whole):
            told = [record_of(self.path, entry) for entry in sound if "at" in entry]
            self.end = max((record.at + record.num_bytes for record in told), default=0)
            self.data.truncate(self.end)

    def add(self, content: str, window: int, arrays: ClipArrays) -> Record:
        digest, at = xxhash.xxh3_64(), self.end
        self.data.seek(at)
        for part in bytes_of(arrays):
            digest.update(part)
            write(self.data, part)
        num_frames, height, width, _ = arrays.frames.shape
        entry = {
            "content": content,
            "window": window,
            "at": at,
            "frames": [num_frames, height, width],
            "times": len(arrays.times_us),
            "samples": len(arrays.sound),
            "start_us": arrays.start_us,
            "flow": arrays.flow is not None,
            "xxh3": digest.hexdigest(),
        }
        self.tell(entry)
        record = record_of(self.path, entry)
        self.end = at + record.num_bytes
        return record

    def tell(self, entry: Mapping[str, Any]) -> None:
        write(self.index, line(entry))

    def close(self) -> None:
        self.data.close()
        self.index.close()


def _require(index: Path, found: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    if dict(found) != dict(header):
        raise TrainingError(
            f"{index}: is of a cache for another kind of clips ({found}).",
            hint="Move it away, or name another folder with --cache.",
        )
