"""What an indexing run tells while it goes on; the command line draws it or prints it as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avsearch.catalog import State


@dataclass(frozen=True)
class Walking:
    """The folders are being walked; `num_files` media were seen so far."""

    num_files: int


@dataclass(frozen=True)
class Found:
    """The walk is over, and this is what there is to do.

    Attributes:
        num_files: files to read.
        num_bytes: their size together.
        num_unchanged: files that are indexed and as they were.
        num_missing: files that are gone since.
        num_removed: files that stay out because they were removed from the library.
    """

    num_files: int
    num_bytes: int
    num_unchanged: int
    num_missing: int
    num_removed: int


@dataclass(frozen=True)
class FileDone:
    """One file is dealt with; it counts only after the next `Committed`.

    Attributes:
        path: the file.
        num_bytes: its size.
        state: indexed or failed.
        reason: why it failed; empty otherwise.
        is_copy: its content was known or read under another name.
        duration_us: of the media that was decoded; 0 for a copy or a failure.
        num_images: image moments made.
        num_sounds: audio moments made.
        num_silent: seconds of digital silence that made none.
        num_still: black or frozen frames that made none.
    """

    path: Path
    num_bytes: int
    state: State
    reason: str = ""
    is_copy: bool = False
    duration_us: int = 0
    num_images: int = 0
    num_sounds: int = 0
    num_silent: int = 0
    num_still: int = 0


@dataclass(frozen=True)
class Committed:
    """Everything up to here is part of the library: `num_files` since the run began."""

    num_files: int


@dataclass(frozen=True)
class Elsewhere:
    """All is done but `num_files`, which other indexers have in hand; they are waited for.

    Attributes:
        num_files: how many.
        names: of the indexers: which processes on which machines.
    """

    num_files: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Reconnecting:
    """The connection to the database was lost; the run begins anew after a pause, with all that was committed.

    Attributes:
        pause_s: how long it waits first.
        reason: what the database, or the system, says.
    """

    pause_s: float
    reason: str


Event = Walking | Found | FileDone | Committed | Elsewhere | Reconnecting
Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Timings:
    """Where a run's time went, in seconds.

    Attributes:
        load_s: importing torch and loading the encoder, while files are decoded beside it.
        load_cpu_s: CPU time of that.
        wall_s: from the first file to the last commit.
        decode_cpu_s: CPU time of the decoding processes.
        embed_cpu_s: CPU time of the encoder's threads.
    """

    load_s: float = 0.0
    load_cpu_s: float = 0.0
    wall_s: float = 0.0
    decode_cpu_s: float = 0.0
    embed_cpu_s: float = 0.0
