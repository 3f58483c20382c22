"""The library that is served: opened, looked at each second, and asked; one that changes is taken up on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import xxhash

from avsearch.catalog import Snapshot
from avsearch.errors import AvsearchError, LibraryError
from avsearch.library import Library, open_library
from avsearch.query import Encodes, Hold, Session, open_session
from avsearch.query.devices import Devices, settled
from avsearch.web.batching import BatchingEncoder
from avsearch.web.gathering import Gathering
from avsearch.web.refusals import Refused, refused
from avsearch.web.stamps import Stamp, ann_stamps, is_there, read_stamp

Load: TypeAlias = Callable[[Path, str], Encodes]
_RETRY_EVERY = 10  # looks at a library that cannot be used, though nothing has changed
_SERVER_EVERY = 5  # looks at a catalog on a server, where no file says that it has changed
_EMPTY = "Run `avsearch index FOLDER`."


@dataclass(frozen=True, eq=False)
class Asked:
    """What answers queries: a session, the encoder that all requests share, and the state that it is of."""

    session: Session
    encoder: BatchingEncoder
    fingerprint: str
    generation: str


@dataclass(frozen=True, eq=False)
class State:
    """What is served at one moment.

    Attributes:
        library: None until it was opened for the first time.
        generation: changes when what can be found changes.
        version: changes when anything in the catalog changes.
        problem: why it cannot be used; None if it can.
        asked: None before the first index.
    """

    library: Library | None = None
    generation: str = ""
    version: int = 0
    problem: AvsearchError | None = field(
        default_factory=lambda: LibraryError("The library is being loaded.", hint="Try again in a moment.")
    )
    asked: Asked | None = None


class Served:
    """A library under a server; `look` keeps it up to date, all else may be called from any thread.

    Attributes:
        state: as the last look found it; a new one takes its place as a whole.
    """

    def __init__(self, directory: Path, device: str, *, load: Load | None = None, hold: Hold | None = None) -> None:
        self._directory = directory
        self._device = device
        self._load = load or _load
        self._hold = hold
        self._looking = threading.Lock()
        self._stamp = Stamp()
        self._num_looks = 0
        self.state = State()

    def look(self) -> bool:
        """Take up what has changed on the disk; returns whether other things can be found now, or nothing more."""
        with self._looking:
            self._num_looks += 1
            stamp = read_stamp(self._directory)
            if not self._is_due(stamp):
                return False
            before = self.state
            try:
                self.state = self._read(is_same=stamp.keeps(self._stamp))
            except AvsearchError as error:
                version = before.version + (before.problem is None)
                self.state = State(before.library, before.generation, version, error, before.asked)
            self._stamp = stamp
            self._end_encoder(before.asked)
            return (self.state.generation, _told(self.state)) != (before.generation, _told(before))

    @property
    def is_ready(self) -> bool:
        """Whether requests can be answered."""
        return self.state.problem is None and self.state.library is not None and is_there(self.state.library)

    def library(self) -> Library:
        """The library.

        Raises:
            Refused: it cannot be used.
        """
        state = self.state
        if state.problem is not None:
            raise refused(state.problem)
        if state.library is None or not is_there(state.library):
            raise refused(LibraryError(f"{self._directory}: the library is not there any more."))
        return state.library

    def asked(self) -> Asked:
        """What answers queries now; whoever has it may go on with it whatever changes.

        Raises:
            Refused: the library cannot be used, or nothing has been indexed.
        """
        self.library()
        asked = self.state.asked
        if asked is None:
            raise Refused(409, f"{self._directory}: nothing has been indexed.", hint=_EMPTY)
        return asked

    def close(self) -> None:
        """No more requests; the encoder's thread ends."""
        with self._looking:
            before = self.state.asked
            self.state = State(problem=LibraryError("The server is stopping."))
            self._end_encoder(before)

    @cached_property
    def _devices(self) -> Devices:
        """Where questions are answered, looked for when there is something to ask."""
        return settled(self._device)

    def _is_due(self, stamp: Stamp) -> bool:
        """Whether to read the catalog: something has changed, or might have where no file says so."""
        if stamp != self._stamp or self._num_looks == 1:
            return True
        if self.state.problem is not None:
            return self._num_looks % _RETRY_EVERY == 0
        return not stamp.catalog and self._num_looks % _SERVER_EVERY == 0

    def _read(self, *, is_same: bool) -> State:
        """Open the library anew unless it is the same, and a session if what can be found has changed."""
        before = self.state
        library = before.library
        if library is None or before.problem is not None or not (is_same and is_there(library)):
            library = open_library(self._directory)
        library.catalog.check(library.layout.config.library_id)
        snapshot = library.snapshot()
        generation = _generation(library, snapshot)
        asked = before.asked
        if generation != before.generation or library is not before.library:
            asked = self._open(library, snapshot, generation)
        return State(library, generation, before.version + 1, None, asked)

    def _open(self, library: Library, snapshot: Snapshot, generation: str) -> Asked | None:
        """A session, with the encoder that is there already where it is the same; None before the first index."""
        record, before = snapshot.encoder, self.state.asked
        if record is None or not snapshot.live_media_ids.size:
            return None
        if before is not None and before.fingerprint == record.fingerprint:
            session = self._session(library, before.encoder, before.session)
            return Asked(session, before.encoder, record.fingerprint, generation)
        encoder = BatchingEncoder(self._load(library.encoder_path(record), self._devices.network))
        try:
            session = self._session(library, encoder, None)
            return Asked(session, encoder, record.fingerprint, generation)
        except BaseException:
            encoder.close()
            raise

    def _session(self, library: Library, encoder: Encodes, before: Session | None) -> Session:
        cards = self._devices.cards if self._hold is None else ()
        return open_session(library, encoder, before=before, around=Gathering, cards=cards, hold=self._hold)

    def _end_encoder(self, before: Asked | None) -> None:
        """End the thread of an encoder that nobody begins to use any more."""
        now = self.state.asked
        if before is not None and (now is None or now.encoder is not before.encoder):
            before.encoder.close()


def _told(state: State) -> str:
    """What is wrong, in words; empty if nothing is."""
    return "" if state.problem is None else str(state.problem)


def _load(weights: Path, device: str) -> Encodes:
    from avsearch.encoder import load_encoder  # noqa: PLC0415  (torch: a second)

    return load_encoder(weights, device)


def _generation(library: Library, snapshot: Snapshot) -> str:
    """A name for what can be found: library, encoder, segments, live media, and indexes that may miss some."""
    digest = xxhash.xxh3_64(library.layout.config.library_id.encode())
    digest.update(snapshot.encoder.fingerprint.encode() if snapshot.encoder else b"")
    for name in sorted(record.name for record in snapshot.segments):
        digest.update(name.encode())
    digest.update(snapshot.live_media_ids.tobytes())
    for stamp in sorted(ann_stamps(library.layout)):
        digest.update(repr(stamp).encode())
    return digest.hexdigest()
