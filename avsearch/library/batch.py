"""What an indexer hands over, and what of it is new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import numpy as np

from avsearch.catalog import EncoderRecord, FileState, IndexedMedia
from avsearch.moments import Modality
from avsearch.vectors import Rows


@dataclass(frozen=True)
class Batch:
    """Finished work; it becomes part of the library as a whole, or not at all.

    Attributes:
        media: contents that were read, under reserved ids.
        rows: their moments, by modality; empty only where no encoder has looked at them.
        files: what became of files; indexed ones name a media of this batch or one known before.
        labels: of media known before, added to those that they have.
        encoder: that made the rows; None for whichever is active.
    """

    media: tuple[IndexedMedia, ...] = ()
    rows: Mapping[Modality, Rows] = field(default_factory=dict)
    files: tuple[FileState, ...] = ()
    labels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    encoder: EncoderRecord | None = None

    def __post_init__(self) -> None:
        media_ids = {media.id for media in self.media}
        if len(media_ids) != len(self.media):
            raise ValueError("a media id stands in the batch twice")
        for modality, rows in self.rows.items():
            if strangers := set(np.unique(rows.media_id).tolist()) - media_ids:
                raise ValueError(f"{modality} rows of media {sorted(strangers)} that are not in the batch")

    def without(self, lost: AbstractSet[tuple[int, bytes]]) -> Batch:
        """The batch without some files, given by root and path, and without media that only they hold."""
        if not lost:
            return self
        files = tuple(state for state in self.files if (state.root_id, state.path) not in lost)
        held = {state.media_id for state in files}
        media = tuple(one for one in self.media if one.id in held)
        media_ids = [one.id for one in media]
        gone = {one.id for one in self.media}.difference(media_ids)
        return Batch(
            media=media,
            rows={it: rows.take(np.isin(rows.media_id, media_ids)) for it, rows in self.rows.items()},
            files=files,
            labels={media_id: texts for media_id, texts in self.labels.items() if media_id not in gone},
            encoder=self.encoder,
        )


@dataclass(frozen=True)
class SettledBatch:
    """A batch in which each content stands once, under the id that it has in the library.

    `media` are new to the library; `labels` are those of all media of the batch; `covered` are the ids of those
    that the encoder has dealt with and that had no vectors of it before, whether that made any rows or not.
    """

    media: tuple[IndexedMedia, ...]
    rows: Mapping[Modality, Rows]
    files: tuple[FileState, ...]
    labels: Mapping[int, tuple[str, ...]]
    covered: tuple[int, ...]


def settle(batch: Batch, *, known: Mapping[str, int], covered: AbstractSet[int]) -> SettledBatch:
    """Find out what of a batch is new.

    Args:
        batch: may hold one content twice, or one that the library knows.
        known: content hashes -> ids of the media that the library knows.
        covered: ids of known media that the active encoder has dealt with; they keep their vectors.
    """
    lasting_of_hash = dict(known)
    lasting = {media.id: lasting_of_hash.setdefault(media.content_hash, media.id) for media in batch.media}
    labels: defaultdict[int, tuple[str, ...]] = defaultdict(tuple, batch.labels)
    source: dict[int, int] = {}  # lasting id -> the one id of the batch that gives its rows
    for media in batch.media:
        labels[lasting[media.id]] += media.labels
        source.setdefault(lasting[media.id], media.id)
    new_ids = {given: last for last, given in source.items() if last not in covered}
    return SettledBatch(
        media=tuple(one for one in batch.media if one.content_hash not in known and lasting[one.id] == one.id),
        rows={modality: _renamed_rows(rows, new_ids) for modality, rows in batch.rows.items()},
        files=tuple(_renamed_file(state, lasting) for state in batch.files),
        labels=labels,
        covered=tuple(new_ids.values()) if batch.rows else (),
    )


def _renamed_file(state: FileState, lasting: Mapping[int, int]) -> FileState:
    return state if state.media_id is None else replace(state, media_id=lasting.get(state.media_id, state.media_id))


def _renamed_rows(rows: Rows, new_ids: Mapping[int, int]) -> Rows:
    """The rows of the media in `new_ids`, under their new id."""
    old = np.array(sorted(new_ids), np.int64)
    new = np.array([new_ids[media_id] for media_id in old.tolist()], np.int64)
    kept = rows.take(np.isin(rows.media_id, old))
    return replace(kept, media_id=new[np.searchsorted(old, kept.media_id)])
