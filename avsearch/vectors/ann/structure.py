"""Building, writing and asking one faiss index; with `vectors.backend`, all that calls faiss on a processor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import LibraryError
from avsearch.moments import Progress
from avsearch.vectors.ann.kinds import POINTS_A_CENTROID, Kind, num_lists
from avsearch.vectors.backend import load_faiss
from avsearch.vectors.segments import Rows, rows_at

_BLOCK_ROWS = 65_536  # converted to float32 at a time
_POINTS_A_CENTROID = POINTS_A_CENTROID + 11
_PQ_POINTS = 65_536


class Structure:
    """A faiss index over rows 0 to N - 1; several threads may ask at once.

    Attributes:
        index: faiss's.
        kind: of it.
        name: of the file that it was read from; empty for one that was just built.
    """

    def __init__(self, index: Any, kind: Kind, name: str = "") -> None:  # noqa: ANN401  (faiss has no types)
        self.index = index
        self.kind = kind
        self.name = name

    def __len__(self) -> int:
        return int(self.index.ntotal)

    @property
    def dim(self) -> int:
        return int(self.index.d)

    def search(self, queries: NDArray[np.float32], fetch: int, effort: int) -> NDArray[np.int64]:
        """(Q, D) float32 -> (Q, fetch) int64 rows, about the best first; -1 where it came upon no more.

        Args:
            queries: contiguous.
            fetch: how many rows.
            effort: how many lists are read, or how many links are followed.
        """
        faiss = load_faiss()
        if self.kind.graph:
            chosen = faiss.SearchParametersHNSW(efSearch=max(effort, fetch))
        else:
            chosen = faiss.SearchParametersIVF(nprobe=effort)
        row: NDArray[np.int64] = self.index.search(queries, fetch, params=chosen)[1]
        return row

    def write(self, path: Path) -> None:
        """Write it, as faiss does.

        Raises:
            LibraryError: the disk is full, or the folder cannot be written.
        """
        try:
            load_faiss().write_index(self.index, str(path))
        except RuntimeError as error:
            raise LibraryError(f"{path}: cannot be written.", hint="Check free space and permissions.") from error


def build(segments: Sequence[Rows], kind: Kind, *, rng: np.random.Generator, progress: Progress) -> Structure:
    """Train on some rows, then add all, a block at a time.

    Args:
        segments: at least as many rows as `kind.fits` wants; their concatenation numbers them.
        kind: what is built; none that needs a GPU.
        rng: draws the rows that are trained on.
        progress: told of the rows that were added.
    """
    if kind.needs_cuvs:
        raise ValueError(f"{kind.name} is built on a GPU")
    faiss = load_faiss()
    num_rows, dim = sum(map(len, segments)), segments[0].dim
    index = faiss.index_factory(dim, kind.factory(num_rows, dim), faiss.METRIC_INNER_PRODUCT)
    progress.stage("train", None, "row")
    index.train(some_rows(segments, kind, rng))
    progress.stage("add", num_rows, "row")
    for block in row_blocks(segments):
        index.add(block)
        progress.advance(len(block))
    return Structure(index, kind)


def read(path: Path, kind: Kind) -> Structure:
    """Map what `Structure.write` wrote: lists are read from the disk when they are asked for, and may be evicted.

    Raises:
        LibraryError: faiss cannot read it.
    """
    faiss = load_faiss()
    flags = getattr(faiss, "IO_FLAG_MMAP_IFC", 0) if kind.graph else faiss.IO_FLAG_MMAP
    try:
        index = faiss.read_index(str(path), flags)
    except RuntimeError as error:
        raise LibraryError(f"{path}: is no index that this faiss can read.") from error
    if not kind.graph:
        lists = faiss.downcast_InvertedLists(index.invlists)
        if hasattr(lists, "prefetch_nthread"):
            lists.prefetch_nthread = 0  # threads that are started for each query cost more than they fetch
    return Structure(index, kind, path.name)


def row_blocks(segments: Sequence[Rows]) -> Iterator[NDArray[np.float32]]:
    """All rows in their order, (N, D) float32 contiguous at a time."""
    for rows in segments:
        for first in range(0, len(rows), _BLOCK_ROWS):
            yield np.ascontiguousarray(rows.vector[first : first + _BLOCK_ROWS], np.float32)


def some_rows(segments: Sequence[Rows], kind: Kind, rng: np.random.Generator) -> NDArray[np.float32]:
    """(T, D) float32: as many rows as training needs, drawn at random."""
    num_rows = sum(map(len, segments))
    wanted = _PQ_POINTS if kind.graph or kind.code == "PQ" else _BLOCK_ROWS
    if not kind.graph:
        wanted = max(wanted, num_lists(num_rows) * _POINTS_A_CENTROID)
    row = np.sort(rng.choice(num_rows, min(wanted, num_rows), replace=False))
    return np.ascontiguousarray(rows_at(segments, row).vector, np.float32)
