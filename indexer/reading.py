"""The reading part of a run: files that are new or changed, read here or on a cluster, into the library."""

from __future__ import annotations

import resource
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from avsearch.catalog import EncoderRecord
from avsearch.cores import num_cores
from avsearch.errors import LibraryError
from avsearch.library import Library, Writer
from avsearch.models.weights import read_header
from avsearch.remote import is_remote
from indexer.discover import FoundFile
from indexer.events import Listener, Timings
from indexer.fetching import FetchedReader
from indexer.index_job import IndexJob
from indexer.ledger import Ledger
from indexer.loading import Loading
from indexer.pipeline import Pipeline
from indexer.read_file import ReadOne
from indexer.reader import Claims, ContentReader, NewFileReader
from indexer.sharing import ClaimedReader, wait_for_others

if TYPE_CHECKING:
    from avsearch.cluster.cluster import Cluster
    from indexer.spread import Spread


@dataclass
class NewReading:
    """The reading part of a run, and what came of it.

    Attributes:
        job: what to do.
        writer: of the library.
        labels: real path -> labels.
        tell: told what happens.
        stop: once it is set, no file is begun.
        cluster: where files are read; None for this machine.
        spread: the encoders there.
        ledger: what was read; None if nothing had to be.
        timings: where the time went.
    """

    job: IndexJob
    writer: Writer
    labels: Mapping[Path, tuple[str, ...]]
    tell: Listener
    stop: threading.Event
    cluster: Cluster | None = None
    spread: Spread | None = None
    ledger: Ledger | None = None
    timings: Timings = field(default_factory=Timings)

    def read_all(self, library: Library, files: Sequence[FoundFile]) -> None:
        """Read, and commit now and then; whatever ends the run, what is finished is committed first."""
        active = library.catalog.active_encoder()
        assert active is not None
        self.ledger = Ledger(self.writer, active, labels=self.labels, tell=self.tell)
        loading = Loading(library.encoder_path(active), self.job.device)
        began, children = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        self._spread_out(loading.weights, files)
        embed_cpu_s = 0.0
        while files:
            reader, num_readers = self._reader(library, active, files)
            claimed = ClaimedReader(reader, self.writer, files, self.job.retry_failed)
            pipeline = Pipeline(claimed, loading, stop=self.stop, num_readers=num_readers)
            try:
                self._collect(pipeline, files, self.ledger)
            finally:
                if loading.encoder is not None:
                    loading.encoder.work_together()
            embed_cpu_s += pipeline.embed_cpu_s
            files = wait_for_others(self.ledger.take_left(), self.writer, tell=self.tell, stop=self.stop)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.timings = Timings(
            load_s=loading.seconds,
            load_cpu_s=loading.cpu_s,
            wall_s=time.monotonic() - began,
            decode_cpu_s=now.ru_utime + now.ru_stime - children.ru_utime - children.ru_stime,
            embed_cpu_s=embed_cpu_s,
        )
        if self.spread is not None:
            there = self.spread
            self.timings = replace(self.timings, decode_cpu_s=there.decode_cpu_s, embed_cpu_s=there.embed_cpu_s)

    def _spread_out(self, weights: Path, files: Sequence[FoundFile]) -> None:
        """Prepare the cluster, where there is one."""
        if self.cluster is None:
            return
        from indexer.spread import spread  # noqa: PLC0415  (it needs Ray)

        folders = sorted({file.root.path for file in files if not is_remote(file.path)})
        self.spread = spread(self.cluster, weights, self.job.device, folders)

    def _reader(self, library: Library, encoder: EncoderRecord, files: Sequence[FoundFile]) -> tuple[ReadOne, int]:
        """What reads these files, by what is known of their contents now, and how many at once."""
        assert self.ledger is not None
        known = library.catalog.media_hashes(encoder.id)
        self.ledger.know(known)
        header = read_header(library.encoder_path(encoder))
        read_here = ContentReader(
            front_end=header.front_end,
            modalities=header.modalities,
            gap_us=self.job.gap_us,
            audio_stream=self.job.audio_stream,
            num_threads=max(num_cores() // len(files), 1) if self.spread is None else 1,
            plans=library.catalog.plans_of_uncovered(encoder.id),
        )
        claims, shared_sizes = Claims(known), _shared_sizes(files, library)
        if self.spread is not None:  # what is behind a URL is fetched by the nodes
            read_there = partial(self.spread.read, read_content=read_here)
            reader = NewFileReader(read_there, claims, shared_sizes, self.spread.content_hash)
            return reader, self.job.num_workers or self.spread.num_readers
        fetched = FetchedReader(NewFileReader(read_here, claims, shared_sizes), self.job.num_workers or num_cores())
        return fetched, fetched.num_readers(files)

    def _collect(self, pipeline: Pipeline, files: Sequence[FoundFile], ledger: Ledger) -> None:
        try:
            with closing(pipeline.run(files)) as reading:
                for read in reading:
                    ledger.enter(read)
                    if ledger.is_due:
                        ledger.commit()
        except LibraryError:  # the catalog is out of reach: a last commit would only say so again
            raise
        except BaseException:
            ledger.close()
            raise
        ledger.close()


def _shared_sizes(files: Sequence[FoundFile], library: Library) -> frozenset[int]:
    counts = Counter(file.size_bytes for file in files)
    return frozenset(size for size, count in counts.items() if count > 1) | library.catalog.known_sizes()
