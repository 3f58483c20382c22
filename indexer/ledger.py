"""What a run has read and not committed yet, and what it has come to."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avsearch.catalog import EncoderRecord, FileState, IndexedMedia, State
from avsearch.library import Batch, Writer
from avsearch.moments import Failed, Modality
from avsearch.vectors import Rows
from indexer.discover import FoundFile
from indexer.events import Committed, FileDone, Listener
from indexer.read_file import ReadFile

COMMIT_EVERY_S = 20.0


class Ledger:
    """Finished files on their way into the library; each commit takes all of them.

    Attributes:
        failures: files that could not be read, each with its reason.
        partly: indexed files of which one side, or a stretch, could not be decoded.
        num_indexed: files that are part of the library by this run, copies included.
        num_elsewhere: files that are part of it by other runs that were at work at the same time.
        decoded_us: duration of the media read.
    """

    def __init__(
        self, writer: Writer, encoder: EncoderRecord, *, labels: Mapping[Path, tuple[str, ...]], tell: Listener
    ) -> None:
        self._writer = writer
        self._encoder = encoder
        self._labels = labels
        self._media_of_hash: dict[str, int] = {}
        self._tell = tell
        self._committed_at = time.monotonic()
        self._new: list[ReadFile] = []
        self._copies: list[ReadFile] = []
        self._failed: list[tuple[FoundFile, FileState]] = []
        self._in_other_hands: list[FoundFile] = []
        self._reason_of_hash: dict[str, str] = {}
        self.failures: list[Failed] = []
        self.partly: list[Failed] = []
        self.num_indexed = 0
        self.num_elsewhere = 0
        self.decoded_us = 0

    @property
    def is_due(self) -> bool:
        """Whether the last commit is long enough ago."""
        return time.monotonic() - self._committed_at > COMMIT_EVERY_S

    def enter(self, read: ReadFile) -> None:
        """Take in what became of a file."""
        if read.is_abandoned:
            return
        if read.is_elsewhere:
            self._note_elsewhere(read)
        elif read.unreached:
            self._note_unreached(read)
        elif read.is_known:
            self._copies.append(read)
        elif read.info is None:
            self._reason_of_hash[read.content_hash] = self._fail(read, read.reason)
        else:
            self._new.append(read)
            self.decoded_us += read.info.duration_us
            if read.reason:
                self.partly.append(Failed(read.file.path, read.reason))
            self._tell(file_done(read, State.INDEXED))

    def commit(self) -> None:
        """Make everything that is finished part of the library, in one commit."""
        self._committed_at = time.monotonic()
        copies = list(self._settled_copies())
        if not (self._new or self._failed or copies):
            return
        media_ids = self._writer.reserve_media_ids(len(self._new)) if self._new else range(0)
        lost = self._writer.publish(self._batch(media_ids, copies))
        self._media_of_hash |= self._writer.catalog.media_by_hash([read.content_hash for read in self._new])
        indexed = [read.file for read in (*self._new, *(read for read, _ in copies))]
        self.num_indexed += sum(file.place not in lost for file in indexed)
        self._note_lost([file for file in (*indexed, *(file for file, _ in self._failed)) if file.place in lost])
        self._new.clear()
        self._failed.clear()
        self._tell(Committed(self.num_indexed + len(self.failures)))

    def close(self) -> None:
        """Commit what is left; copies of contents that were read last come in a second commit."""
        self.commit()
        if self._copies:
            self.commit()

    def know(self, media_of_hash: Mapping[str, int]) -> None:
        """Contents that the library has -> their media: files that hold them need no reading."""
        self._media_of_hash |= media_of_hash

    def take_left(self) -> list[FoundFile]:
        """What is not dealt with: files that others had in hand, or took over, and copies of what was in those."""
        left = [*self._in_other_hands, *(read.file for read in self._copies)]
        self._in_other_hands.clear()
        self._copies.clear()
        return left

    def _note_elsewhere(self, read: ReadFile) -> None:
        """A file that another indexer has in hand, or is through with."""
        made = read.made_elsewhere
        if made is None:
            self._in_other_hands.append(read.file)
        elif made.state is State.FAILED:
            self.failures.append(Failed(read.file.path, made.reason))
        else:
            self.num_elsewhere += 1
            self.partly += [Failed(read.file.path, made.reason)] if made.reason else []

    def _note_unreached(self, read: ReadFile) -> None:
        """A file that its store did not give: the catalog is told nothing, so the next run asks again."""
        self.failures.append(Failed(read.file.path, read.unreached))
        self._tell(file_done(read, State.FAILED, read.unreached))

    def _note_lost(self, files: Sequence[FoundFile]) -> None:
        """Files whose leases had run out: what others make of them counts."""
        paths = {file.path for file in files}
        self._in_other_hands += files
        self.failures = [it for it in self.failures if it.path not in paths]
        self.partly = [it for it in self.partly if it.path not in paths]

    def _settled_copies(self) -> Iterator[tuple[ReadFile, int]]:
        """Files whose content is in the library by now, with its media; or has failed, as they then do."""
        waiting, self._copies = self._copies, []
        for read in waiting:
            if read.content_hash in self._media_of_hash:
                self._tell(file_done(read, State.INDEXED))
                yield read, self._media_of_hash[read.content_hash]
            elif read.content_hash in self._reason_of_hash:
                self._fail(read, self._reason_of_hash[read.content_hash])
            else:
                self._copies.append(read)

    def _fail(self, read: ReadFile, reason: str) -> str:
        reason = reason.removeprefix(f"{read.file.path}: ")  # the path stands beside it, and reasons are counted
        self._failed.append((read.file, read.file.state(State.FAILED, reason=reason)))
        self.failures.append(Failed(read.file.path, reason))
        self._tell(file_done(read, State.FAILED, reason))
        return reason

    def _batch(self, media_ids: Sequence[int], copies: Sequence[tuple[ReadFile, int]]) -> Batch:
        new = [
            read.file.state(State.INDEXED, reason=read.reason, media_id=media_id)
            for read, media_id in zip(self._new, media_ids, strict=True)
        ]
        known = [read.file.state(State.INDEXED, media_id=media_id) for read, media_id in copies]
        labels: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
        for read, media_id in copies:
            labels[media_id] += self._labels.get(read.file.path, ())
        return Batch(
            media=tuple(self._media(media_ids)),
            rows={modality: joined_rows(self._new, media_ids, modality) for modality in Modality},
            files=(*new, *known, *(state for _, state in self._failed)),
            labels=labels,
            encoder=self._encoder,
        )

    def _media(self, media_ids: Sequence[int]) -> Iterator[IndexedMedia]:
        for read, media_id in zip(self._new, media_ids, strict=True):
            assert read.info is not None
            yield IndexedMedia(
                id=media_id,
                content_hash=read.content_hash,
                info=read.info,
                labels=self._labels.get(read.file.path, ()),
                num_silent=read.left_out[Modality.AUDIO],
                num_still=read.left_out[Modality.IMAGE],
                gap_us=read.gap_us,
            )


def joined_rows(finished: Sequence[ReadFile], media_ids: Sequence[int], modality: Modality) -> Rows:
    """All moments of one modality, of files that hold the media given."""
    vectors: list[Any] = [vector for read in finished for vector in read.vectors[modality]]
    counts = [len(read.starts_us[modality]) for read in finished]
    return Rows(
        vector=np.stack(vectors) if vectors else np.zeros((0, 1), np.float32),
        media_id=np.repeat(np.array(media_ids, np.int64), counts),
        start_us=np.array([start for read in finished for start in read.starts_us[modality]], np.int64),
    )


def file_done(read: ReadFile, state: State, reason: str = "") -> FileDone:
    """What became of a file, for listeners."""
    return FileDone(
        path=read.file.path,
        num_bytes=read.file.size_bytes,
        state=state,
        reason=reason or (read.reason if state is State.INDEXED else ""),
        is_copy=read.is_known,
        duration_us=read.info.duration_us if read.info is not None else 0,
        num_images=len(read.starts_us[Modality.IMAGE]) if state is State.INDEXED else 0,
        num_sounds=len(read.starts_us[Modality.AUDIO]) if state is State.INDEXED else 0,
        num_silent=read.left_out[Modality.AUDIO],
        num_still=read.left_out[Modality.IMAGE],
    )
