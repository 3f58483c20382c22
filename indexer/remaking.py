"""Vectors that are made again, on their way into the library."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Generator, Iterable
from contextlib import closing

from avsearch.catalog import Catalog, EncoderRecord, State
from avsearch.errors import LibraryError
from avsearch.library import Writer
from avsearch.moments import Failed, Modality
from indexer.choosing import Counts, Wanted
from indexer.events import Committed, Listener
from indexer.ledger import COMMIT_EVERY_S, file_done, joined_rows
from indexer.read_file import ReadFile


class Remaking:
    """Takes files that were read again; each commit publishes all of them.

    Attributes:
        failures: files that could not be read, each with its reason.
        changed: files that gave another number of moments than there were; what they gave is published.
        num_media: media that have their vectors by this run.
        num_moments: how many these are.
        is_cut_off: whether the run was stopped before all files were read.
    """

    def __init__(self, writer: Writer, encoder: EncoderRecord, wanted: Iterable[Wanted], *, tell: Listener) -> None:
        self._writer = writer
        self._encoder = encoder
        self._wanted = {one.file.path: one for one in wanted}
        self._tell = tell
        self._committed_at = time.monotonic()
        self._finished: list[ReadFile] = []
        self.failures: list[Failed] = []
        self.changed: list[Failed] = []
        self.num_media = 0
        self.num_moments = 0
        self.is_cut_off = False

    def take(self, reading: Generator[ReadFile]) -> None:
        """Take files as they come; commit every twenty seconds, and at the end, however it comes.

        Raises:
            LibraryError: the disk or the database refuses.
        """
        try:
            with closing(reading) as files:
                for read in files:
                    self._enter(read)
                    if time.monotonic() - self._committed_at > COMMIT_EVERY_S:
                        self._commit()
        except LibraryError:  # a last commit would only say so again
            raise
        except BaseException:
            self._commit()
            raise
        self._commit()

    def _enter(self, read: ReadFile) -> None:
        if read.is_abandoned:
            self.is_cut_off = True
        elif read.info is None:
            reason = read.unreached or read.reason.removeprefix(f"{read.file.path}: ")
            self.failures.append(Failed(read.file.path, reason))
            self._tell(file_done(read, State.FAILED, reason))
        else:
            self._finished.append(read)
            self._compare(read)
            self._tell(file_done(read, State.INDEXED))

    def _compare(self, read: ReadFile) -> None:
        for modality, count in self._wanted[read.file.path].counts.items():
            found = len(read.starts_us[modality])
            if count not in {None, found}:
                reason = f"gives {found} {modality} moments, where there were {count}."
                self.changed.append(Failed(read.file.path, reason))

    def _commit(self) -> None:
        """One commit for all media of which the same modalities are wanted; mostly these are all."""
        self._committed_at = time.monotonic()
        alike: defaultdict[tuple[Modality, ...], list[ReadFile]] = defaultdict(list)
        for read in self._finished:
            alike[tuple(sorted(self._wanted[read.file.path].counts))].append(read)
        self._finished.clear()
        for modalities, reads in alike.items():
            media_ids = [self._wanted[read.file.path].media_id for read in reads]
            rows = {modality: joined_rows(reads, media_ids, modality) for modality in modalities}
            self._writer.publish_rows(self._encoder, rows, media_ids=media_ids)
            self.num_media += len(media_ids)
            self.num_moments += sum(map(len, rows.values()))
        if alike:
            self._tell(Committed(self.num_media + len(self.failures)))


def lost_counts(catalog: Catalog, encoder: EncoderRecord) -> dict[int, Counts]:
    """Media of which vectors of an encoder are lost -> the modalities, and how many moments there were.

    Where some rows are there and some not, no segment is missing, and the catalog contradicts itself: such media
    are left out, because making all rows again would bring some in twice.

    Raises:
        LibraryError: the catalog cannot be read.
    """
    counts: defaultdict[int, dict[Modality, int | None]] = defaultdict(dict)
    for lost, (num_moments, num_rows) in catalog.lost_counts(encoder.id).items():
        if num_rows == 0:
            counts[lost.media_id][lost.modality] = num_moments
    return dict(counts)
