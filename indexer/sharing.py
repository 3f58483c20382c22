"""The files of a run that others read at the same time: who reads which, and what became of those of others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avsearch.catalog import FileState
from avsearch.library import Writer
from indexer.discover import FoundFile
from indexer.events import Elsewhere, Listener
from indexer.ingest import Read
from indexer.read_file import ReadFile, ReadOne

FEWEST, MOST = 4, 64  # files that are claimed together
PART = 32  # of those that are left, one part in so many, so that the last ones are shared well
LOOK_EVERY_S = 0.5  # at files that others have


@dataclass
class ClaimedReader:
    """Reads files, but only those that are this run's: each is claimed shortly before its turn comes.

    Attributes:
        read_one: reads a file.
        writer: asks for them.
        files: all that are to be read, in their order.
        retry_failed: whether also those are read that another one has failed to read meanwhile.
    """

    read_one: ReadOne
    writer: Writer
    files: Sequence[FoundFile]
    retry_failed: bool = False
    _ours: set[Path] = field(default_factory=set)
    _done: dict[Path, FileState] = field(default_factory=dict)
    _position: dict[Path, int] = field(default_factory=dict)
    _num_asked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._position.update((file.path, position) for position, file in enumerate(self.files))

    def __call__(self, result: ReadFile) -> Iterator[Read]:
        """Give the pieces of a file; none if it is in other hands, or was, and is dealt with by now.

        Raises:
            MediaError: it cannot be read.
            LibraryError: the catalog cannot be asked.
        """
        path = result.file.path
        with self._lock:  # several readers ask at once
            while self._num_asked <= self._position[path]:
                self._ask()
            is_ours = path in self._ours
        if is_ours:
            yield from self.read_one(result)
        else:
            result.is_elsewhere, result.made_elsewhere = True, self._done.get(path)

    def _ask(self) -> None:
        count = min(max((len(self.files) - self._num_asked) // PART, FEWEST), MOST)
        some = self.files[self._num_asked : self._num_asked + count]
        claim = self.writer.catalog.claim(some, retry_failed=self.retry_failed)
        self._ours |= claim.ours
        self._done.update(claim.done)
        self._num_asked += len(some)


def wait_for_others(
    files: Sequence[FoundFile], writer: Writer, *, tell: Listener, stop: threading.Event
) -> Sequence[FoundFile]:
    """Wait until one of the files at least is in nobody's hands any more; all of them, or none if `stop` is set.

    Raises:
        LibraryError: the catalog cannot be asked.
    """
    told: frozenset[str] | None = None
    while files and not stop.is_set():
        others = writer.catalog.in_other_hands(files)
        if len(others) < len(files):
            return files
        if told != frozenset(others.values()):
            told = frozenset(others.values())
            tell(Elsewhere(len(others), tuple(sorted(told))))
        stop.wait(LOOK_EVERY_S)
    return ()
