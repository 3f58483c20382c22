"""Media that the library knows, read again for their vectors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avsearch import media
from avsearch.catalog import Catalog, EncoderRecord, MediaRecord
from avsearch.cores import num_cores
from avsearch.errors import LibraryError, MediaError, WeightsError
from avsearch.front_end import FrontEnd
from avsearch.library import Library
from avsearch.models.weights import read_header
from avsearch.moments import MediaInfo, Modality
from avsearch.vectors import Rows
from indexer.choosing import Wanted
from indexer.damage import Incomplete
from indexer.fetching import FetchedReader
from indexer.ingest import Read, read_again, read_pieces
from indexer.loading import Loading
from indexer.pipeline import Pipeline
from indexer.read_file import ReadFile
from indexer.reader import require_unchanged
from indexer.streams import Unreadable

Times = Mapping[Modality, Sequence[int]]
TimesOf = Callable[[int], Times | None]
"""A media's id -> the times of the moments to read, in microseconds; None where they are to be planned anew."""


@dataclass(frozen=True, eq=False)
class StoredTimes:
    """When the moments are that the active encoder's segments hold.

    Attributes:
        segments: by modality, each sorted by media and time; a modality that the encoder lacks is not among them.
        known: the media whose moments are all there.
    """

    segments: Mapping[Modality, Sequence[Rows]]
    known: AbstractSet[int]

    def __call__(self, media_id: int) -> Times | None:
        """The times of a media's moments, ascending; None if not all of them are there."""
        if media_id not in self.known:
            return None
        return {modality: _times_in(segments, media_id) for modality, segments in self.segments.items()}


def stored_times(library: Library) -> StoredTimes:
    """The times of all moments under the active encoder; segments are mapped, not read into memory.

    Raises:
        LibraryError: a segment is missing or damaged.
    """
    active = library.catalog.active_encoder()
    try:
        view = library.view(*(Modality if active is None else _modalities_of(library, active)))
    except LibraryError as error:
        hint = "Run `avsearch library repair`, then the same command again."
        raise LibraryError(error.message, hint=hint) from error
    known: set[int] = set()
    if view.snapshot.encoder is not None:
        lost = {one.media_id for one in library.catalog.lost(view.snapshot.encoder.id)}
        known = library.catalog.covered_media(view.snapshot.encoder.id) - lost
    return StoredTimes(view.segments, known)


@dataclass(frozen=True)
class Reading:
    """How media are read again.

    Attributes:
        catalog: what is known of them; several threads ask it.
        weights: of the encoder that makes their vectors.
        times_of: which moments.
        stop: once it is set, no file is begun.
        num_workers: files decoded at once; None is one for each core.
        device: where the encoder runs.
    """

    catalog: Catalog
    weights: Path
    times_of: TimesOf
    stop: threading.Event
    num_workers: int | None = None
    device: str = "auto"

    def run(self, wanted: Sequence[Wanted]) -> Generator[ReadFile]:
        """Yield each file once its moments are encoded, or once it has failed; not in order.

        Raises:
            WeightsError, UsageError: the encoder cannot be loaded.
        """
        if not wanted:
            return
        loading, header = Loading(self.weights, self.device), read_header(self.weights)
        reader = KnownFileReader(
            catalog=self.catalog,
            front_end=header.front_end,
            modalities=header.modalities,
            wanted={one.file.path: one for one in wanted},
            times_of=self.times_of,
            num_threads=max(num_cores() // len(wanted), 1),
        )
        files = [one.file for one in wanted]
        fetched = FetchedReader(reader, self.num_workers or num_cores())
        num_readers = fetched.num_readers(files)
        pipeline = Pipeline(fetched, loading, stop=self.stop, num_readers=num_readers)
        try:
            with closing(pipeline.run(files)) as reading:
                yield from reading
        finally:
            if loading.encoder is not None:
                loading.encoder.work_together()


@dataclass(frozen=True)
class KnownFileReader:
    """Reads files for the moments of the media that the library knows them to hold.

    Attributes:
        catalog: what is known of them.
        front_end: of the encoder.
        modalities: what it can encode; of others nothing is read.
        wanted: by the files' paths.
        times_of: which moments.
        num_threads: of each decoder.
    """

    catalog: Catalog
    front_end: FrontEnd
    modalities: Sequence[Modality]
    wanted: Mapping[Path, Wanted]
    times_of: TimesOf
    num_threads: int = 1

    def __call__(self, result: ReadFile) -> Iterator[Read]:
        """Give the pieces that are wanted of a file, and fill in what it is.

        Raises:
            MediaError: it cannot be read, or changes meanwhile.
        """
        wanted = self.wanted[result.file.path]
        record = self.catalog.media_records([wanted.media_id])[wanted.media_id]
        media.require_file(result.bytes_at)
        times = self.times_of(wanted.media_id)
        sides = [modality for modality in self.modalities if modality in wanted.counts]
        if times is None:
            yield from self._plan_anew(result, record, read=self.modalities, give=sides)
        else:
            unplanned = [modality for modality in sides if modality not in times]
            yield from self._plan_anew(result, record, read=unplanned, give=unplanned)
            chosen = {modality: times[modality] for modality in sides if modality in times}
            yield from read_again(
                result.bytes_at,
                record.info,
                self.front_end,
                wanted=chosen,
                gap_us=record.gap_us,
                num_threads=self.num_threads,
            )
        require_unchanged(result)
        result.content_hash, result.info, result.gap_us = record.content_hash, record.info, record.gap_us

    def _plan_anew(
        self, result: ReadFile, record: MediaRecord, *, read: Sequence[Modality], give: Sequence[Modality]
    ) -> Iterator[Read]:
        """The moments as indexing found them, of some sides; what is lost was readable then, and has to be now."""
        path, counts = result.bytes_at, self.wanted[result.file.path].counts
        part = record.info.limited_to(read)
        if part.video is None and part.audio is None:
            return
        info = _same_streams(path, record.info).limited_to(read)
        pieces = read_pieces(path, info, self.front_end, gap_us=record.gap_us, num_threads=self.num_threads)
        for piece in pieces:
            if isinstance(piece, Incomplete) or piece.modality not in give:
                continue
            if isinstance(piece, Unreadable) and counts[piece.modality]:
                raise MediaError(f"{path}: {piece.reason}", hint="Check it with `ffmpeg -i`.")
            yield piece


def _same_streams(path: Path, known: MediaInfo) -> MediaInfo:
    """What the header says, as when the file was indexed: the catalog's duration may be a corrected one."""
    info = media.probe(path, audio_stream=None if known.audio is None else known.audio.ordinal)
    return replace(info, audio=info.audio if known.audio else None, video=info.video if known.video else None)


def _modalities_of(library: Library, encoder: EncoderRecord) -> Sequence[Modality]:
    """What an encoder can encode; where its weights are lost, what any could."""
    try:
        return read_header(library.encoder_path(encoder)).modalities
    except WeightsError:
        return tuple(Modality)


def _times_in(segments: Sequence[Rows], media_id: int) -> list[int]:
    times: list[int] = []
    for rows in segments:
        first, end = np.searchsorted(rows.media_id, [media_id, media_id + 1])
        times += rows.start_us[first:end].tolist()
    return sorted(times)
