"""A file of either modality -> the moments of a library that are most like it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsearch import media
from avsearch.catalog import MediaRecord
from avsearch.errors import LibraryError, MediaError, UsageError
from avsearch.front_end import FrontEnd, padded_second
from avsearch.library import Library, View
from avsearch.models.header import WeightsHeader
from avsearch.models.weights import read_header
from avsearch.moments import SECOND_US, Hit, MediaInfo, MediaKind, Modality, Moment, Span
from avsearch.vectors import Rows, rows_at
from avsearch.vectors.backend import load_faiss
from avsearch.vectors.exact import nearest

if TYPE_CHECKING:
    from avsearch.encoder import Encoder

_AT = re.compile(r"^(?P<path>.+)@(?P<start>\d+(?:\.\d+)?)(?:-(?P<end>\d+(?:\.\d+)?))?$", re.DOTALL)
_BATCH = 64  # frames or seconds, decoded before they are encoded
_FIRST_FETCH = 4  # times k rows, doubled until k media are found


@dataclass(frozen=True)
class Source:
    """What is asked with: a file, a moment of it, or a stretch of it."""

    path: Path
    start_us: int | None = None
    end_us: int | None = None


def parse_source(text: str) -> Source:
    """`FILE`, `FILE@S` or `FILE@A-B`, times in seconds; a path that exists wins over the `@`.

    Raises:
        UsageError: the stretch ends before it begins.
    """
    found = None if Path(text).exists() else _AT.match(text)
    if found is None:
        return Source(Path(text))
    start_us = round(float(found["start"]) * SECOND_US)
    end_us = None if found["end"] is None else round(float(found["end"]) * SECOND_US)
    if end_us is not None and end_us <= start_us:
        raise UsageError(f"{text}: the stretch ends before it begins.", hint="Write FILE@FROM-TO in seconds.")
    return Source(Path(found["path"]), start_us, end_us)


def search(
    library: Library,
    source: Source,
    *,
    find: Modality,
    by: Modality | None = None,
    k: int = 30,
    device: str = "auto",
) -> list[Hit]:
    """The k media with a moment most like the source, each with its best moment.

    Args:
        library: where to search.
        source: what to ask with.
        find: what to find.
        by: the side of a video to ask with; by default the other than `find`. Other files have only one.
        k: how many hits.
        device: where the encoder runs.

    Raises:
        LibraryError: nothing has been indexed, or the library is damaged.
        MediaError: the source cannot be read, or lacks that side.
        UsageError: the library's encoder lacks a modality that is asked with or for.
    """
    if k < 1:
        raise UsageError(f"{k} hits cannot be found.", hint="Ask for one or more with -k.")
    view = library.view(find)  # from one instant to the end: whatever is written meanwhile, the encoder fits
    encoder = view.snapshot.encoder
    if encoder is None or not view.snapshot.live_media_ids.size:
        raise LibraryError(f"{library.directory}: nothing has been indexed.", hint="Run `avsearch index FOLDER`.")
    weights = library.encoder_path(encoder)
    header = read_header(weights)
    _require(find, header)
    with ThreadPoolExecutor(1) as pool:  # importing torch takes longer than decoding a moment
        loading = pool.submit(_load_encoder, weights, device)
        info = media.probe(source.path)
        asked = _side_of_encoder(side(info, find=find, by=by), info, header, by=by)
        batches = _batches(source, info, asked, header.front_end)
        vector = _mean_vector(source, batches, asked, loading.result)
    return nearest_hits(library, view, vector, find=find, k=k)


def side(info: MediaInfo, *, find: Modality, by: Modality | None) -> Modality:
    """Which side of a file asks: the one wished for, else its only one, else the other than what is found."""
    only = {MediaKind.PICTURE: Modality.IMAGE, MediaKind.SOUND: Modality.AUDIO}.get(info.kind)
    if info.audio is None:
        only = Modality.IMAGE
    return by or only or find.other


def _side_of_encoder(asked: Modality, info: MediaInfo, header: WeightsHeader, *, by: Modality | None) -> Modality:
    """The side that asks, or the file's other one where nobody named a side and the encoder has only that."""
    has_other = info.video is not None if asked is Modality.AUDIO else info.audio is not None
    if asked not in header.modalities and by is None and has_other:
        asked = asked.other
    _require(asked, header)
    return asked


def _require(modality: Modality, header: WeightsHeader) -> None:
    """Refuse what the library's encoder does not have."""
    if modality not in header.modalities:
        does = {Modality.IMAGE: "sees no pictures", Modality.AUDIO: "hears no sound"}[modality]
        raise UsageError(
            f"The library's encoder, {header.architecture}, {does}.",
            hint=f"Ask with and for {modality.other}, or use a library of another encoder.",
        )


def embed(source: Source, info: MediaInfo, by: Modality, encoder: Encoder) -> NDArray[np.float32]:
    """(D,) float32 unit vector: of one moment, or the normalised mean of a stretch's moments, one a second.

    Raises:
        MediaError: the file lacks that side, or ends before the time asked for.
    """
    return _mean_vector(source, _batches(source, info, by, encoder.front_end), by, lambda: encoder)


def nearest_hits(library: Library, view: View, vector: NDArray[np.float32], *, find: Modality, k: int) -> list[Hit]:
    """The k media with the nearest moments, by exact search; one that was removed by now is left out."""
    segments, live = view.segments[find], view.snapshot.live_media_ids
    if not any(map(len, segments)):
        raise LibraryError(f"{library.directory}: holds no {find} moments.", hint=f"Ask for {find.other} instead.")
    while True:
        rows, scores = _nearest_media(segments, vector, live, k)
        records = library.catalog.media_records(rows.media_id.tolist())
        there = [media_id for media_id, record in records.items() if record.paths]
        if len(there) == len(rows):
            return _hits(rows, scores, records, find)
        live = np.setdiff1d(live, np.setdiff1d(rows.media_id, there))


def _nearest_media(
    segments: Sequence[Rows], vector: NDArray[np.float32], live: NDArray[np.int64], k: int
) -> tuple[Rows, NDArray[np.float32]]:
    """More and more rows are fetched until k live media are among them, or no rows are left."""
    num_rows = sum(map(len, segments))
    fetch = _FIRST_FETCH * k
    while True:
        found = nearest(segments, vector[None], min(fetch, num_rows))
        best = _best_of_each_media(rows_at(segments, found.row[0]), live)[:k]
        if len(best) == k or fetch >= num_rows:
            return rows_at(segments, found.row[0][best]), found.scores[0][best]
        fetch *= 2


def _load_encoder(weights: Path, device: str) -> Encoder:
    """Load the encoder, and FAISS after it, while the source is being decoded."""
    from avsearch.encoder import load_encoder  # noqa: PLC0415  (torch: a second)

    encoder = load_encoder(weights, device)
    load_faiss()
    return encoder


def _mean_vector(
    source: Source, batches: Iterator[NDArray[Any]], by: Modality, encoder: Callable[[], Encoder]
) -> NDArray[np.float32]:
    """(D,) float32: the normalised mean over batches of squares or of seconds; the encoder may still be loading."""
    total = np.float32(0)
    for batch in batches:
        encode = encoder().encode_images if by is Modality.IMAGE else encoder().encode_sounds
        total = total + encode(batch).sum(axis=0)
    length = float(np.linalg.norm(total))
    if length == 0:
        raise MediaError(f"{source.path}: there is nothing to ask with at that time.", hint="Give an earlier time.")
    return np.asarray(total / length, np.float32)


def _batches(source: Source, info: MediaInfo, by: Modality, front_end: FrontEnd) -> Iterator[NDArray[Any]]:
    """What is asked with, as the encoder wants it, a bounded number at a time."""
    pieces: Iterator[NDArray[Any]] = _seconds(source, info)
    count = _BATCH
    if by is Modality.IMAGE:
        pieces = _looks(source, info, front_end)
        count = max(_BATCH // front_end.num_frames, 1)
    while batch := list(islice(pieces, count)):
        yield np.stack(batch)


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


def _best_of_each_media(rows: Rows, live: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the first row of each live media; the rows come best first."""
    alive = np.flatnonzero(np.isin(rows.media_id, live))
    _, first = np.unique(rows.media_id[alive], return_index=True)
    return alive[np.sort(first)]


def _hits(rows: Rows, scores: NDArray[np.float32], records: Mapping[int, MediaRecord], find: Modality) -> list[Hit]:
    return [
        _hit(rank, float(score), Moment(int(media_id), find, int(start_us)), records[int(media_id)])
        for rank, (score, media_id, start_us) in enumerate(
            zip(scores, rows.media_id, rows.start_us, strict=True), start=1
        )
    ]


def _hit(rank: int, score: float, moment: Moment, record: MediaRecord) -> Hit:
    end_us = moment.start_us
    if moment.modality is Modality.AUDIO:
        end_us = max(min(moment.start_us + SECOND_US, record.duration_us), moment.start_us)
    return Hit(
        rank=rank,
        score=score,
        path=record.paths[0],
        media_id=moment.media_id,
        moment_id=moment.id,
        modality=moment.modality,
        start_s=moment.start_us / SECOND_US,
        end_s=end_us / SECOND_US,
    )
