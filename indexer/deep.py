"""Whether the vectors of a library are what its encoder makes of its media: some are made again and compared."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.catalog import State
from avsearch.errors import LibraryError
from avsearch.library import Library, Problem, View
from avsearch.moments import SECOND_US, Failed, Modality, Moment
from avsearch.remote import address
from avsearch.vectors import Rows
from indexer.again import Reading, Times
from indexer.choosing import Counts, Wanted, choose_files, to_be_read
from indexer.events import Listener
from indexer.ledger import file_done
from indexer.read_file import ReadFile

MIN_COSINE = 0.999
_REMEDY = "take it and its copies out (`avsearch library remove`, then `compact`), and index it by its own name"


@dataclass(frozen=True)
class DeepCheck:
    """What a comparison has found.

    Attributes:
        num_checked: vectors that were made again and compared.
        problems: vectors that differ, and files that cannot be read any more.
        away: files that are not there as they were indexed; what was drawn of them was not compared.
        stopped: whether it was asked to stop before all were compared.
    """

    num_checked: int
    problems: Sequence[Problem]
    away: Sequence[Failed]
    stopped: bool


def verify_deep(
    library: Library,
    *,
    tell: Listener,
    num_moments: int = 200,
    seed: int = 0,
    device: str = "auto",
    stop: threading.Event | None = None,
) -> DeepCheck:
    """Draw moments at random, read and encode them again, and compare with the vectors that are stored.

    Nothing is written, and no lock is taken.

    Args:
        library: which one.
        tell: told what happens, in the calling thread.
        num_moments: how many, of those that can be found.
        seed: another one draws others.
        device: where the encoder runs.
        stop: once it is set, no file is begun.

    Raises:
        LibraryError: nothing has been indexed, or a segment is damaged.
        WeightsError: the encoder's weights are missing.
    """
    view = library.view(*Modality)
    if view.snapshot.encoder is None:
        raise LibraryError(f"{library.directory}: nothing has been indexed.", hint="Run `avsearch index FOLDER`.")
    comparison = _Comparison(draw(view, num_moments, np.random.default_rng(seed)))
    wanted, away = choose_files(library.catalog, comparison.counts_of())
    tell(to_be_read(wanted))
    reading = Reading(
        catalog=library.catalog,
        weights=library.encoder_path(view.snapshot.encoder),
        times_of=comparison.times_of,
        stop=stop or threading.Event(),
        device=device,
    )
    comparison.take(reading.run(wanted), wanted, tell)
    return comparison.result(away)


def draw(view: View, num_moments: int, rng: np.random.Generator) -> Iterator[tuple[Modality, Rows]]:
    """That many moments of live media, each as likely as any other; all of them, where there are fewer."""
    segments = [(modality, rows) for modality in view.segments for rows in view.segments[modality]]
    live = view.snapshot.live_media_ids
    ends = np.cumsum([len(_rows_of(live, rows)) for _, rows in segments], dtype=np.int64)
    total = int(ends[-1]) if segments else 0
    drawn = np.sort(rng.choice(total, min(num_moments, total), replace=False))
    for number, (modality, rows) in enumerate(segments):
        first = int(ends[number - 1]) if number else 0
        here = drawn[(drawn >= first) & (drawn < ends[number])] - first
        if here.size:
            yield modality, rows.take(_rows_of(live, rows)[here])


def _rows_of(media_ids: NDArray[np.int64], rows: Rows) -> NDArray[np.int64]:
    return np.flatnonzero(np.isin(rows.media_id, media_ids))


class _Comparison:
    """Stored vectors against those that are made again.

    Attributes:
        num_checked: vectors that were compared.
        problems: those that differ, and files that cannot be read.
        away: files that their stores did not give.
        is_cut_off: whether the run was stopped before all files were read.
    """

    def __init__(self, drawn: Iterable[tuple[Modality, Rows]]) -> None:
        self._stored: dict[Moment, NDArray[np.floating]] = {}
        self._times: defaultdict[int, dict[Modality, list[int]]] = defaultdict(dict)
        for modality, rows in drawn:
            for row, (media_id, start_us) in enumerate(
                zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True)
            ):
                self._stored[Moment(media_id, modality, start_us)] = rows.vector[row]
                self._times[media_id].setdefault(modality, []).append(start_us)
        self.num_checked = 0
        self.problems: list[Problem] = []
        self.away: list[Failed] = []
        self.is_cut_off = False

    def result(self, away: Sequence[Failed]) -> DeepCheck:
        """What was found, with the files that were away before anything was read."""
        return DeepCheck(self.num_checked, tuple(self.problems), (*away, *self.away), self.is_cut_off)

    def times_of(self, media_id: int) -> Times:
        """The times to read of a media."""
        return self._times[media_id]

    def counts_of(self) -> dict[int, Counts]:
        """What is to be read, by media id."""
        return {
            media_id: {modality: len(found) for modality, found in times.items()}
            for media_id, times in self._times.items()
        }

    def take(self, reading: Generator[ReadFile], wanted: Iterable[Wanted], tell: Listener) -> None:
        """Compare what files give, as they come."""
        media_of = {one.file.path: one.media_id for one in wanted}
        with closing(reading) as files:
            for read in files:
                self._enter(media_of[read.file.path], read)
                tell(file_done(read, State.FAILED if read.info is None else State.INDEXED, read.reason))

    def _enter(self, media_id: int, read: ReadFile) -> None:
        if read.is_abandoned:
            self.is_cut_off = True
        elif read.unreached:
            self.away.append(Failed(read.file.path, read.unreached))
        elif read.info is None:
            reason = read.reason.removeprefix(f"{read.file.path}: ").rstrip(".")
            self.problems.append(Problem(f"{address(read.file.path)}: cannot be read again ({reason}); {_REMEDY}."))
        else:
            for modality in Modality:
                for start_us, vector in zip(read.starts_us[modality], read.vectors[modality], strict=True):
                    self._compare(read.file.path, Moment(media_id, modality, start_us), vector)

    def _compare(self, path: Path, moment: Moment, vector: NDArray[np.float32]) -> None:
        self.num_checked += 1
        cosine = float(self._stored[moment].astype(np.float64) @ vector.astype(np.float64))  # of unit vectors
        if not cosine >= MIN_COSINE:
            what = f"its {moment.modality} moment at {moment.start_us / SECOND_US:.3f} s"
            self.problems.append(
                Problem(
                    f"{address(path)}: {what} gives another vector than the stored one "
                    f"(cosine {cosine:.4f}); {_REMEDY}."
                )
            )
