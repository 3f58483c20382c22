"""How much memory a process and all that it starts have together, sampled while they run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

SAMPLES_PER_SECOND = 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class PeakMemory:
    """The highest sum of resident sizes (RSS) over a process tree.

    Pages that several processes share count in each of them, so the sum is never too low; the proportional sizes
    (PSS) would cost the measured processes time, since the kernel walks all their pages for each sample.

    Attributes:
        sum_rss_bytes: the highest sum so far.
        num_samples: how often it was looked at.
    """

    sum_rss_bytes: int = 0
    num_samples: int = 0
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self, process_id: int) -> None:
        """Sample until the process is gone."""
        self._thread = threading.Thread(target=self._sample, args=(process_id,), name="memory", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last sample."""
        if self._thread is not None:
            self._thread.join()

    def _sample(self, process_id: int) -> None:
        while resident := resident_bytes(process_id):
            self.sum_rss_bytes = max(self.sum_rss_bytes, resident)
            self.num_samples += 1
            time.sleep(1 / SAMPLES_PER_SECOND)


def resident_bytes(process_id: int) -> int:
    """Sum of the resident sizes of a process and its descendants; 0 once it has ended."""
    own = _resident_of(process_id)
    return own + sum(_resident_of(child) for child in _descendants(process_id)) if own else 0


def _resident_of(process_id: int) -> int:
    fields = _read(f"/proc/{process_id}/statm")
    return int(fields[1]) * _PAGE_BYTES if fields else 0


def _descendants(process_id: int) -> Iterator[int]:
    """A child belongs to the thread that started it."""
    tasks = f"/proc/{process_id}/task"
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(tasks):  # noqa: PTH208  (twenty times a second, beside what is being measured)
            for child in map(int, _read(f"{tasks}/{thread}/children")):
                yield child
                yield from _descendants(child)


def _read(path: str) -> list[bytes]:
    """The words of a file in /proc; none once its process is gone."""
    with suppress(FileNotFoundError, ProcessLookupError), open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read().split()
    return []
