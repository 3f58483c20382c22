"""A connection to Milvus that queries share: made when the first one asks, left alone for a while when it fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import EngineError

PAUSE_S = 30.0  # for which a server that failed is not asked again
_AGAIN_HINT = "Run `avsearch library engine` to mend it."
_LOG = logging.getLogger("avsearch")


class Searches(Protocol):
    """What names candidates: `server.Server`."""

    uri: str

    def load(self, name: str, *, is_asking: bool = False) -> None:
        """As `Server.load`."""

    def count(self, name: str, *, is_asking: bool = False) -> int:
        """As `Server.count`."""

    def search(self, name: str, queries: NDArray[np.float32], fetch: int, expression: str) -> list[list[str]]:
        """As `Server.search`."""


@dataclass(frozen=True)
class Collection:
    """A collection, and how many rows it should have at least: one that lacks some must not answer."""

    name: str
    num_rows: int


class Link:
    """A server that may not be there; several threads may ask at once."""

    def __init__(self, connect: Callable[[], Searches], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._server: Searches | None = None
        self._checked: frozenset[Collection] = frozenset()
        self._usable_at = -np.inf

    @property
    def is_usable(self) -> bool:
        """Whether it has not failed just now."""
        return self._clock() >= self._usable_at

    def search(
        self, collection: Collection, queries: NDArray[np.float32], fetch: int, expression: str
    ) -> list[list[str]]:
        """As `Server.search`, after the collection was found whole.

        Raises:
            EngineError: the server does not answer or refuses, or the collection lacks rows.
        """
        return self._open(collection).search(collection.name, queries, fetch, expression)

    def fail(self, error: EngineError) -> None:
        """Leave it alone for a while, and say why; it is connected to anew after that."""
        with self._lock:
            is_news = self.is_usable
            self._server, self._checked = None, frozenset()
            self._usable_at = self._clock() + PAUSE_S
        if is_news:
            _LOG.warning("%s Search is exact. %s", error.message, error.hint)

    def _open(self, collection: Collection) -> Searches:
        with self._lock:
            server = self._server = self._server or self._connect()
            if collection not in self._checked:
                _require_whole(server, collection)
                self._checked |= {collection}
        return server


def _require_whole(server: Searches, collection: Collection) -> None:
    server.load(collection.name, is_asking=True)
    count = server.count(collection.name, is_asking=True)
    if count < collection.num_rows:
        raise EngineError(
            f"{server.uri}: {collection.name} holds {count} moments instead of {collection.num_rows}.",
            hint=_AGAIN_HINT,
        )
