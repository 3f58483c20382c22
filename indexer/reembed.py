"""The job: vectors of a new encoder, made beside the old ones, which answer until all of them are there."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avsearch.catalog import EncoderRecord
from avsearch.errors import LibraryError
from avsearch.library import Library, Writer, open_library
from avsearch.moments import Failed, Modality
from indexer.again import Reading, stored_times
from indexer.choosing import Counts, choose_files, to_be_read
from indexer.events import Listener
from indexer.remaking import Remaking, lost_counts


@dataclass(frozen=True)
class ReembedJob:
    """Which library gets which encoder.

    Attributes:
        library: its directory.
        model: weights file of the new encoder.
        num_workers: files decoded at once; None is one for each core.
        device: where the encoder runs.
        skip_unreadable: switch although some media cannot be read; they are not found until `index` reads them.
    """

    library: Path
    model: Path
    num_workers: int | None = None
    device: str = "auto"
    skip_unreadable: bool = False


@dataclass(frozen=True)
class Reembedded:
    """What a run has done.

    Attributes:
        old: the encoder that answered before.
        new: the one that answers now, or is to.
        num_done: media that can be found and that the new encoder has dealt with, in this run or before.
        num_live: media that can be found.
        num_media: media that this run has dealt with.
        num_moments: vectors that it made.
        unreadable: media that could not be read, each by one path, and why.
        is_switched: whether the new encoder answers.
        seconds: that the run took.
        stopped: whether it was asked to stop before everything was read.
    """

    old: EncoderRecord
    new: EncoderRecord
    num_done: int
    num_live: int
    num_media: int
    num_moments: int
    unreadable: Sequence[Failed]
    is_switched: bool
    seconds: float
    stopped: bool


def reembed(job: ReembedJob, tell: Listener, stop: threading.Event | None = None) -> Reembedded:
    """Make vectors of all moments with a new encoder, then switch to it in one commit.

    Moments stay what they are: their times are taken from the active encoder's segments, and the files are read
    at just those. Work is committed every twenty seconds; a run that is cut off goes on where the last commit
    was. The library answers with the old encoder until the switch. Nobody else can write to it meanwhile.

    Args:
        job: what to do.
        tell: told what happens, in the calling thread.
        stop: once it is set, no file is begun, and what is finished is committed.

    Raises:
        LibraryError: the encoder is the active one, vectors of yet another are being made, the active one's are
            damaged, nothing at all can be read, or the library cannot be written.
        WeightsError: the model cannot be used.
    """
    began, library = time.monotonic(), open_library(job.library)
    with library.writer("reembed") as writer:
        writer.begin_reembed(job.model)
        run_id = writer.catalog.start_run("reembed")
        result = _make_all(job, library, writer, tell=tell, stop=stop or threading.Event())
        if result.is_switched:
            _switch(writer, result)
        writer.catalog.finish_run(run_id, {"embedded": result.num_media, "unreadable": len(result.unreadable)})
    return replace(result, seconds=time.monotonic() - began)


def abandon(library: Path) -> EncoderRecord:
    """Give up the encoder whose vectors are being made; `compact` removes what was made. Returns it.

    Raises:
        LibraryError: none are being made, or another process writes.
    """
    opened = open_library(library)
    with opened.writer("reembed") as writer:
        pending = writer.catalog.pending_encoder()
        if pending is None:
            raise LibraryError(
                f"{library}: no vectors of another encoder are being made.",
                hint="Begin with `avsearch library reembed --model FILE`.",
            )
        writer.abandon_reembed()
    return pending


def _make_all(
    job: ReembedJob, library: Library, writer: Writer, *, tell: Listener, stop: threading.Event
) -> Reembedded:
    """Everything but the switch."""
    old, new = library.catalog.active_encoder(), library.catalog.pending_encoder()
    assert old is not None  # `begin_reembed` has seen to both
    assert new is not None
    wanted, away = choose_files(library.catalog, _to_do(library, new))
    tell(to_be_read(wanted))
    reading = Reading(
        catalog=library.catalog,
        weights=library.encoder_path(new),
        times_of=stored_times(library),
        stop=stop,
        num_workers=job.num_workers,
        device=job.device,
    )
    remaking = Remaking(writer, new, wanted, tell=tell)
    remaking.take(reading.run(wanted))
    unreadable = (*away, *remaking.failures)
    num_live = len(library.catalog.live_media_ids())
    return Reembedded(
        old=old,
        new=new,
        num_done=num_live - len(_to_do(library, new)),
        num_live=num_live,
        num_media=remaking.num_media,
        num_moments=remaking.num_moments,
        unreadable=unreadable,
        is_switched=not remaking.is_cut_off and (job.skip_unreadable or not unreadable),
        seconds=0.0,
        stopped=remaking.is_cut_off,
    )


def _to_do(library: Library, new: EncoderRecord) -> dict[int, Counts]:
    """The live media that an encoder has not dealt with, and what was lost of those with which it has."""
    live = set(library.catalog.live_media_ids().tolist())
    lost = lost_counts(library.catalog, new)
    counts_of: dict[int, Counts] = {media_id: counts for media_id, counts in lost.items() if media_id in live}
    for media_id in library.catalog.uncovered_media(new.id):
        counts_of[media_id] = dict.fromkeys(Modality)
    return counts_of


def _switch(writer: Writer, result: Reembedded) -> None:
    if result.num_live and not result.num_done:
        raise LibraryError(
            f"None of the {result.num_live} media can be read, so {result.new} would find nothing.",
            hint="Mount their disk, and run the same command again.",
        )
    writer.switch_encoder(result.new)
