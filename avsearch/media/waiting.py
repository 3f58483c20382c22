"""What a thread does while it waits for a process, or reads through a long file: ask whether to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_call: ContextVar[Callable[[], None]] = ContextVar("while_waiting", default=lambda: None)


@contextmanager
def while_waiting(call: Callable[[], None]) -> Iterator[None]:
    """Let a function be called several times a second while this thread waits; what it raises ends the waiting."""
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)


def still_waiting() -> None:
    """Call the function that was named for this thread."""
    _call.get()()
