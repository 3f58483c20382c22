"""A library in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from avsearch.catalog.records import EncoderRecord


@dataclass(frozen=True)
class IndexerRecord:
    """An indexer at work on a server: which process it is, since when, and how many files it has in hand."""

    name: str
    started_at_us: int
    num_files: int


@dataclass(frozen=True)
class Status:
    """A library in figures; media, hours and moments are those that can be found.

    Attributes:
        num_roots: registered folders.
        files: number of files by state.
        failures: number of failed files by reason, the most frequent first.
        media: number of media by kind.
        hours: duration of all media.
        moments: number of moments by modality, of the active encoder.
        num_segments: segment files.
        segment_bytes: their size together.
        encoder: the active one.
        silent_seconds: seconds of digital silence, left out.
        still_frames: black and frozen frames, left out.
        dead_moments: moments that `compact` would reclaim: of media that no indexed or missing file holds, and
            of encoders neither active nor pending.
        pending: the encoder whose vectors are being made.
        num_pending_done: live media that it has dealt with.
        num_live: media that can be found.
        localizer: the encoder that says where in a picture a sound comes from.
        indexers: who is at work on it, on a server; for SQLite none are counted.
    """

    num_roots: int
    files: Mapping[str, int]
    failures: Mapping[str, int]
    media: Mapping[str, int]
    hours: float
    moments: Mapping[str, int]
    num_segments: int
    segment_bytes: int
    encoder: EncoderRecord | None
    silent_seconds: int
    still_frames: int
    dead_moments: int
    pending: EncoderRecord | None
    num_pending_done: int
    num_live: int
    localizer: EncoderRecord | None
    indexers: tuple[IndexerRecord, ...] = ()
