"""The job: folders in, a library that can be searched out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from avsearch.catalog import IndexedMedia, State
from avsearch.encoder import load_encoder
from avsearch.errors import LibraryError
from avsearch.library import Batch, Library, Writer, create_library, open_library
from avsearch.manifest import read_manifest
from avsearch.models.weights import read_usable_header
from avsearch.moments import SECOND_US, Failed, Modality, Progress
from avsearch.vectors import Rows
from indexer.discover import Discovery, FoundFile, discover
from indexer.pipeline import ReadFile, read_files

COMMIT_EVERY_S = 20.0


@dataclass(frozen=True)
class IndexJob:
    """What to index, into which library, with which weights."""

    paths: Sequence[Path]
    library: Path
    model: Path | None = None
    manifest: Path | None = None
    audio_stream: int | None = None
    num_workers: int | None = None
    retry_failed: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class Indexed:
    """What a run has done.

    Attributes:
        num_indexed: files read and made part of the library, copies of known contents included.
        num_unchanged: files that were indexed before and are as they were.
        num_missing: files that are gone since.
        failures: files that could not be read, now or before, each with its reason.
        hours: of media decoded.
        seconds: that the run took.
    """

    num_indexed: int
    num_unchanged: int
    num_missing: int
    failures: Sequence[Failed]
    hours: float
    seconds: float


@dataclass
class _Tally:
    """What the run has done so far, and what waits for the next commit."""

    labels: Mapping[Path, tuple[str, ...]]
    began: float = field(default_factory=time.monotonic)
    committed: float = field(default_factory=time.monotonic)
    waiting: list[ReadFile] = field(default_factory=list)
    copies: list[ReadFile] = field(default_factory=list)
    reason_of_content: dict[str, str] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    num_indexed: int = 0
    decoded_us: int = 0


def index(job: IndexJob, progress: Progress) -> Indexed:
    """Index every new or changed file; what cannot be read is listed and does not stop the run.

    Work is committed every twenty seconds; a run that is cut off goes on where the last commit was.

    Raises:
        LibraryError: the library has no encoder yet and none is given, or cannot be written.
        WeightsError, ManifestError, MediaError: the model, the manifest or a path cannot be used.
    """
    labels = _labels(job.manifest)
    library = _open_or_create(job)
    with library.writer() as writer:
        if job.model is not None:
            writer.use_encoder(job.model)
        progress.stage("find", None, "file")
        found = discover(job.paths, writer, retry_failed=job.retry_failed)
        tally = _Tally(labels)
        run_id = writer.catalog.start_run("index")
        _note_what_is_known(writer, found, tally)
        if found.to_read:
            _read_all(job, library, writer, found.to_read, tally, progress)
        result = _result(found, tally)
        writer.catalog.finish_run(run_id, _counts(result))
    return result


def _labels(manifest: Path | None) -> dict[Path, tuple[str, ...]]:
    """Real path -> labels."""
    rows = read_manifest(manifest).rows if manifest else ()
    return {row.path.parent.resolve() / row.path.name: row.labels for row in rows}


def _open_or_create(job: IndexJob) -> Library:
    if (job.library / "library.json").exists():
        library = open_library(job.library)
        if job.model is None and library.snapshot().encoder is None:
            raise _no_encoder(job)
        return library
    if job.model is None:
        raise _no_encoder(job)
    read_usable_header(job.model)  # a weights file that cannot be used leaves no empty library behind
    return create_library(job.library)


def _no_encoder(job: IndexJob) -> LibraryError:
    paths = " ".join(str(path) for path in job.paths)
    return LibraryError(
        f"{job.library}: the library has no encoder yet.",
        hint=f"Train one with `avsearch train {paths} --out run`, then run "
        f"`avsearch index {paths} --library {job.library} --model run/encoder.safetensors`.",
    )


def _note_what_is_known(writer: Writer, found: Discovery, tally: _Tally) -> None:
    """Labels of unchanged files, old failures, files that are gone."""
    named = {
        state.media_id: tally.labels[file.path]
        for file, state in found.unchanged
        if state.media_id is not None and file.path in tally.labels
    }
    writer.catalog.set_labels(named)
    writer.catalog.set_files(found.vanished)
    tally.failures += [Failed(file.path, state.reason) for file, state in found.still_failed]


def _read_all(
    job: IndexJob, library: Library, writer: Writer, files: Sequence[FoundFile], tally: _Tally, progress: Progress
) -> None:
    """Read, and commit now and then; whatever ends the run, what is finished is committed first."""
    active = library.catalog.active_encoder()
    assert active is not None
    encoder = load_encoder(library.encoder_path(active), job.device)
    progress.stage("index", len(files), "file")
    claimed = _Claimed(library)
    reading = read_files(
        files, encoder, is_known=claimed, audio_stream=job.audio_stream, num_workers=job.num_workers
    )
    try:
        for read in reading:
            _sort_in(read, writer, tally)
            progress.advance(note=f"{len(tally.failures)} failed" if tally.failures else "")
            if time.monotonic() - tally.committed > COMMIT_EVERY_S:
                _commit(writer, tally)
    finally:
        _commit(writer, tally)
    _settle_copies(writer, tally)


class _Claimed:
    """Whether a content is in the library, or is being read in this run already."""

    def __init__(self, library: Library) -> None:
        self._library = library
        active = library.catalog.active_encoder()
        self._embedded = library.catalog.embedded_media(active.id) if active else set()
        self._claimed: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, content_hash: str) -> bool:
        known = self._library.catalog.media_by_hash([content_hash]).get(content_hash)
        with self._lock:  # several readers ask at once
            claimed = content_hash in self._claimed
            self._claimed.add(content_hash)
        return claimed or known in self._embedded


def _sort_in(read: ReadFile, writer: Writer, tally: _Tally) -> None:
    if read.known:
        tally.copies.append(read)
    elif read.reason:
        tally.reason_of_content[read.content_hash] = read.reason
        _fail(read, read.reason, writer, tally)
    else:
        tally.waiting.append(read)


def _fail(read: ReadFile, reason: str, writer: Writer, tally: _Tally) -> None:
    reason = reason.removeprefix(f"{read.file.path}: ")  # the path stands beside it, and reasons are counted
    writer.catalog.set_files([read.file.state(State.FAILED, reason=reason)])
    tally.failures.append(Failed(read.file.path, reason))


def _commit(writer: Writer, tally: _Tally) -> None:
    """Publish what is finished, all of it in one commit."""
    if tally.waiting:
        media_ids = writer.reserve_media_ids(len(tally.waiting))
        writer.publish(_batch(tally.waiting, media_ids, tally.labels))
        tally.num_indexed += len(tally.waiting)
        tally.decoded_us += sum(read.info.duration_us for read in tally.waiting if read.info and not read.known)
        tally.waiting.clear()
    tally.committed = time.monotonic()


def _batch(finished: Sequence[ReadFile], media_ids: Sequence[int], labels: Mapping[Path, tuple[str, ...]]) -> Batch:
    return Batch(
        media=tuple(_media(finished, media_ids, labels)),
        rows={modality: _rows(finished, media_ids, modality) for modality in Modality},
        files=tuple(
            read.file.state(State.INDEXED, media_id=media_id)
            for read, media_id in zip(finished, media_ids, strict=True)
        ),
    )


def _media(
    finished: Sequence[ReadFile], media_ids: Sequence[int], labels: Mapping[Path, tuple[str, ...]]
) -> Iterator[IndexedMedia]:
    for read, media_id in zip(finished, media_ids, strict=True):
        assert read.info is not None
        yield IndexedMedia(media_id, read.content_hash, read.info, labels.get(read.file.path, ()))


def _rows(finished: Sequence[ReadFile], media_ids: Sequence[int], modality: Modality) -> Rows:
    vectors: list[Any] = [vector for read in finished for vector in read.vectors[modality]]
    counts = [len(read.starts_us[modality]) for read in finished]
    return Rows(
        vector=np.stack(vectors) if vectors else np.zeros((0, 1), np.float32),
        media_id=np.repeat(np.array(media_ids, np.int64), counts),
        start_us=np.array([start for read in finished for start in read.starts_us[modality]], np.int64),
    )


def _settle_copies(writer: Writer, tally: _Tally) -> None:
    """Files whose content was known or read under another name: the same media, or the same failure."""
    for read in tally.copies:
        if read.content_hash in tally.reason_of_content:
            _fail(read, tally.reason_of_content[read.content_hash], writer, tally)
        else:
            tally.waiting.append(read)
    tally.copies.clear()
    _commit(writer, tally)


def _result(found: Discovery, tally: _Tally) -> Indexed:
    return Indexed(
        num_indexed=tally.num_indexed,
        num_unchanged=len(found.unchanged),
        num_missing=len(found.vanished),
        failures=tuple(tally.failures),
        hours=tally.decoded_us / SECOND_US / 3600,
        seconds=time.monotonic() - tally.began,
    )


def _counts(result: Indexed) -> dict[str, int]:
    return {
        "indexed": result.num_indexed,
        "unchanged": result.num_unchanged,
        "missing": result.num_missing,
        "failed": len(result.failures),
    }
