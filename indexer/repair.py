"""The job: what is damaged goes, and what was lost by that is made again, from the media."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avsearch.catalog import EncoderRecord
from avsearch.errors import LibraryError, WeightsError
from avsearch.library import Library, Problem, Writer, damaged_segments, open_library
from avsearch.models.weights import verify_weights
from avsearch.moments import Failed
from indexer.again import Reading, TimesOf, stored_times
from indexer.choosing import choose_files, to_be_read
from indexer.events import Listener
from indexer.remaking import Remaking, lost_counts

_CATALOG_HINT = (
    "Restore the database from a backup; the media themselves are untouched, so `avsearch index` into a new "
    "library works too."
)


@dataclass(frozen=True)
class RepairJob:
    """Which library to repair.

    Attributes:
        library: its directory.
        model: weights file of one of its encoders, to restore that one from; None where none is damaged.
        num_workers: files decoded at once; None is one for each core.
        device: where the encoder runs.
    """

    library: Path
    model: Path | None = None
    num_workers: int | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Repaired:
    """What a repair has done.

    Attributes:
        num_segments: damaged or missing segments that were given up.
        num_media: media of which lost vectors were made again.
        num_moments: how many these are.
        restored: encoders whose weights were restored.
        changed: files that gave another number of moments than they did before.
        still_lost: media of which vectors are still lost, each by one path, and why.
        problems: what cannot be mended in this way.
        seconds: that the run took.
        stopped: whether it was asked to stop before everything was read.
    """

    num_segments: int
    num_media: int
    num_moments: int
    restored: Sequence[EncoderRecord]
    changed: Sequence[Failed]
    still_lost: Sequence[Failed]
    problems: Sequence[Problem]
    seconds: float
    stopped: bool


def repair(job: RepairJob, tell: Listener, stop: threading.Event | None = None) -> Repaired:
    """Find what is damaged or missing, and make again what was in it; nothing else is read.

    Work is committed every twenty seconds; a run that is cut off goes on where the last commit was. Nobody else
    can write to the library meanwhile; searches go on, in what is whole.

    Args:
        job: what to do.
        tell: told what happens, in the calling thread.
        stop: once it is set, no file is begun, and what is finished is committed.

    Raises:
        LibraryError: the catalog is damaged, the segments' folder or store is not there, the model is none of the
            library's encoders, or the library cannot be written.
        WeightsError: the model cannot be used.
    """
    began, library = time.monotonic(), open_library(job.library)
    _refuse_damaged_catalog(library)
    repairing = _Repairing(job, library, tell, stop or threading.Event())
    with library.writer("repair") as writer:
        run_id = writer.catalog.start_run("repair")
        repairing.restore_weights(writer)
        repairing.drop_damaged(writer)
        repairing.make_again(writer)
        writer.catalog.finish_run(run_id, {"embedded": repairing.num_media})
    return Repaired(
        num_segments=repairing.num_segments,
        num_media=repairing.num_media,
        num_moments=repairing.num_moments,
        restored=tuple(repairing.restored),
        changed=tuple(repairing.changed),
        still_lost=tuple(repairing.still_lost),
        problems=tuple(repairing.problems),
        seconds=time.monotonic() - began,
        stopped=repairing.is_cut_off,
    )


def _refuse_damaged_catalog(library: Library) -> None:
    """What a damaged catalog does not name would be swept away as left over, so nothing is touched then."""
    try:
        faults = library.catalog.problems()
    except LibraryError as error:
        raise LibraryError(error.message, hint=_CATALOG_HINT) from error
    if faults:
        raise LibraryError(f"{library.directory}: the catalog is damaged ({faults[0]}).", hint=_CATALOG_HINT)


@dataclass
class _Repairing:
    """A repair on its way, and what it has come to."""

    job: RepairJob
    library: Library
    tell: Listener
    stop: threading.Event
    num_segments: int = 0
    num_media: int = 0
    num_moments: int = 0
    restored: list[EncoderRecord] = field(default_factory=list)
    changed: list[Failed] = field(default_factory=list)
    still_lost: list[Failed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    is_cut_off: bool = False

    def restore_weights(self, writer: Writer) -> None:
        """Take the weights from the file given, if it is that of an encoder whose own are damaged."""
        if self.job.model is None:
            return
        fingerprint = verify_weights(self.job.model)
        active, pending = writer.catalog.active_encoder(), writer.catalog.pending_encoder()
        chosen = next((it for it in (active, pending) if it and it.fingerprint == fingerprint), None)
        if chosen is None:
            own = " and ".join(str(it) for it in (active, pending) if it) or "none yet"
            raise LibraryError(f"{self.job.model}: is no encoder of this library.", hint=f"It has {own}.")
        if not _has_weights(self.library, chosen):
            (writer.use_encoder if chosen == active else writer.begin_reembed)(self.job.model)
            self.restored.append(chosen)

    def drop_damaged(self, writer: Writer) -> None:
        """Give up segments that are damaged or missing."""
        self.library.layout.shelf.require()
        damaged = damaged_segments(self.library)
        if damaged and self.stop.is_set():
            self.is_cut_off = True
        elif damaged:
            writer.drop_segments(damaged)
            self.num_segments = len(damaged)

    def make_again(self, writer: Writer) -> None:
        """Make again what the active encoder has lost, then what the pending one has, at the same times."""
        active, pending = writer.catalog.active_encoder(), writer.catalog.pending_encoder()
        if active is not None:
            self._make_again(writer, active, _plan_anew)
        if pending is not None and lost_counts(writer.catalog, pending):
            self._make_again(writer, pending, stored_times(self.library))

    def _make_again(self, writer: Writer, encoder: EncoderRecord, times_of: TimesOf) -> None:
        wanted, away = choose_files(writer.catalog, lost_counts(writer.catalog, encoder))
        self.still_lost += away
        self.problems += _contradictions(writer, encoder)
        if not _has_weights(self.library, encoder):
            self.problems.append(_damaged_weights(self.library, encoder))
            self.still_lost += [Failed(one.file.path, "waits for the encoder's weights.") for one in wanted]
            return
        self.tell(to_be_read(wanted))
        reading = Reading(
            catalog=self.library.catalog,
            weights=self.library.encoder_path(encoder),
            times_of=times_of,
            stop=self.stop,
            num_workers=self.job.num_workers,
            device=self.job.device,
        )
        remaking = Remaking(writer, encoder, wanted, tell=self.tell)
        remaking.take(reading.run(wanted))
        self.num_media += remaking.num_media
        self.num_moments += remaking.num_moments
        self.changed += remaking.changed
        self.still_lost += remaking.failures
        self.is_cut_off |= remaking.is_cut_off


def _plan_anew(_media_id: int) -> None:
    """What an encoder has lost are the times too."""


def _has_weights(library: Library, encoder: EncoderRecord) -> bool:
    try:
        return verify_weights(library.encoder_path(encoder)) == encoder.fingerprint
    except WeightsError:
        return False


def _damaged_weights(library: Library, encoder: EncoderRecord) -> Problem:
    return Problem(
        f"{library.encoder_path(encoder)}: the weights of {encoder} are missing or damaged; give their file with "
        "`avsearch library repair --model FILE`, or have another encoder take over with `avsearch library reembed`."
    )


def _contradictions(writer: Writer, encoder: EncoderRecord) -> list[Problem]:
    """No loss of a segment takes a part of a media's vectors, so what is there then is not to be trusted."""
    partly_there = [lost for lost, (_, num_rows) in writer.catalog.lost_counts(encoder.id).items() if num_rows]
    if not partly_there:
        return []
    media_ids = ", ".join(map(str, sorted({lost.media_id for lost in partly_there})[:5]))
    return [
        Problem(
            f"The catalog contradicts itself about the vectors that {encoder} made of {len(partly_there)} media, "
            f"as of {media_ids}; restore the database from a backup."
        )
    ]
