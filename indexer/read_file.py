"""What becomes of one file on its way through the pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.catalog import FileState
from avsearch.moments import MediaInfo, Modality
from indexer.discover import FoundFile
from indexer.ingest import Read
from indexer.plan import GAP_US


@dataclass
class ReadFile:
    """What became of one file: its moments and their vectors, or the reason why there are none.

    Attributes:
        content_hash: of its bytes; empty if not even those could be read.
        info: what the demuxer says, and the decoder corrects; None for a failure or a known content.
        is_known: the content needs no reading: the library or this run has it already.
        is_abandoned: the run was stopped before the file was read to its end.
        is_elsewhere: another indexer has it in hand, or has dealt with it since it was found.
        made_elsewhere: what that one has made of it; None while it is at it.
        vectors: the unit rows of each modality, in any order.
        starts_us: their times.
        left_out: how many moments of each modality say nothing new.
        gap_us: the limit that its image moments were planned with.
        copy: where its bytes are while it is read, if not at its path: of one behind a URL.
        unreached: why a store does not give it; then nothing is known of it, and nothing is recorded.
        reason: why it failed, or (with `info`) what of it cannot be read.
        bug: what should not have happened; raised where the files are collected.
        num_open: pieces that are not encoded yet, and one for the reader that is not through.
    """

    file: FoundFile
    content_hash: str = ""
    info: MediaInfo | None = None
    is_known: bool = False
    is_abandoned: bool = False
    is_elsewhere: bool = False
    made_elsewhere: FileState | None = None
    vectors: dict[Modality, list[NDArray[np.float32]]] = field(default_factory=lambda: {it: [] for it in Modality})
    starts_us: dict[Modality, list[int]] = field(default_factory=lambda: {it: [] for it in Modality})
    left_out: Counter[Modality] = field(default_factory=Counter)
    gap_us: int = GAP_US
    copy: Path | None = None
    unreached: str = ""
    reason: str = ""
    bug: Exception | None = None
    num_open: int = 1

    @property
    def bytes_at(self) -> Path:
        """The path to read it by."""
        return self.copy or self.file.path


ReadOne = Callable[[ReadFile], Iterator[Read]]
"""Reads one file: gives its pieces, and fills in what is known of it."""
