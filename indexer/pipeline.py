"""Several files are decoded at once, their moments encoded together in batches; queues are bounded."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsearch import media
from avsearch.errors import MediaError
from avsearch.front_end import FrontEnd
from avsearch.moments import MediaInfo, Modality
from indexer.discover import FoundFile
from indexer.ingest import Piece, read_pieces, with_true_duration

BATCH = 64
QUEUE_PIECES = 512


class MomentEncoder(Protocol):
    """What the pipeline needs of `avsearch.encoder.Encoder`."""

    @property
    def front_end(self) -> FrontEnd: ...

    def encode_images(self, frames: np.ndarray) -> np.ndarray: ...

    def encode_sounds(self, waveforms: np.ndarray) -> np.ndarray: ...


@dataclass
class ReadFile:
    """What became of one file: its moments and their vectors, or the reason why there are none.

    Attributes:
        content_hash: of its bytes; empty if not even those could be read.
        info: what the demuxer says; None for a failure.
        known: whether the content needs no reading: the library or this run has it already.
        vectors: the unit rows of each modality, moment by moment.
        starts_us: their times.
        reason: why it failed.
        bug: what should not have happened while it was read; raised where the files are collected.
    """

    file: FoundFile
    content_hash: str = ""
    info: MediaInfo | None = None
    known: bool = False
    vectors: dict[Modality, list[NDArray[np.float32]]] = field(default_factory=lambda: {it: [] for it in Modality})
    starts_us: dict[Modality, list[int]] = field(default_factory=lambda: {it: [] for it in Modality})
    reason: str = ""
    bug: Exception | None = None


@dataclass(frozen=True)
class _Told:
    """A reader's message: one more moment of a file, or (piece None) that the file is over."""

    read: ReadFile
    piece: Piece | None


def read_files(
    files: Sequence[FoundFile],
    encoder: MomentEncoder,
    *,
    is_known: Callable[[str], bool],
    audio_stream: int | None = None,
    num_workers: int | None = None,
) -> Iterator[ReadFile]:
    """Yield each file once all its moments are encoded, or once it has failed; not in order.

    Args:
        files: what to read.
        encoder: makes the vectors.
        is_known: told a content hash once for each file; true means that its content need not be read.
        audio_stream: which of several sound streams, counted from 0.
        num_workers: files decoded at once; by default one for each core.
    """
    waiting: dict[Modality, list[_Told]] = {it: [] for it in Modality}
    over: list[ReadFile] = []
    num_over = 0
    readers = _Readers(encoder.front_end, is_known, audio_stream)
    with readers.started(files, num_workers or os.cpu_count() or 1) as told:
        while num_over < len(files):
            message = told.get()
            if message.read.bug is not None:
                raise message.read.bug
            if message.piece is None:
                over.append(message.read)
                num_over += 1
            else:
                waiting[message.piece.modality].append(message)
                if len(waiting[message.piece.modality]) < BATCH:
                    continue
            _encode_full(waiting, encoder, everything=num_over == len(files))
            yield from (read for read in over if not _has_waiting(read, waiting))
            over = [read for read in over if _has_waiting(read, waiting)]


def _has_waiting(read: ReadFile, waiting: dict[Modality, list[_Told]]) -> bool:
    return any(message.read is read for batch in waiting.values() for message in batch)


def _encode_full(waiting: dict[Modality, list[_Told]], encoder: MomentEncoder, *, everything: bool) -> None:
    """Encode the batches that are full, or all that is left at the end."""
    encode = {Modality.IMAGE: encoder.encode_images, Modality.AUDIO: encoder.encode_sounds}
    for modality, batch in waiting.items():
        if batch and (everything or len(batch) >= BATCH):
            pieces = [message.piece for message in batch if message.piece is not None]
            vectors = encode[modality](np.stack([piece.content for piece in pieces]))
            for message, piece, vector in zip(batch, pieces, vectors, strict=True):
                message.read.vectors[modality].append(vector)
                message.read.starts_us[modality].append(piece.start_us)
            batch.clear()


class _Stopped(Exception):  # noqa: N818  (no error: the reader is asked to go home)
    """The run ends before this file does."""


class _Readers:
    """Threads that read one file each at a time and tell what they find, in a bounded queue."""

    def __init__(self, front_end: FrontEnd, is_known: Callable[[str], bool], audio_stream: int | None) -> None:
        self._front_end = front_end
        self._is_known = is_known
        self._audio_stream = audio_stream
        self._told: queue.Queue[_Told] = queue.Queue(QUEUE_PIECES)
        self._stop = threading.Event()

    @contextmanager
    def started(self, files: Sequence[FoundFile], num_workers: int) -> Iterator[queue.Queue[_Told]]:
        """Read all files; a block that is left early sends the threads home."""
        with ThreadPoolExecutor(max_workers=num_workers, thread_name_prefix="read") as pool:
            try:
                for file in files:
                    pool.submit(self._read, file)
                yield self._told
            finally:
                self._stop.set()
                pool.shutdown(cancel_futures=True)

    def _read(self, file: FoundFile) -> None:
        """Read one file and tell its moments, then that it is over."""
        result = ReadFile(file)
        try:
            self._tell_pieces(result)
        except _Stopped:
            return
        except Exception as error:  # noqa: BLE001  (it must not vanish in a thread)
            result.bug = error
        with suppress(_Stopped):
            self._tell(_Told(result, None))

    def _tell_pieces(self, result: ReadFile) -> None:
        """Tell every moment of a file; a failure becomes its reason."""
        path = result.file.path
        last_us = -1
        try:
            info = media.probe(path, audio_stream=self._audio_stream)
            result.content_hash = media.content_hash(path)
            result.known = self._is_known(result.content_hash)
            if not result.known:
                for piece in read_pieces(path, info, self._front_end):
                    last_us = max(last_us, piece.start_us)
                    self._tell(_Told(result, piece))
                info = with_true_duration(info, last_us, path)
            result.info = info
        except MediaError as error:
            result.reason = str(error)
        except OSError as error:
            result.reason = f"{path}: cannot be read ({error.strerror})."

    def _tell(self, message: _Told) -> None:
        while not self._stop.is_set():
            with suppress(queue.Full):
                return self._told.put(message, timeout=0.2)
        raise _Stopped
