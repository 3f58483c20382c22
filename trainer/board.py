"""A run's figures for TensorBoard, written where they are told.

tensorboardX's own `SummaryWriter` writes in a thread: where the disk is full that thread ends, and the run waits at
its queue for ever.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLUSH_S = 30.0


@dataclass
class Board:
    """An open events file; `flushed_s` is when it was last written out."""

    events: Any
    flushed_s: float

    @classmethod
    def open(cls, folder: Path, *, first_step: int) -> Board:
        """Begin a file in a folder; TensorBoard forgets what others tell of `first_step` and later ones."""
        from tensorboardX.event_file_writer import EventsWriter  # noqa: PLC0415  (a second that no other job needs)
        from tensorboardX.proto.event_pb2 import Event, SessionLog  # noqa: PLC0415

        folder.mkdir(parents=True, exist_ok=True)
        events = EventsWriter(str(folder / "events"), f".{first_step}")  # two may begin within one second
        start = SessionLog(status=SessionLog.START)
        events.write_event(Event(wall_time=time.time(), step=first_step, session_log=start))
        events.flush()
        return cls(events, time.monotonic())

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Tell figures by their names.

        Raises:
            OSError: the disk is full.
        """
        from tensorboardX.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboardX.summary import scalar  # noqa: PLC0415

        for name, value in figures.items():
            self.events.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
        if time.monotonic() - self.flushed_s > FLUSH_S:
            self.events.flush()
            self.flushed_s = time.monotonic()

    def close(self) -> None:
        """Write out what is left.

        Raises:
            OSError: the disk is full.
        """
        try:
            self.events.close()
        finally:
            with suppress(OSError):
                self.events._py_recordio_writer.close()  # which EventsWriter leaves open where it cannot write
