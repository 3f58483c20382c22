"""How long each stage of a query took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ("load", "decode", "encode", "filter", "search", "describe")


class Stages:
    """Seconds by stage; a stage within another is taken out of it.

    Attributes:
        seconds: all stages, those that did not come as 0.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._inner = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What happens within is `name`, but for the stages within that."""
        outer, self._inner = self._inner, 0.0
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.seconds[name] += took - self._inner
            self._inner = outer + took
