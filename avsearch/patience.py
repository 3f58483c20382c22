"""Asking again what may be answered in a moment: a server that starts, a connection that broke."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def patiently(
    ask: Callable[[], T],
    waits_s: Sequence[float],
    may_pass: Callable[[Exception], bool],
    *,
    most_s: float = math.inf,
) -> T:
    """What `ask` gives, tried again after each of some pauses; the error of the last try is the caller's.

    Args:
        ask: may be called several times.
        waits_s: pauses in seconds.
        may_pass: whether it may go otherwise next time.
        most_s: seconds after which it is not tried again, however few the tries were.
    """
    last = time.monotonic() + most_s
    for wait_s in waits_s:
        try:
            return ask()
        except Exception as error:
            if time.monotonic() > last or not may_pass(error):
                raise
        time.sleep(wait_s)
    return ask()
