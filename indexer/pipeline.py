"""Decoding processes, features and the encoder at work at once, on many files; every queue is bounded.

readers   one file each at a time: content hash, probe, decode -> pieces
piles     pieces of all files -> full batches of one modality
encoders  batches -> vectors; on a CPU one for each core, each on one thread, so that none waits for another
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from avsearch import media
from avsearch.cores import num_cores
from avsearch.errors import MediaError
from avsearch.moments import Modality
from indexer.damage import Incomplete
from indexer.discover import FoundFile
from indexer.ingest import Encoded, LeftOut, Piece, Read
from indexer.read_file import ReadFile, ReadOne
from indexer.streams import Unreadable

QUEUED_BATCHES = 16  # read ahead; of 16 seconds of sound each, 50 MB
HELD_PIECES = 256  # of one modality, while the encoder is being loaded;
HELD_BYTES = 50_000_000  # or as many as these hold, if that is fewer
_LOOK_EVERY_S = 0.2  # whether the run has ended
_GOES_HOME_S = 10.0  # in which an encoder's thread ends once it has: a batch, or loading the encoder


class MomentEncoder(Protocol):
    """What the pipeline needs of `avsearch.encoder.Encoder`."""

    @property
    def num_at_once(self) -> int: ...

    def batch_size(self, modality: Modality) -> int: ...

    def work_alone(self) -> None: ...

    def encode_images(self, frames: np.ndarray) -> np.ndarray: ...

    def encode_sounds(self, waveforms: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class _Waiting:
    """A piece that waits for the encoder."""

    read: ReadFile
    piece: Piece


class _Stopped(Exception):  # noqa: N818  (no error: the reader is asked to go home)
    """The run ends before this file does."""


class Pipeline:
    """One run over some files.

    Attributes:
        embed_cpu_s: CPU seconds of the encoder's threads so far.
    """

    def __init__(
        self,
        read_one: ReadOne,
        load_encoder: Callable[[], MomentEncoder],
        *,
        stop: threading.Event,
        num_readers: int | None = None,
    ) -> None:
        self._read_one = read_one
        self._load_encoder = load_encoder  # called once there is something to encode
        self._stop = stop  # the user's: begin nothing new
        self._quit = threading.Event()  # ours: nobody listens any more
        self._num_readers = num_readers or num_cores()
        self._lock = threading.Lock()
        self._piles: dict[Modality, list[_Waiting]] = {it: [] for it in Modality}
        self._batches: queue.Queue[list[_Waiting]] = queue.Queue(QUEUED_BATCHES)
        self._done: queue.SimpleQueue[ReadFile | BaseException] = queue.SimpleQueue()
        self._encoder: Future[MomentEncoder] | None = None
        self._encoding: list[threading.Thread] = []
        self.embed_cpu_s = 0.0

    def run(self, files: Sequence[FoundFile]) -> Generator[ReadFile]:
        """Yield each file once all its moments are encoded, or once it has failed; not in order."""
        with ThreadPoolExecutor(self._num_readers, thread_name_prefix="read") as readers:
            try:
                reading = [readers.submit(self._read, file) for file in files]
                threading.Thread(target=self._encode_rest, args=(reading,), daemon=True).start()
                for _ in files:
                    done = self._done.get()
                    if isinstance(done, BaseException):
                        raise done
                    if done.bug is not None:
                        raise done.bug
                    yield done
            finally:
                self._quit.set()
                readers.shutdown(cancel_futures=True)
                self._end_encoding()

    def _read(self, file: FoundFile) -> None:
        """Read one file to its end, or to what keeps it from there."""
        result = ReadFile(file)
        try:
            self._refuse_to_go_on()
            with media.while_waiting(self._refuse_to_go_on):  # a decoder may hang
                for read in self._read_one(result):
                    self._refuse_to_go_on()
                    self._take(result, read)
        except _Stopped:
            result.is_abandoned = True
        except MediaError as error:
            result.info, result.reason = None, str(error)
        except OSError as error:
            result.info, result.reason = None, f"{file.path}: cannot be read ({error.strerror})."
        except Exception as error:  # noqa: BLE001  (it must not vanish in a thread)
            result.bug = error
        self._close(result)

    def _refuse_to_go_on(self) -> None:
        if self._stop.is_set() or self._quit.is_set():
            raise _Stopped

    def _take(self, result: ReadFile, read: Read) -> None:
        match read:
            case LeftOut():
                result.left_out[read.modality] += 1
            case Unreadable() | Incomplete():
                result.reason = f"{result.reason} {read.reason}".strip()
            case Encoded():
                with self._lock:
                    result.vectors[read.modality] += list(read.vectors)
                    result.starts_us[read.modality] += read.starts_us.tolist()
            case Piece():
                self._pile_up(_Waiting(result, read))

    def _pile_up(self, waiting: _Waiting) -> None:
        """Add to the pieces of its modality; full batches go on to the encoders."""
        with self._lock:
            encoder = self._requested_encoder()
            waiting.read.num_open += 1
            modality = waiting.piece.modality
            pile = self._piles[modality]
            pile.append(waiting)
            most = min(HELD_PIECES, HELD_BYTES // waiting.piece.content.nbytes + 1)
            if not encoder.done() and len(pile) < most:
                return
        self._hand_on(modality, at_least=self._await(encoder).batch_size(modality))

    def _requested_encoder(self) -> Future[MomentEncoder]:
        """The encoder, which is loaded from the first piece on, while decoding continues."""
        if self._encoder is None:
            self._encoder = Future()
            for number in range(num_cores()):
                given = (self._encoder, number)
                thread = threading.Thread(target=self._encode, args=given, name=f"encode_{number}", daemon=True)
                self._encoding.append(thread)
                thread.start()
        return self._encoder

    def _await(self, encoder: Future[MomentEncoder]) -> MomentEncoder:
        while not self._quit.is_set():
            with suppress(TimeoutError):
                return encoder.result(timeout=_LOOK_EVERY_S)
        raise _Stopped

    def _hand_on(self, modality: Modality, *, at_least: int) -> None:
        """Cut batches from a pile as long as it holds enough for one."""
        assert self._encoder is not None
        size = self._await(self._encoder).batch_size(modality)
        while True:
            with self._lock:
                pile = self._piles[modality]
                if len(pile) < at_least:
                    return
                batch, self._piles[modality] = pile[:size], pile[size:]
            self._put(batch)

    def _put(self, batch: list[_Waiting]) -> None:
        while not self._quit.is_set():
            with suppress(queue.Full):
                return self._batches.put(batch, timeout=_LOOK_EVERY_S)
        raise _Stopped

    def _encode_rest(self, reading: Sequence[Future[None]]) -> None:
        """Once all files are read, the encoders get what fills no batch."""
        wait(reading)
        with suppress(_Stopped):
            for modality in Modality:
                if self._piles[modality]:
                    self._hand_on(modality, at_least=1)

    def _encode(self, encoder: Future[MomentEncoder], number: int) -> None:
        """One encoder's thread; the first one loads the encoder for all."""
        try:
            if number == 0:
                encoder.set_result(self._load_encoder())
            loaded = self._await(encoder)
            if number >= loaded.num_at_once:
                return
            loaded.work_alone()
            while (batch := self._batches.get()) and not self._quit.is_set():
                self._encode_batch(loaded, batch)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001  (it must not vanish in a thread)
            self._done.put(error)
            self._quit.set()

    def _end_encoding(self) -> None:
        """Wait for the encoders' threads: one that is inside torch when the process ends aborts it."""
        for _ in self._encoding:
            with suppress(queue.Full):  # then none of them waits for a batch
                self._batches.put_nowait([])
        for thread in self._encoding:
            thread.join(_GOES_HOME_S)

    def _encode_batch(self, encoder: MomentEncoder, batch: Sequence[_Waiting]) -> None:
        began = time.thread_time()
        modality = batch[0].piece.modality
        encode = encoder.encode_images if modality is Modality.IMAGE else encoder.encode_sounds
        vectors = encode(np.stack([waiting.piece.content for waiting in batch]))
        for waiting, vector in zip(batch, vectors, strict=True):
            with self._lock:
                waiting.read.vectors[modality].append(vector)
                waiting.read.starts_us[modality].append(waiting.piece.start_us)
            self._close(waiting.read)
        with self._lock:
            self.embed_cpu_s += time.thread_time() - began

    def _close(self, read: ReadFile) -> None:
        """One piece of a file is encoded, or its reader is through; after the last of them the file is done."""
        with self._lock:
            read.num_open -= 1
            is_done = read.num_open == 0
        if is_done:
            self._done.put(read)
