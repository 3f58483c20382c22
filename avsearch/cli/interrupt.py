"""A run that is told to stop finishes what is in hand first; told twice, it stops at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from avsearch.cli.output import say

FINISHING = "Finishing what is in hand; press Ctrl-C again to stop at once."
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what is under way is cleaned up as after Ctrl-C."""


def exit_code_after(interrupt: KeyboardInterrupt) -> int:
    """As shells count it: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)


def clean_up_on_sigterm() -> None:
    """From now on SIGTERM ends the program as Ctrl-C does, unless whoever started it has decided otherwise."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, end)


@contextmanager
def known_as_interrupt() -> Iterator[None]:
    """A signal that breaks into waiting for a lock can leave as Python's complaint about the lock: undo that."""
    try:
        yield
    except RuntimeError as error:
        if type(error) is RuntimeError and isinstance(error.__context__, KeyboardInterrupt):  # not typer.Exit
            raise error.__context__ from error
        raise


@dataclass
class StopRequest:
    """Whether somebody has asked the run to stop.

    Attributes:
        event: set at the first Ctrl-C or SIGTERM.
        received: the signals that came, in order.
    """

    event: threading.Event = field(default_factory=threading.Event)
    received: list[int] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """As shells count it: 130 after Ctrl-C, 143 after SIGTERM; 0 if nobody asked."""
        return 128 + self.received[0] if self.received else 0


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Let the first Ctrl-C or SIGTERM set an event, and the second one interrupt the block (KeyboardInterrupt)."""
    request = StopRequest()
    reading_end, writing_end = os.pipe()
    os.set_blocking(writing_end, False)

    def receive(number: int, _frame: FrameType | None) -> None:
        request.received.append(number)
        if len(request.received) > 1:
            raise KeyboardInterrupt
        os.write(writing_end, b"!")  # the event's lock, or stderr's, may be held by the code that is interrupted

    def pass_on() -> None:
        if os.read(reading_end, 1):
            request.event.set()
            say(FINISHING)

    thread = threading.Thread(target=pass_on, name="stop-request", daemon=True)
    thread.start()
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    before = {number: signal.signal(number, receive) for number in heeded}
    try:
        yield request
    finally:
        for number, reaction in before.items():
            signal.signal(number, reaction)
        os.close(writing_end)
        thread.join()
        os.close(reading_end)
