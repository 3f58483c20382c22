"""Reads one file for the index: is its content known, what is it, what are its moments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace

from avsearch import media
from avsearch.errors import MediaError
from avsearch.front_end import FrontEnd
from avsearch.moments import MediaInfo, Modality
from avsearch.remote import is_remote
from indexer.ingest import LeftOut, Piece, Read, read_pieces, with_true_duration
from indexer.read_file import ReadFile, ReadOne


class Claims:
    """Which contents need no reading: the library's own, and those that this run has begun to read."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        self._claimed: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, content_hash: str) -> bool:
        """Whether the caller is the first who is to read a content."""
        with self._lock:  # several readers ask at once
            is_first = content_hash not in self._known and content_hash not in self._claimed
            self._claimed.add(content_hash)
            return is_first


@dataclass(frozen=True)
class NewFileReader:
    """Reads files that the library does not know as they are.

    Attributes:
        read_content: reads one whose content is new.
        claims: contents that need no reading.
        shared_sizes: sizes in bytes that more than one file has: the content of those is looked at first.
        hash_content: the hash of a file's bytes; none where its store does not give it.
    """

    read_content: ReadOne
    claims: Claims
    shared_sizes: Collection[int]
    hash_content: Callable[[ReadFile], str] = lambda result: media.content_hash(result.bytes_at)

    def __call__(self, result: ReadFile) -> Iterator[Read]:
        """Give the pieces of a file, and fill in its hash and what it is.

        Raises:
            MediaError: it cannot be read, or changes meanwhile.
        """
        if not is_remote(result.bytes_at):
            media.require_file(result.bytes_at)
        if result.file.size_bytes in self.shared_sizes:
            result.content_hash = self.hash_content(result)
            if result.unreached:
                return
            result.is_known = not self.claims.claim(result.content_hash)
        if result.is_known:
            require_unchanged(result)
            return
        yield from self.read_content(result)
        if result.unreached:
            return
        self.claims.claim(result.content_hash)


@dataclass(frozen=True)
class ContentReader:
    """Reads whole files, here or on another machine.

    Attributes:
        front_end: of the encoder.
        gap_us: microseconds between image moments beyond which frames are decoded exactly.
        audio_stream: which of several sound streams, counted from 0.
        num_threads: of each decoder.
        modalities: what the encoder can encode; a side of a file that it cannot is not read.
        plans: content hashes of media that are known, but not to this encoder -> what they were indexed with:
            `gap_us` and the stream of sound. Their moments stay what they are.
    """

    front_end: FrontEnd
    gap_us: int
    audio_stream: int | None = None
    num_threads: int = 1
    modalities: Collection[Modality] = tuple(Modality)
    plans: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)

    def __call__(self, result: ReadFile) -> Iterator[Read]:
        """Give the pieces of a file, and fill in what it is, and its hash if that is not known.

        Raises:
            MediaError: it cannot be read, or changes meanwhile.
        """
        info = self._examine(result)  # first: what is no media at all is not worth hashing
        if result.content_hash:
            yield from self._read(result, info)
        else:  # nothing has its size, so it is new: the bytes need passing through memory only once
            with ThreadPoolExecutor(1) as pool:
                hashing = pool.submit(copy_context().run, media.content_hash, result.bytes_at)
                yield from self._read(result, info)
                result.content_hash = hashing.result()
        require_unchanged(result)

    def _examine(self, result: ReadFile) -> MediaInfo:
        result.gap_us, audio_stream = self.plans.get(result.content_hash, (self.gap_us, self.audio_stream))
        examined = media.examine(result.bytes_at, audio_stream=audio_stream)
        result.reason = " ".join(examined.left_out)
        return examined.info

    def _read(self, result: ReadFile, info: MediaInfo) -> Iterator[Read]:
        """A file of which the encoder has no side at all is known, and has no moments."""
        path, last_us = result.bytes_at, -1
        part = info.limited_to(self.modalities)
        if part.video is None and part.audio is None:
            result.info = info
            return
        for read in read_pieces(path, part, self.front_end, gap_us=result.gap_us, num_threads=self.num_threads):
            if isinstance(read, Piece | LeftOut):
                last_us = max(last_us, read.start_us)
            yield read
        true = with_true_duration(part, last_us, path, gap_us=result.gap_us)
        is_whole = part == info or not info.duration_us  # else the side that was not read may be longer
        result.info = replace(info, duration_us=true.duration_us) if is_whole else info


def require_unchanged(result: ReadFile) -> None:
    """Refuse a file that is no longer as it was found; what was fetched is as it was then.

    Raises:
        MediaError: its size or time is another.
    """
    if is_remote(result.file.path):
        return
    file = result.file
    now = file.path.stat()
    if (now.st_size, now.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
        raise MediaError(f"{file.path}: it changed while it was read.", hint="Index it again when it is complete.")
