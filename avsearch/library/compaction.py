"""Merge segments, leave out what can never be found again, and give the space back.

A commit replaces a few segments by one, so that a kill at any instant leaves a whole library, and a disk needs
room for one more segment and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from avsearch.catalog import CatalogWriter, EncoderRecord, NewSegment, Replacement, SegmentRecord
from avsearch.errors import LibraryError, StorageError
from avsearch.library.layout import Layout
from avsearch.library.nearby import drop_useless
from avsearch.library.store import Library, segment_file
from avsearch.library.writer import write_new_segment
from avsearch.moments import Progress
from avsearch.vectors import merge_rows

MIN_BYTES = 16 << 20  # a segment of this size is large enough to stay as it is
MAX_BYTES = 64 << 20  # segments are merged up to this size
_READ_RATIO = 4  # times that much is read for it, where little of it stays


@dataclass(frozen=True)
class Compacted:
    """What became of the segments; bytes are those of all segments together."""

    num_segments_before: int
    num_segments_after: int
    bytes_before: int
    bytes_after: int
    num_media_forgotten: int


@dataclass(frozen=True)
class Source:
    """A segment, and what of it stays: media ids -> number of rows."""

    record: SegmentRecord
    rows_of_media: Mapping[int, int]

    @property
    def num_rows(self) -> int:
        return sum(self.rows_of_media.values())

    @property
    def has_dead_rows(self) -> bool:
        return self.num_rows < self.record.num_rows

    @property
    def num_bytes(self) -> int:
        """About as large as it will be."""
        return self.record.num_bytes * self.num_rows // self.record.num_rows


def compact(library: Library, progress: Progress) -> Compacted:
    """Merge small segments towards 16 to 64 MB, and remove what no file needs.

    Rows of media without an indexed or missing file go, and so do these media; likewise encoders that are neither
    active nor pending nor the localizer, and all that other than active and pending ones made. Every other moment
    keeps its id and its vector.

    Raises:
        LibraryError: another process writes, a segment is damaged, or the disk is full; nothing that can be found
            is lost by that.
    """
    with library.writer("compact") as writer:
        before = writer.catalog.all_segments()
        _drop_unused_encoders(library.layout, writer.catalog)
        forgotten = writer.catalog.reclaimable_media()
        merges = plan_merges(_sources(writer.catalog, forgotten))
        progress.stage("compact", sum(map(len, merges)), "segment")
        waiting = tuple(sorted(forgotten))
        for merge in merges:
            _replace(library.layout, writer.catalog, merge, waiting)
            waiting = ()
            progress.advance(len(merge))
        if waiting:
            writer.catalog.replace_segments(Replacement((), (), waiting))
        after = writer.catalog.all_segments()
    drop_useless(library)
    return Compacted(
        num_segments_before=len(before),
        num_segments_after=len(after),
        bytes_before=sum(record.num_bytes for record in before),
        bytes_after=sum(record.num_bytes for record in after),
        num_media_forgotten=len(forgotten),
    )


def plan_merges(sources: Iterable[Source]) -> list[tuple[Source, ...]]:
    """Decide which segments are written anew, those of one tuple as one; the others stay as they are.

    Those of which nothing stays come first, because they give room on a full disk.
    """
    ordered = sorted(sources, key=_kind)  # stable: the oldest stay first
    gone = tuple(source for source in ordered if not source.num_rows)
    packed = [gone] if gone else []
    for _, alike in groupby((source for source in ordered if source.num_rows), key=_kind):
        some = list(alike)
        packed += [(source,) for source in some if source.num_bytes >= MIN_BYTES]
        packed += _pack([source for source in some if source.num_bytes < MIN_BYTES])
    return [merge for merge in packed if len(merge) > 1 or merge[0].has_dead_rows]


def _kind(source: Source) -> tuple[str, str]:
    """What rows of one segment have in common."""
    return source.record.fingerprint, source.record.modality


def _pack(sources: Sequence[Source]) -> Iterator[tuple[Source, ...]]:
    """As many neighbours at a time as make one segment, and as can be open at once."""
    packed: list[Source] = []
    written = read = 0
    for source in sources:
        written, read = written + source.num_bytes, read + source.record.num_bytes
        if packed and (written > MAX_BYTES or read > _READ_RATIO * MAX_BYTES):
            yield tuple(packed)
            packed, written, read = [], source.num_bytes, source.record.num_bytes
        packed.append(source)
    if packed:
        yield tuple(packed)


def _sources(catalog: CatalogWriter, forgotten: Collection[int]) -> Iterator[Source]:
    for record in catalog.all_segments():
        counts = catalog.rows_of_media(record.name)
        yield Source(record, {media_id: count for media_id, count in counts.items() if media_id not in forgotten})


def _replace(layout: Layout, catalog: CatalogWriter, merge: Sequence[Source], forgotten: tuple[int, ...]) -> None:
    """Write, commit, and only then delete: readers keep the old files for as long as they have them open."""
    new = (_write_merged(layout, merge),) if any(source.num_rows for source in merge) else ()
    names = tuple(source.record.name for source in merge)
    catalog.replace_segments(Replacement(names, new, forgotten))
    for name in names:
        layout.shelf.delete(name)


def _write_merged(layout: Layout, merge: Sequence[Source]) -> NewSegment:
    try:
        files = [segment_file(it.record) for it in merge]
        layout.shelf.gather(files)
        mapped = [layout.shelf.map(file) for file in files]
    except StorageError:
        raise
    except LibraryError as error:
        raise LibraryError(error.message, hint="Run `avsearch library repair`, then compact again.") from error
    media_ids = {media_id for source in merge for media_id in source.rows_of_media}
    rows = merge_rows(mapped, np.array(sorted(media_ids), np.int64))
    record = merge[0].record
    return write_new_segment(layout, rows, modality=record.modality, fingerprint=record.fingerprint)


def _drop_unused_encoders(layout: Layout, catalog: CatalogWriter) -> None:
    """Encoders that are neither active nor pending, the segments that they made, and their weights.

    Of the localizer only the segments go, which it has if it was the active encoder once.
    """
    used, localizer = (catalog.active_encoder(), catalog.pending_encoder()), catalog.localizer()
    for encoder in catalog.encoders():
        if encoder not in used:
            _drop_encoder(layout, catalog, encoder, is_kept=encoder == localizer)


def _drop_encoder(layout: Layout, catalog: CatalogWriter, encoder: EncoderRecord, *, is_kept: bool) -> None:
    made = [record for record in catalog.all_segments() if record.fingerprint == encoder.fingerprint]
    (catalog.forget_vectors if is_kept else catalog.forget_encoder)(encoder)
    for record in made:
        layout.shelf.delete(record.name)
    if not is_kept:
        layout.encoder_path(encoder.fingerprint).unlink(missing_ok=True)
