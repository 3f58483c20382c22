"""A stage before the decoders: what lies behind a URL is copied to this machine, a few files ahead."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from avsearch.errors import MediaError, StorageError
from avsearch.media.waiting import still_waiting
from avsearch.remote import address, default_originals, is_remote
from indexer.discover import FoundFile
from indexer.ingest import Read
from indexer.read_file import ReadFile, ReadOne

NUM_AHEAD = 4  # files that are fetched while as many as there are decoders are read
MOST_REFUSALS = 3  # of one root, one after another; then nothing more is asked of it in this run
_LOOK_EVERY_S = 0.2
_AGAIN = "Run the same command again when the store answers."


def fetched(file: FoundFile) -> AbstractContextManager[Path]:
    """A copy of what lies behind a URL, which goes at the end of the block.

    Raises:
        StorageError: its store does not give it.
        MediaError: it has changed, or there is no room for it.
        LibraryError: no copy can be kept at all.
    """
    return default_originals().at_hand(file.path, file.version, lasts=False, still=still_waiting)


def told_of_store(error: StorageError, path: Path) -> str:
    """What a store says of a file, in a sentence that does not name it."""
    return f"{error.message} {error.hint}".removeprefix(f"{address(path)}: ")


@dataclass
class FetchedReader:
    """Reads files, those behind a URL by a copy, which goes afterwards.

    Attributes:
        read_one: reads a file by `ReadFile.bytes_at`.
        num_decoders: as many are read at once; those that are being fetched are not counted.
    """

    read_one: ReadOne
    num_decoders: int
    _turns: threading.Semaphore = field(init=False)
    _refusals: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._turns = threading.Semaphore(self.num_decoders)

    def num_readers(self, files: Sequence[FoundFile]) -> int:
        """How many threads it takes to read and to fetch ahead."""
        return self.num_decoders + (NUM_AHEAD if any(is_remote(file.path) for file in files) else 0)

    def __call__(self, result: ReadFile) -> Iterator[Read]:
        """Give the pieces of a file; none where its store does not give it, which is no failure of the file.

        Raises:
            MediaError: it cannot be read, or changes meanwhile, or there is no room for it.
            LibraryError: no copy can be kept at all.
        """
        if not is_remote(result.file.path):
            yield from self._read(result)
            return
        try:
            yield from self._read_copy(result)
        except StorageError as error:
            result.unreached = told_of_store(error, result.file.path)
        except MediaError as error:
            told = error.message.removeprefix(f"{result.copy}: ").removeprefix(f"{address(result.file.path)}: ")
            raise MediaError(f"{result.file.path}: {told}", hint=error.hint) from error
        finally:
            result.copy = None

    def _read_copy(self, result: ReadFile) -> Iterator[Read]:
        file = result.file
        with ExitStack() as stack:
            with self._counting(file.root.id):
                result.copy = stack.enter_context(fetched(file))
            yield from self._read(result)

    def _read(self, result: ReadFile) -> Iterator[Read]:
        while not self._turns.acquire(timeout=_LOOK_EVERY_S):
            still_waiting()
        try:
            yield from self.read_one(result)
        finally:
            self._turns.release()

    @contextmanager
    def _counting(self, root_id: int) -> Iterator[None]:
        """Ask a root no more once it has refused several times, one after another."""
        if self._refusals[root_id] >= MOST_REFUSALS:
            raise StorageError("was not asked for, since its store gave none of those before.", hint=_AGAIN)
        try:
            yield
        except StorageError:
            with self._lock:
                self._refusals[root_id] += 1
            raise
        self._refusals[root_id] = 0
