"""What the job of indexing is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsearch.moments import Failed
from indexer.events import Timings
from indexer.plan import GAP_US


@dataclass(frozen=True)
class IndexJob:
    """What to index, into which library, with which weights.

    Attributes:
        paths: files and folders, of this machine or behind URLs (`avsearch.remote.addresses`).
        library: its directory; it is made where there is none.
        model: weights file; None goes on with the library's encoder.
        manifest: CSV that gives labels.
        audio_stream: which of several sound streams, counted from 0; None takes a file's default one.
        num_workers: files decoded at once; None is one for each core.
        retry_failed: read files again that failed before.
        device: where the encoder runs.
        database_url: of the catalog of a library that is made.
        segments_url: of the store that is to hold the segments of a library that is made.
        gap_us: microseconds between image moments beyond which frames are decoded exactly.
        ray: address of a Ray cluster that decodes and embeds; None for this machine.
    """

    paths: Sequence[Path]
    library: Path
    model: Path | None = None
    manifest: Path | None = None
    audio_stream: int | None = None
    num_workers: int | None = None
    retry_failed: bool = False
    device: str = "auto"
    database_url: str | None = None
    segments_url: str | None = None
    gap_us: int = GAP_US
    ray: str | None = None


@dataclass(frozen=True)
class Indexed:
    """What a run has done.

    Attributes:
        num_indexed: files made part of the library, copies of known contents and returned files included.
        num_unchanged: files that were indexed before and are as they were.
        num_missing: files that are gone since.
        num_removed: files left out because they were removed from the library.
        failures: files that could not be read, now or before, each with its reason.
        partly: indexed files of which one side, or a stretch, could not be decoded, and why.
        unmounted: folders that are gone or empty although files are known there; nothing of them was touched.
        hours: of media decoded.
        seconds: that the run took.
        stopped: whether it was asked to stop before everything was read.
        timings: where the time went.
        num_elsewhere: files made part of the library by other runs, which were at work at the same time.
    """

    num_indexed: int
    num_unchanged: int
    num_missing: int
    num_removed: int
    failures: Sequence[Failed]
    partly: Sequence[Failed]
    unmounted: Sequence[Path]
    hours: float
    seconds: float
    stopped: bool
    timings: Timings
    num_elsewhere: int = 0
