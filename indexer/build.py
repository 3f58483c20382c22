"""The job: folders in, a library that can be searched out."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from avsearch.catalog import ConnectionLostError, UnreachableError
from avsearch.cluster import connected
from avsearch.library import Writer
from avsearch.manifest import read_manifest
from avsearch.moments import SECOND_US, Failed
from avsearch.remote import is_remote
from indexer.discover import Discovery, discover
from indexer.events import Found, Listener, Reconnecting
from indexer.index_job import Indexed, IndexJob
from indexer.opening import Place, open_or_create
from indexer.reading import NewReading

if TYPE_CHECKING:
    from avsearch.cluster.cluster import Cluster

RECONNECT_AFTER_S = (1.0, 5.0, 15.0, 30.0, 60.0)  # a server that is restarted, or upgraded, is back by then


def index(job: IndexJob, tell: Listener, stop: threading.Event | None = None) -> Indexed:
    """Index every new or changed file; what cannot be read is listed and does not stop the run.

    Work is committed every twenty seconds; a run that is cut off goes on where the last commit was. With a catalog
    on a server several can index at once, the same folders or others: each file is read by one of them. A run ends
    when all of its files are dealt with: it waits for those that others have in hand, and reads them itself if they
    give them back or are no longer there.

    A run that loses its connection to the database begins anew, after longer and longer pauses; what it had
    committed is unchanged then, and counted so.

    On a cluster, nodes read files and embed their moments; this process plans, commits, and gives out work. A file
    whose process or node dies is read again, by another one.

    Args:
        job: what to do.
        tell: told what happens, in the calling thread.
        stop: once it is set, no file is begun, and what is finished is committed.

    Raises:
        LibraryError: the library has no encoder yet and none is given, or cannot be written.
        WeightsError, ManifestError, MediaError: the model, the manifest or a path cannot be used.
        ClusterError: the cluster is not there, is lost, or cannot read the footage; what is finished is committed.
    """
    stop, began = stop or threading.Event(), time.monotonic()
    pauses = iter(RECONNECT_AFTER_S)
    lost: UnreachableError | None = None
    while True:
        try:
            return _index(job, tell, stop, began)
        except UnreachableError as error:
            if lost is None and not isinstance(error, ConnectionLostError):
                raise  # it was never there: another try would only hide a wrong address
            lost, reason = lost or error, error.message
        pause_s = next(pauses, None)
        if pause_s is None:
            raise lost
        tell(Reconnecting(pause_s, reason))
        if stop.wait(pause_s):
            raise lost


def _index(job: IndexJob, tell: Listener, stop: threading.Event, began: float) -> Indexed:
    """The job, over one connection to the catalog."""
    labels = _labels(job.manifest)
    with _connected(job.ray) as cluster:  # first: without it, nothing is begun
        library = open_or_create(Place(job.library, job.model, job.database_url, job.segments_url, job.paths))
        with library.indexer() as writer:
            if job.model is not None:
                writer.use_encoder(job.model)
            found = discover(job.paths, writer, retry_failed=job.retry_failed, tell=tell)
            tell(_found(found))
            run_id = writer.catalog.start_run("index")
            _note_what_is_known(writer, found, labels)
            reading = NewReading(job, writer, labels, tell, stop, cluster)
            if found.to_read:
                reading.read_all(library, found.to_read)
            writer.catalog.update_files(found.vanished)  # only now: what was moved is known at its new place first
            result = _result(found, reading, seconds=time.monotonic() - began)
            writer.catalog.finish_run(run_id, _counts(result))
        return result


def _connected(address: str | None) -> AbstractContextManager[Cluster | None]:
    return nullcontext() if address is None else connected(address)


def _labels(manifest: Path | None) -> dict[Path, tuple[str, ...]]:
    """Real path -> labels."""
    rows = read_manifest(manifest).rows if manifest else ()
    return {_real(row.path): row.labels for row in rows}


def _real(path: Path) -> Path:
    return path if is_remote(path) else path.parent.resolve() / path.name


def _found(found: Discovery) -> Found:
    return Found(
        num_files=len(found.to_read),
        num_bytes=sum(file.size_bytes for file in found.to_read),
        num_unchanged=len(found.unchanged),
        num_missing=len(found.vanished),
        num_removed=len(found.removed),
    )


def _note_what_is_known(writer: Writer, found: Discovery, labels: Mapping[Path, tuple[str, ...]]) -> None:
    """Labels of unchanged files, and files that are back."""
    named = {
        state.media_id: labels[file.path]
        for file, state in found.unchanged
        if state.media_id is not None and file.path in labels
    }
    if named:
        writer.catalog.set_labels(named)
    writer.catalog.update_files(found.returned)


def _result(found: Discovery, reading: NewReading, *, seconds: float) -> Indexed:
    ledger = reading.ledger
    before = [Failed(file.path, state.reason) for file, state in found.still_failed]
    failures = [*before, *found.unreadable, *(ledger.failures if ledger else ())]
    partly = [*_partly_before(found), *(ledger.partly if ledger else ())]
    return Indexed(
        num_indexed=len(found.returned) + (ledger.num_indexed if ledger else 0),
        num_unchanged=len(found.unchanged),
        num_missing=len(found.vanished),
        num_removed=len(found.removed),
        failures=tuple(sorted(failures, key=lambda it: it.path)),
        partly=tuple(sorted(partly, key=lambda it: it.path)),
        unmounted=tuple(found.unmounted),
        hours=(ledger.decoded_us if ledger else 0) / SECOND_US / 3600,
        seconds=seconds,
        stopped=reading.stop.is_set(),
        timings=reading.timings,
        num_elsewhere=ledger.num_elsewhere if ledger else 0,
    )


def _partly_before(found: Discovery) -> list[Failed]:
    return [Failed(file.path, state.reason) for file, state in found.unchanged if state.reason]


def _counts(result: Indexed) -> dict[str, int]:
    return {
        "indexed": result.num_indexed,
        "unchanged": result.num_unchanged,
        "missing": result.num_missing,
        "failed": len(result.failures),
    }
