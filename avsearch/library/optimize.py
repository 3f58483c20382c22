"""Make search of a large library fast: choose, train and write a structure for each modality, by measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from avsearch.errors import LibraryError, UsageError
from avsearch.library.layout import made_folder
from avsearch.library.lock import write_lock
from avsearch.library.store import Library, View, segment_file
from avsearch.moments import Modality, Progress
from avsearch.vectors.ann.choosing import Choice, Wanted, choose, num_media_of
from avsearch.vectors.ann.files import drop, publish
from avsearch.vectors.ann.record import AnnRecord, Covered


@dataclass(frozen=True)
class Optimized:
    """What came of one modality.

    Attributes:
        record: of the structure that is used from now on; None where search stays exact.
        tried: a line for each kind that was tried, and why it was taken or not.
    """

    record: AnnRecord | None
    tried: tuple[str, ...]


def optimize(
    library: Library, wanted: Wanted, *, progress: Progress, seed: int = 0
) -> Mapping[Modality, Optimized]:
    """Choose a structure for each modality and take it into use; where exact search is as fast, take it away.

    Searches, and writers, go on meanwhile: what is indexed later is searched beside it.

    Args:
        library: whose vectors are searched.
        wanted: the recall that each direction has to reach, and the memory that a structure may take.
        progress: told of what is built.
        seed: of the moments that are trained on, and that ask.

    Raises:
        UsageError: the recall is none.
        LibraryError: nothing has been indexed, a segment is damaged, a full disk, or another process does this.
    """
    if not 0 < wanted.recall <= 1 or wanted.memory_bytes < 1:
        raise UsageError("A recall is above 0 and at most 1, and memory is some.", hint="Give --recall 0.95.")
    view = library.view(*Modality)
    if view.snapshot.encoder is None or not view.snapshot.segments:
        raise LibraryError(f"{library.directory}: nothing has been indexed.", hint="Run `avsearch index FOLDER`.")
    directory = made_folder(library.layout.ann)
    done: dict[Modality, Optimized] = {}
    with write_lock(directory):
        for modality in Modality:
            rng = np.random.default_rng([seed, len(done)])
            chosen = choose(view.segments, modality, wanted, rng=rng, progress=progress)
            record = None
            if chosen.choice is None:
                drop(directory, modality)
            else:
                record = publish(directory, chosen.choice.structure, _record(view, modality, chosen.choice))
            done[modality] = Optimized(record, chosen.tried)
    return done


def _record(view: View, modality: Modality, choice: Choice) -> AnnRecord:
    """What is known before the file is written."""
    segments = [segment_file(it) for it in view.snapshot.segments if it.modality is modality]
    return AnnRecord(
        modality=modality,
        fingerprint=segments[0].fingerprint,
        dim=choice.structure.dim,
        kind_name=choice.structure.kind.name,
        tuning=choice.tuning,
        segments=tuple(Covered(it.name, it.num_rows, it.checksum) for it in segments),
        num_media=num_media_of(view.segments[modality]),
        measured=choice.measured,
        file="",
        num_bytes=0,
        checksum="",
    )
