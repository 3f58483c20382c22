"""What travels as JSON, exactly; the OpenAPI document is made of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from avsearch.moments import MediaKind, Modality

LONGEST_S = 7 * 24 * 3600.0  # times beyond a week are damage
MOMENT_ID = r"^[0-9]{1,18}:(image|audio):[0-9]{1,18}$"
UPLOAD_ID = r"^[A-Za-z0-9_-]{8,64}$"

Seconds = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Crop = Annotated[list[Fraction], Field(min_length=4, max_length=4)]
Peak = Annotated[list[float], Field(min_length=2, max_length=2)]


class Asked(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(extra="forbid")


class Error(BaseModel):
    """Why something cannot be, and what to do."""

    message: str
    hint: str


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: Error


class TermIn(Asked):
    """One thing that is asked with: an upload, or a moment of the library.

    Times ask with a moment or a stretch of an upload, or of the media that a stored moment belongs to.
    """

    upload_id: Annotated[str, Field(pattern=UPLOAD_ID)] | None = None
    moment_id: Annotated[str, Field(pattern=MOMENT_ID)] | None = None
    start_s: Seconds | None = None
    end_s: Seconds | None = None
    crop: Crop | None = Field(None, description="Left, top, right and bottom, as parts of width and height.")
    by: Modality | None = Field(None, description="The side of a video that asks; by default the other one.")
    weight: Annotated[float, Field(gt=-1e6, lt=1e6, allow_inf_nan=False)] = 1.0


class SearchIn(Asked):
    """A whole question."""

    find: Modality
    terms: Annotated[list[TermIn], Field(min_length=1, max_length=32)]
    k: Annotated[int, Field(ge=1, le=1000)] = 30
    where: Annotated[str, Field(max_length=4000)] = ""
    per_media: Annotated[int, Field(ge=1, le=1000)] = 1
    min_score: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None = None
    exclude_self: bool = False
    duplicates: bool = False
    exact: bool = False


class HitOut(BaseModel):
    """A moment that was found."""

    rank: int
    score: float
    path: str
    media_id: int
    moment_id: str
    modality: Modality
    start_s: float
    end_s: float
    from_s: float
    to_s: float
    labels: list[str]
    duration_s: float
    kind: MediaKind
    name: str
    root: str
    has_picture: bool
    has_sound: bool


class SearchOut(BaseModel):
    """What was found, and what it took: seconds by stage, `total_s` of all."""

    hits: list[HitOut]
    num_duplicates: int
    timings: dict[str, float]
    generation: str


class UploadOut(BaseModel):
    """A file that can be asked with."""

    upload_id: str
    name: str
    kind: MediaKind
    duration_s: float
    width: int
    height: int
    has_sound: bool
    has_picture: bool
    expires_in_s: float


class FileCounts(BaseModel):
    """Files of a root by what became of them."""

    indexed: int
    failed: int
    missing: int
    removed: int


class FailureOut(BaseModel):
    """A file that could not be read."""

    path: str
    reason: str


class RootOut(BaseModel):
    """A registered folder."""

    id: int
    path: str
    files: FileCounts
    failures: list[FailureOut]
    reachable: bool


class EncoderOut(BaseModel):
    """A network by its weights: one that makes vectors of media, or one that says where a sound comes from."""

    architecture: str
    recipe: str
    size: str
    fingerprint: str


class IndexingOut(BaseModel):
    """An indexing run of this server: of `files` to read `done` are dealt with, `failed` among them."""

    running: bool
    files: int
    done: int
    failed: int
    message: str


class MediaCounts(BaseModel):
    """Media by kind."""

    video: int
    sound: int
    picture: int


class MomentCounts(BaseModel):
    """Moments by modality."""

    image: int
    audio: int


class LibraryOut(BaseModel):
    """The library in figures, and what this server allows."""

    library_id: str
    generation: str
    directory: str
    roots: list[RootOut]
    media: MediaCounts
    hours: float
    moments: MomentCounts
    encoder: EncoderOut | None
    localizer: EncoderOut | None
    localizer_hint: str
    indexing: IndexingOut | None
    upload_limit_bytes: int
    needs_token: bool


class LabelOut(BaseModel):
    """A label, and how many media have it."""

    label: str
    media: int


class LabelsOut(BaseModel):
    """All labels of media that can be found, in the order of the alphabet."""

    labels: list[LabelOut]


class VideoOut(BaseModel):
    """A stream of pictures; sizes as displayed."""

    codec: str
    width: int
    height: int
    rotation: int
    frames_per_second: float


class AudioOut(BaseModel):
    """A stream of sound."""

    codec: str
    sample_rate_hz: int
    num_channels: int


class MediaOut(BaseModel):
    """What is known about a media."""

    media_id: int
    kind: MediaKind
    name: str
    paths: list[str]
    labels: list[str]
    duration_s: float
    container: str
    timecode: str
    video: VideoOut | None
    audio: AudioOut | None
    content_hash: str
    content_type: str


class WaveformOut(BaseModel):
    """The lowest and the highest sample of each of many equal parts, in [-1, 1]."""

    start_s: float
    end_s: float
    peaks: list[Peak]


class RemovedOut(BaseModel):
    """What a removal did: files left out from now on, and media that can no longer be found."""

    files: int
    media: int


class IndexIn(Asked):
    """Which root is to be read again; all of them without an id."""

    root_id: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    retry_failed: bool = False


class ReadyOut(BaseModel):
    """Whether the server can answer, and if not, why."""

    ready: bool
    message: str
    hint: str


class LiveOut(BaseModel):
    """That the server runs."""

    live: bool
