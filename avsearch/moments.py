"""The small frozen dataclasses that travel between the stages; times are integer microseconds.

A time is counted from the file's own start_time, so that players and `ffmpeg -ss` agree with it.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

SECOND_US = 1_000_000


class Modality(StrEnum):
    """What a moment or an encoder deals with."""

    IMAGE = "image"
    AUDIO = "audio"

    @property
    def other(self) -> Modality:
        return Modality.AUDIO if self is Modality.IMAGE else Modality.IMAGE


@dataclass(frozen=True)
class Direction:
    """What one asks with and what one finds, as in `image-audio`."""

    query: Modality
    target: Modality

    def __str__(self) -> str:
        return f"{self.query}-{self.target}"

    @property
    def is_same_modality(self) -> bool:
        return self.query is self.target


DIRECTIONS = tuple(Direction(query, target) for query in Modality for target in Modality)


class MediaKind(StrEnum):
    """What a media file is to its user."""

    VIDEO = "video"
    SOUND = "sound"
    PICTURE = "picture"


@dataclass(frozen=True)
class Span:
    """A half-open stretch of time [start_us, end_us) in microseconds."""

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.end_us <= self.start_us or self.start_us < 0:
            raise ValueError(f"a span needs 0 <= start < end, got {self.start_us}..{self.end_us}")

    @property
    def duration_us(self) -> int:
        return self.end_us - self.start_us


@dataclass(frozen=True)
class Place:
    """A point of a frame, in fractions of its width and of its height."""

    x: float
    y: float


@dataclass(frozen=True)
class Box:
    """A part of a frame, in fractions: left and right of its width, top and bottom of its height."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise ValueError(f"not a box within the frame: {self}")

    def __str__(self) -> str:
        return f"{self.left:.4f},{self.top:.4f},{self.right:.4f},{self.bottom:.4f}"

    def holds(self, place: Place) -> bool:
        """Whether a point lies in it, its edge included."""
        return self.left <= place.x <= self.right and self.top <= place.y <= self.bottom


@dataclass(frozen=True)
class VideoStream:
    """One stream of pictures; width and height are as displayed: after rotation, with square pixels.

    Where there is a `crop`, only that part of each picture is read, and width and height are its own.
    """

    index: int
    codec: str
    width: int
    height: int
    rotation: int
    frames_per_second: float
    crop: Box | None = None

    def cropped(self, box: Box) -> VideoStream:
        """The same stream, of which only a part is looked at."""
        width = max(round(self.width * (box.right - box.left)), 1)
        height = max(round(self.height * (box.bottom - box.top)), 1)
        return replace(self, width=width, height=height, crop=box)


@dataclass(frozen=True)
class AudioStream:
    """One stream of sound; `ordinal` counts the file's audio streams from 0 (`--audio-stream`)."""

    index: int
    ordinal: int
    codec: str
    sample_rate_hz: int
    num_channels: int
    is_default: bool


@dataclass(frozen=True)
class MediaInfo:
    """What the demuxer says about a file.

    `duration_us` is 0 for a still picture. `video` is None for a file without pictures (cover art does
    not count), `audio` for one without sound; `audio` is the stream that will be read. `timecode` is that of
    the first frame as the file has it (`HH:MM:SS:FF`, `;` before the frames where some are dropped), else empty.
    """

    kind: MediaKind
    duration_us: int
    start_time_us: int
    container: str
    video: VideoStream | None
    audio: AudioStream | None
    timecode: str = ""

    def cropped(self, box: Box) -> MediaInfo:
        """The same file, of whose pictures only a part is looked at."""
        return self if self.video is None else replace(self, video=self.video.cropped(box))

    def limited_to(self, modalities: Container[Modality]) -> MediaInfo:
        """The same file as if it had no other sides than these."""
        return replace(
            self,
            video=self.video if Modality.IMAGE in modalities else None,
            audio=self.audio if Modality.AUDIO in modalities else None,
        )


@dataclass(frozen=True, order=True)
class Moment:
    """What a hit points at: a frame at `start_us`, or the second of sound that begins there."""

    media_id: int
    modality: Modality
    start_us: int

    @property
    def id(self) -> str:
        return f"{self.media_id}:{self.modality}:{self.start_us}"


@dataclass(frozen=True)
class Hit:
    """A moment with its rank (from 1) and score (cosine of unit vectors).

    Attributes:
        rank: from 1.
        score: the cosine of unit vectors.
        path: of a file that holds the media; there may be copies.
        media_id: of the media.
        moment_id: what `Moment.id` gives.
        modality: of the moment.
        start_s: where the moment begins; `FILE@start_s` is exactly this moment again.
        end_s: `start_s` for a frame, at most one second later for a sound, never past the file's end.
        from_s: where the stretch begins that the moment is the best of: its neighbours answer nearly as well.
        to_s: where that ends; without neighbours the two are `start_s` and `end_s`.
        labels: of the media.
        duration_s: of the media; 0 for a still picture.
        kind: of the media.
    """

    rank: int
    score: float
    path: Path
    media_id: int
    moment_id: str
    modality: Modality
    start_s: float
    end_s: float
    from_s: float
    to_s: float
    labels: tuple[str, ...]
    duration_s: float
    kind: MediaKind


@dataclass(frozen=True)
class Failed:
    """A file that could not be used, and why: a sentence to stand behind its path."""

    path: Path
    reason: str


class Progress(Protocol):
    """How a job tells that it moves on; the command line draws it."""

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """A new stage begins: `total` units of work, or an unknown number."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """`amount` units are done; `note` is a short figure to show beside them."""

    def say(self, sentence: str) -> None:
        """Something to know beforehand, told once."""


class Silent:
    """A `Progress` that tells nobody."""

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """Say nothing."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Say nothing."""

    def say(self, sentence: str) -> None:
        """Say nothing."""
