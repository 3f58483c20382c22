"""Threads that do what takes long, so many and no more; whoever cannot be served soon is told at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request

from avsearch.errors import MediaError
from avsearch.media.waiting import while_waiting
from avsearch.web.refusals import Refused, busy

T = TypeVar("T")
_LOOK_EVERY_S = 0.5  # whether the client is still there


class ClientGone(Refused):
    """Nobody waits for the answer any more."""

    def __init__(self) -> None:
        super().__init__(499, "The client has gone.")


@dataclass(eq=False)
class _Task:
    """One piece of work, which looks at this while it waits for a decoder or for the encoder."""

    limit_s: float
    began: float = field(default_factory=time.monotonic)
    given_up: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """End the work when nobody wants it any more, or it takes too long."""
        if self.given_up.is_set():
            raise ClientGone
        if time.monotonic() - self.began > self.limit_s:
            raise MediaError(
                f"It takes longer than {self.limit_s:.0f} s.", hint="Ask with a shorter stretch, or a smaller file."
            )


class Crew:
    """A bounded pool of threads behind a bounded queue."""

    def __init__(self, name: str, *, num_threads: int, num_waiting: int, limit_s: float) -> None:
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix=name)
        self._most = num_threads + num_waiting
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._tasks: set[_Task] = set()
        self._is_closed = False

    @property
    def num_tasks(self) -> int:
        """Those under way and those that wait."""
        return len(self._tasks)

    async def run(self, request: Request | None, work: Callable[[], T]) -> tuple[T, float]:
        """What the work returns, and the seconds that it waited for a thread.

        Args:
            request: whose client is looked after; when it goes, the work ends at the next occasion.
            work: done in another thread, under `media.while_waiting`.

        Raises:
            Refused: there is too much to do, or the client has gone.
            Exception: whatever the work raises.
        """
        task = self._enter()
        future = self._pool.submit(self._do, task, work)
        future.add_done_callback(lambda _: self._leave(task))
        waiting = asyncio.wrap_future(future)
        try:
            while not (await asyncio.wait({waiting}, timeout=_LOOK_EVERY_S))[0]:
                if request is not None and await request.is_disconnected():
                    raise ClientGone
            return waiting.result()
        finally:
            task.given_up.set()
            waiting.cancel()

    def close(self) -> None:
        """Give up all work and end the threads."""
        with self._lock:
            self._is_closed = True
            for task in self._tasks:
                task.given_up.set()
        self._pool.shutdown(cancel_futures=True)

    def _enter(self) -> _Task:
        with self._lock:
            if self._is_closed or len(self._tasks) >= self._most:
                raise busy()
            task = _Task(self._limit_s)
            self._tasks.add(task)
            return task

    def _leave(self, task: _Task) -> None:
        with self._lock:
            self._tasks.discard(task)

    def _do(self, task: _Task, work: Callable[[], T]) -> tuple[T, float]:
        waited_s = time.monotonic() - task.began
        task.began += waited_s
        task.look()
        with while_waiting(task.look):
            return work(), waited_s
