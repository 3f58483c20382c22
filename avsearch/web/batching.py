"""An encoder that many threads ask: what waits at the same time goes through the network together."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsearch.media.waiting import still_waiting
from avsearch.moments import Modality
from avsearch.query import Encodes

MOST = 64  # moments that are encoded at once
WAIT_S = 0.003  # for others to come
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, eq=False)
class _Wanted:
    """Moments of one request, and where their vectors go."""

    modality: Modality
    moments: NDArray[Any]
    vectors: Future[NDArray[np.float32]] = field(default_factory=Future)

    @property
    def shape(self) -> tuple[object, ...]:
        """What can be encoded together has this in common."""
        return self.modality, self.moments.shape[1:], self.moments.dtype


class BatchingEncoder:
    """Gives requests to one encoder in batches, in a thread of its own; methods as of the encoder itself."""

    def __init__(self, encoder: Encodes, *, most: int = MOST, wait_s: float = WAIT_S) -> None:
        self._encoder = encoder
        self._most = most
        self._wait_s = wait_s
        self._queue: queue.SimpleQueue[_Wanted | None] = queue.SimpleQueue()
        self._held: deque[_Wanted] = deque()
        self._closing = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def encode_images(self, frames: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Squares of moments -> (B, D) float32 unit rows."""
        return self._encode(_Wanted(Modality.IMAGE, frames))

    def encode_sounds(self, waveforms: NDArray[np.float32], /) -> NDArray[np.float32]:
        """(B, 48000) float32 at 48 kHz -> (B, D) float32 unit rows."""
        return self._encode(_Wanted(Modality.AUDIO, waveforms))

    def close(self) -> None:
        """End the thread once what waits is encoded; whoever comes later is answered without batches."""
        with self._closing:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)
        self._thread.join()

    def _encode(self, wanted: _Wanted) -> NDArray[np.float32]:
        with self._closing:
            is_queued = not self._is_closed
            if is_queued:
                self._queue.put(wanted)
        if not is_queued:
            return self._through_network([wanted])
        while True:
            try:
                return wanted.vectors.result(timeout=_LOOK_EVERY_S)
            except TimeoutError:
                still_waiting()

    def _run(self) -> None:
        while batch := self._gather():
            self._answer(batch)

    def _gather(self) -> list[_Wanted]:
        """What is encoded next, of one shape; nothing at the end."""
        first = self._held.popleft() if self._held else self._queue.get()
        if first is None:
            return []
        batch = [first, *self._alike(first)]
        end = time.monotonic() + self._wait_s
        while sum(len(it.moments) for it in batch) < self._most:
            try:
                following = self._queue.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)  # for the next call
                break
            (batch if following.shape == first.shape else self._held).append(following)
        return batch

    def _alike(self, first: _Wanted) -> list[_Wanted]:
        """Those that were held back and now fit; they leave the others behind."""
        alike = [it for it in self._held if it.shape == first.shape]
        self._held = deque(it for it in self._held if it.shape != first.shape)
        return alike

    def _answer(self, batch: Sequence[_Wanted]) -> None:
        try:
            vectors = self._through_network(batch)
        except Exception as error:  # noqa: BLE001  (whatever it is, it belongs to those who wait)
            self._answer_each(batch, error)
            return
        ends = np.cumsum([len(it.moments) for it in batch])[:-1]
        for wanted, own in zip(batch, np.split(vectors, ends), strict=True):
            wanted.vectors.set_result(own)

    def _answer_each(self, batch: Sequence[_Wanted], error: Exception) -> None:
        """One bad request is not to spoil the others."""
        for wanted in batch:
            try:
                if len(batch) == 1:
                    raise error
                wanted.vectors.set_result(self._through_network([wanted]))
            except Exception as own:  # noqa: BLE001  (as above)
                wanted.vectors.set_exception(own)

    def _through_network(self, batch: Sequence[_Wanted]) -> NDArray[np.float32]:
        moments = np.concatenate([it.moments for it in batch]) if len(batch) > 1 else batch[0].moments
        is_image = batch[0].modality is Modality.IMAGE
        return self._encoder.encode_images(moments) if is_image else self._encoder.encode_sounds(moments)
