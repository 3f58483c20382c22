"""What is asked with -> a unit vector: files are decoded and encoded as in indexing, moments are looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avsearch import media
from avsearch.errors import LibraryError, MediaError, UsageError
from avsearch.front_end import FrontEnd, padded_second
from avsearch.models.header import WeightsHeader
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality, Moment, Span
from avsearch.query.asking import Source
from avsearch.query.stages import Stages
from avsearch.vectors import Rows

_BATCH = 64  # frames or seconds, decoded before they are encoded


class Encodes(Protocol):
    """What a query needs of an encoder; `encoder.Encoder` is one, and so is a server's that gathers batches."""

    def encode_images(self, frames: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Squares -> (B, D) float32 unit rows."""

    def encode_sounds(self, waveforms: NDArray[np.float32], /) -> NDArray[np.float32]:
        """(B, 48000) float32 -> (B, D) float32 unit rows."""


class Embedder:
    """Files -> vectors, by one encoder, which may still be loading while the first files are decoded."""

    def __init__(
        self,
        header: WeightsHeader,
        encoder: Callable[[], Encodes],
        stages: Stages,
        *,
        info_of: Callable[[Path], MediaInfo] = media.probe,
    ) -> None:
        self._header = header
        self._encoder = encoder
        self._stages = stages
        self._info_of = info_of

    def vector(self, source: Source, *, find: Modality, by: Modality | None) -> NDArray[np.float32]:
        """(D,) float32 unit vector of a file, or of a part of it.

        Args:
            source: what to ask with.
            find: what is found, which decides the side of a video,
            by: unless the side is named.

        Raises:
            MediaError: the file cannot be read, or lacks that side.
            UsageError: the encoder lacks the modality.
        """
        with self._stages.stage("decode"):
            info = self._info_of(source.path)
            asked = self._side(side(info, find=find, by=by), info, by=by)
            return self.embed(source, info, asked)

    def embed(self, source: Source, info: MediaInfo, by: Modality) -> NDArray[np.float32]:
        """(D,) float32 unit vector: of one moment, or the normalised mean of a stretch's moments, one a second.

        Raises:
            MediaError: the file lacks that side, or ends before the time asked for.
        """
        total = np.float32(0)
        for batch in _batches(source, info, by, self._header.front_end):
            with self._stages.stage("load"):
                encoder = self._encoder()
            with self._stages.stage("encode"):
                encode = encoder.encode_images if by is Modality.IMAGE else encoder.encode_sounds
                total = total + encode(batch).sum(axis=0)
        length = float(np.linalg.norm(total))
        if length == 0:
            raise MediaError(
                f"{source.path}: there is nothing to ask with at that time.", hint="Give an earlier time."
            )
        return np.asarray(total / length, np.float32)

    def _side(self, asked: Modality, info: MediaInfo, *, by: Modality | None) -> Modality:
        """The side that asks, or the file's other one where nobody named a side and the encoder has only that."""
        has_other = info.video is not None if asked is Modality.AUDIO else info.audio is not None
        if asked not in self._header.modalities and by is None and has_other:
            asked = asked.other
        require(asked, self._header)
        return asked


def side(info: MediaInfo, *, find: Modality, by: Modality | None) -> Modality:
    """Which side of a file asks: the one wished for, else its only one, else the other than what is found."""
    only = {MediaKind.PICTURE: Modality.IMAGE, MediaKind.SOUND: Modality.AUDIO}.get(info.kind)
    if info.audio is None:
        only = Modality.IMAGE
    return by or only or find.other


def require(modality: Modality, header: WeightsHeader) -> None:
    """Refuse what the library's encoder does not have.

    Raises:
        UsageError: it sees no pictures, or hears no sound.
    """
    if modality not in header.modalities:
        does = {Modality.IMAGE: "sees no pictures", Modality.AUDIO: "hears no sound"}[modality]
        raise UsageError(
            f"The library's encoder, {header.architecture}, {does}.",
            hint=f"Ask with and for {modality.other}, or use a library of another encoder.",
        )


def stored_vector(moment: Moment, segments: Sequence[Rows]) -> NDArray[np.float32]:
    """(D,) float32: the row of a moment, of unit length again where it was stored as float16.

    Raises:
        LibraryError: no segment holds it.
    """
    for rows in segments:
        first, last = np.searchsorted(rows.media_id, [moment.media_id, moment.media_id + 1])
        place = int(np.searchsorted(rows.start_us[first:last], moment.start_us)) + int(first)
        if place < last and rows.start_us[place] == moment.start_us:
            vector = rows.vector[place].astype(np.float32)
            return np.asarray(vector / np.linalg.norm(vector), np.float32)
    raise LibraryError(
        f"{moment.id}: the library holds no such moment.", hint="It may have been removed; search again."
    )


def weighted_sum(vectors: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> NDArray[np.float32]:
    """(D,) float32 unit vector: that of the weighted sum.

    Raises:
        UsageError: there are none, or they cancel each other.
    """
    if not vectors:
        raise UsageError("There is nothing to ask with.", hint="Give a picture, a sound or a video.")
    if len(vectors) == 1 and weights[0] > 0:
        return vectors[0]
    total = np.einsum("n,nd->d", np.asarray(weights, np.float64), np.asarray(vectors, np.float64))
    length = float(np.linalg.norm(total))
    if length < 1e-6 * float(np.abs(weights).sum()):
        raise UsageError("What is asked for and what is asked against cancel each other.", hint="Change a weight.")
    return np.asarray(total / length, np.float32)


def _batches(source: Source, info: MediaInfo, by: Modality, front_end: FrontEnd) -> Iterator[NDArray[Any]]:
    """What is asked with, as the encoder wants it, a bounded number at a time."""
    pieces: Iterator[NDArray[Any]] = _seconds(source, info)
    count = _BATCH
    if by is Modality.IMAGE:
        pieces = _looks(source, _cropped(source, info), front_end)
        count = max(_BATCH // front_end.num_frames, 1)
    while batch := list(islice(pieces, count)):
        yield np.stack(batch)


def _cropped(source: Source, info: MediaInfo) -> MediaInfo:
    return info if source.crop is None else info.cropped(source.crop)


def _looks(source: Source, info: MediaInfo, front_end: FrontEnd) -> Iterator[NDArray[np.uint8]]:
    shown = media.frame_times(source.path, info)
    times_us = _asked_times(source, shown)
    for look in media.read_looks(source.path, info, times_us, front_end=front_end, shown=shown):
        yield look.pixels


def _asked_times(source: Source, frames: media.FrameTimes) -> list[int]:
    """The frame shown at the time, or those shown at each second of the stretch."""
    last_us = int(frames.times_us[-1])
    start_us = source.start_us or 0
    if start_us > last_us + SECOND_US:
        raise MediaError(f"{source.path}: its pictures end at {last_us / SECOND_US:.3f} s.", hint="Ask earlier.")
    end_us = start_us + 1 if source.start_us is not None and source.end_us is None else source.end_us
    marks = np.arange(start_us, min(end_us or last_us + 1, last_us + SECOND_US), SECOND_US)
    return list(dict.fromkeys(frames.shown_at(int(mark)) for mark in marks))


def _seconds(source: Source, info: MediaInfo) -> Iterator[NDArray[np.float32]]:
    span = None
    if source.start_us is not None:
        span = Span(source.start_us, source.end_us or source.start_us + SECOND_US)
    for second in media.sound_seconds(source.path, info, span):
        yield padded_second(second.waveform)
