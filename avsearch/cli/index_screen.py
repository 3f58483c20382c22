"""What an indexing run looks like: a bar on a terminal, plain lines elsewhere, one JSON object an event."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from avsearch.catalog import State
from avsearch.cli.output import PLAIN_EVERY_S, counted, length_of, print_json, say, shown, size_of
from avsearch.moments import SECOND_US
from avsearch.remote import address
from indexer.events import Committed, Elsewhere, Event, FileDone, Found, Listener, Reconnecting, Walking


@dataclass(frozen=True)
class Tally:
    """How far a run is.

    Attributes:
        num_seen: media that the walk has seen so far.
        found: what there is to do, once that is known.
        began_s: when it became known; seconds of a steady clock, as `told_s`.
        told_s: when the last file was done.
        num_done: files that are done.
        num_failed: those of them that failed.
        num_bytes: size of the files that are done.
        media_us: duration of what was decoded.
        num_committed: files that are part of the library.
    """

    num_seen: int = 0
    found: Found | None = None
    began_s: float = 0.0
    told_s: float = 0.0
    num_done: int = 0
    num_failed: int = 0
    num_bytes: int = 0
    media_us: int = 0
    num_committed: int = 0

    def after(self, event: Event, now_s: float) -> Tally:
        """The tally once an event has happened; a new walk begins a new tally."""
        match event:
            case Walking():
                return Tally(num_seen=event.num_files)
            case Found():
                return replace(self, found=event, began_s=now_s, told_s=now_s)
            case FileDone():
                return replace(
                    self,
                    told_s=now_s,
                    num_done=self.num_done + 1,
                    num_failed=self.num_failed + (event.state is State.FAILED),
                    num_bytes=self.num_bytes + event.num_bytes,
                    media_us=self.media_us + event.duration_us,
                )
            case Committed():
                return replace(self, num_committed=event.num_files)
            case Elsewhere() | Reconnecting():
                return self

    @property
    def times_real_time(self) -> float:
        """Seconds of media a second, up to the last file; 0 before the first."""
        elapsed_s = self.told_s - self.began_s
        return self.media_us / SECOND_US / elapsed_s if elapsed_s > 0 else 0.0

    def left_s(self, now_s: float) -> float | None:
        """Seconds until the end if bytes go on as fast as so far; None before the first file."""
        if self.found is None or not self.num_bytes:
            return None
        whole_s = (self.told_s - self.began_s) * self.found.num_bytes / self.num_bytes
        return max(self.began_s + whole_s - now_s, 0.0)

    def figures(self, now_s: float) -> str:
        """Files, hours of media, times real time, failures and the time that is left, in one line."""
        if self.found is None:
            return f"{counted(self.num_seen, 'file')} seen"
        parts = [f"{self.num_done}/{self.found.num_files} files", length_of(self.media_us / SECOND_US)]
        if self.times_real_time:
            parts.append(f"{self.times_real_time:.0f} x real time")
        if self.num_failed:
            parts.append(f"{self.num_failed} failed")
        left_s = self.left_s(now_s)
        if left_s is not None and self.num_done < self.found.num_files:
            parts.append(f"{timedelta(seconds=round(left_s))} left")
        return ", ".join(parts)


@contextmanager
def shown_events(*, as_json: bool, doing: str = "index") -> Iterator[Listener]:
    """A listener that shows every event to people, and to programs as well.

    Args:
        as_json: whether each event is a JSON object on stdout.
        doing: what is being done with the files found, in a word.
    """
    with _bar(doing) if sys.stderr.isatty() else _lines(doing) as people:

        def tell(event: Event) -> None:
            if as_json:
                print_json(event_record(event))
            people(event)

        yield tell


def event_record(event: Event) -> dict[str, Any]:
    """One event as a JSON object."""
    match event:
        case Walking():
            return {"event": "walking", "files": event.num_files}
        case Found():
            return {
                "event": "found",
                "files": event.num_files,
                "bytes": event.num_bytes,
                "unchanged": event.num_unchanged,
                "missing": event.num_missing,
                "removed": event.num_removed,
            }
        case FileDone():
            return {
                "event": "file",
                "path": address(event.path),
                "bytes": event.num_bytes,
                "state": str(event.state),
                "reason": event.reason,
                "copy": event.is_copy,
                "duration_s": event.duration_us / SECOND_US,
                "images": event.num_images,
                "sounds": event.num_sounds,
                "silent": event.num_silent,
                "still": event.num_still,
            }
        case Committed():
            return {"event": "committed", "files": event.num_files}
        case Elsewhere():
            return {"event": "elsewhere", "files": event.num_files, "indexers": list(event.names)}
        case Reconnecting():
            return {"event": "reconnecting", "pause_s": event.pause_s, "reason": event.reason}


def said_of(found: Found, doing: str = "index") -> str:
    """What there is to do, in a line."""
    others = [
        (found.num_unchanged, "unchanged"),
        (found.num_missing, "missing"),
        (found.num_removed, "removed earlier and left out"),
    ]
    parts = [f"{counted(found.num_files, 'file')} to read ({size_of(found.num_bytes)})"]
    return f"{doing}: " + ", ".join([*parts, *(f"{count} {what}" for count, what in others if count)])


def said_of_others(event: Elsewhere) -> str:
    """Who has the files that are waited for, in a line."""
    who = "another indexer reads" if len(event.names) == 1 else "other indexers read"
    return f"waiting for {counted(event.num_files, 'file')} that {who} ({'; '.join(event.names)})"


def said_of_waiting(event: Event) -> str:
    """What a run waits for, in a line; empty for all other events."""
    match event:
        case Elsewhere():
            return said_of_others(event)
        case Reconnecting():
            return f"{event.reason} Trying again in {event.pause_s:g} s; what was committed stays."
        case _:
            return ""


@dataclass
class _Lines:
    """A line when a stage begins; the figures every ten seconds, also while one long file is being read."""

    doing: str
    tally: Tally = field(default_factory=Tally)
    ended: threading.Event = field(default_factory=threading.Event)
    walks: int = 0

    def tell(self, event: Event) -> None:
        self.tally = self.tally.after(event, time.monotonic())
        if isinstance(event, Walking) and not self.walks:
            say("find: looking for media files")
            self.walks = 1
        if isinstance(event, Found) and (event.num_files or self.walks < 2):
            say(said_of(event, self.doing))
            self.walks = 2  # later rounds of a watch speak up only when there is something to do
        if waiting := said_of_waiting(event):
            say(f"{self.doing}: {waiting}")

    def repeat(self) -> None:
        while not self.ended.wait(PLAIN_EVERY_S):
            tally = self.tally
            if tally.found is None or tally.num_done < tally.found.num_files:
                committed = f", {tally.num_committed} committed" if tally.num_committed else ""
                say(f"{self.doing if tally.found else 'find'}: {tally.figures(time.monotonic())}{committed}")


@contextmanager
def _lines(doing: str) -> Iterator[Listener]:
    lines = _Lines(doing)
    thread = threading.Thread(target=lines.repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield lines.tell
    finally:
        lines.ended.set()
        thread.join()


class _Figures(ProgressColumn):
    """The figures beside the bar, as they are at the moment."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))
        self.tally = Tally()

    def render(self, task: Task) -> Text:  # noqa: ARG002  (rich asks for it)
        return Text(self.tally.figures(time.monotonic()))


@contextmanager
def _bar(doing: str) -> Iterator[Listener]:
    figures = _Figures()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), figures)
    with RichProgress(*columns, console=Console(stderr=True), expand=True) as rich:
        task = rich.add_task("find", total=None)

        def tell(event: Event) -> None:
            figures.tally = figures.tally.after(event, time.monotonic())
            found = figures.tally.found
            rich.update(
                task,
                description=doing if found else "find",
                total=found.num_bytes if found else None,
                completed=figures.tally.num_bytes,
            )
            if waiting := said_of_waiting(event):
                rich.console.print(shown(f"{doing}: {waiting}"), markup=False, highlight=False)

        yield tell
