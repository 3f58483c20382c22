"""Indexing that was asked for over HTTP: one run at a time, in a thread beside the server's own work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avsearch.catalog import State
from avsearch.errors import AvsearchError
from avsearch.web.observing import LOGGER
from avsearch.web.refusals import Refused
from indexer.build import index
from indexer.events import Event, FileDone, Found
from indexer.index_job import IndexJob

_BEGINS_S = 0.5  # within which a run says that it cannot begin
_STOPS_S = 10.0


@dataclass(frozen=True)
class Progress:
    """How far a run is: of `files` to read `done` are dealt with, `failed` among them."""

    running: bool = True
    files: int = 0
    done: int = 0
    failed: int = 0
    message: str = "Looking for files."


class Indexing:
    """The indexing runs of a server."""

    def __init__(self, library: Path, device: str) -> None:
        self._library = library
        self._device = device
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._log = logging.getLogger(LOGGER)
        self.progress: Progress | None = None

    def start(self, paths: Sequence[Path], *, retry_failed: bool) -> Progress:
        """Begin a run over some folders.

        Raises:
            Refused: one is under way, or it cannot begin.
        """
        job = IndexJob(paths=paths, library=self._library, retry_failed=retry_failed, device=self._device)
        failed = threading.Event()
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise Refused(409, "Indexing is under way.", hint="Wait until it is done.")
            self.progress = Progress()
            self._thread = threading.Thread(target=self._run, args=(job, failed), name="indexing", daemon=True)
            self._thread.start()
        if failed.wait(_BEGINS_S):
            raise Refused(409, self.progress.message)
        return self.progress

    def close(self) -> None:
        """Let a run finish what is in hand, and wait a little for that; what is not committed is read again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOPS_S)

    def _run(self, job: IndexJob, failed: threading.Event) -> None:
        try:
            done = index(job, self._hear, self._stop)
            self._tell(f"{done.num_indexed} files indexed, {len(done.failures)} failed.", running=False)
        except AvsearchError as error:
            self._tell(str(error), running=False)
            failed.set()
        except Exception:  # noqa: BLE001  (a thread's error would be seen by nobody)
            self._log.exception("indexing failed")
            self._tell("Indexing broke off; the server's log says why.", running=False)
            failed.set()

    def _hear(self, event: Event) -> None:
        now = self.progress or Progress()
        if isinstance(event, Found):
            self.progress = replace(now, files=event.num_files, message="Reading.")
        elif isinstance(event, FileDone):
            failed = now.failed + (event.state is State.FAILED)
            self.progress = replace(now, done=now.done + 1, failed=failed)

    def _tell(self, message: str, *, running: bool) -> None:
        self.progress = replace(self.progress or Progress(), running=running, message=message)
