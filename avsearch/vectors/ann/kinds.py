"""Which kinds of structure there are, what each takes of memory, and which to try first: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avsearch.errors import UsageError

SMALLEST_ROWS = 20_000  # of fewer, exact search looks at all in less than a millisecond
POINTS_A_CENTROID = 39  # that k-means wants at least
_PQ_ROWS = 256 * POINTS_A_CENTROID
_HNSW_ROWS = 200_000  # of more, building the graph takes minutes
LINKS = 32  # that a row has in a graph, and twice as many in its lowest layer
_LINK_BYTES = 4
_ID_BYTES = 8


@dataclass(frozen=True)
class Kind:
    """A way to come near to the best rows without looking at all.

    Attributes:
        name: as people and files call it.
        graph: a graph that is walked (HNSW, CAGRA), else inverted lists of which some are read (IVF).
        code: how rows are kept: `Flat` (float32), `SQ8` (a byte a number) or `PQ` (a byte for four numbers).
        overfetch: times as many rows as are wanted are scored again by their own vectors; tried in this order.
        needs_cuvs: whether it is built on a GPU, by a faiss with cuVS; it can be asked on any machine.
    """

    name: str
    graph: bool
    code: str
    overfetch: tuple[int, ...]
    needs_cuvs: bool = False

    def factory(self, num_rows: int, dim: int) -> str:
        """As faiss describes it."""
        code = f"PQ{code_bytes(self.code, dim)}x8" if self.code == "PQ" else self.code
        return f"HNSW{LINKS},{code}" if self.graph else f"IVF{num_lists(num_rows)},{code}"

    def num_bytes(self, num_rows: int, dim: int) -> int:
        """About what it takes of memory, and of a disk."""
        code = code_bytes(self.code, dim)
        if self.graph:
            return num_rows * (code + 2 * LINKS * _LINK_BYTES + _ID_BYTES)
        return num_rows * (code + _ID_BYTES) + num_lists(num_rows) * dim * 4

    def fits(self, num_rows: int) -> bool:
        """Whether there are enough rows to train it, and few enough to build it in minutes."""
        if self.graph:
            return self.needs_cuvs or num_rows <= _HNSW_ROWS
        return self.code != "PQ" or num_rows >= _PQ_ROWS

    def efforts(self, num_rows: int) -> tuple[int, int]:
        """The least and the most it makes sense to look at: links of a walk, or lists."""
        return (16, 2048) if self.graph else (1, max(1, num_lists(num_rows) // 2))


KINDS = {
    kind.name: kind
    for kind in (
        Kind("cagra", graph=True, code="Flat", overfetch=(1,), needs_cuvs=True),
        Kind("ivf-sq8", graph=False, code="SQ8", overfetch=(2, 4)),
        Kind("hnsw-sq8", graph=True, code="SQ8", overfetch=(2, 4)),
        Kind("ivf", graph=False, code="Flat", overfetch=(1,)),
        Kind("hnsw", graph=True, code="Flat", overfetch=(1,)),
        Kind("ivf-pq", graph=False, code="PQ", overfetch=(4, 16)),
    )
}


def kind_of(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in KINDS:
        raise UsageError(f"There is no kind of index called {name}.", hint=f"There are exact, {', '.join(KINDS)}.")
    return KINDS[name]


def candidates(
    num_rows: int, dim: int, memory_bytes: int, *, on_gpu: bool = False, has_cuvs: bool = False
) -> Sequence[Kind]:
    """The kinds to try, the cheapest to build and to ask first; none where exact search is all that is needed.

    Args:
        num_rows: of the modality.
        dim: of its vectors.
        memory_bytes: what a structure may take. Where none fits, the smallest with lists is tried: these are read
            from the disk as they are needed.
        on_gpu: whether it is asked on a GPU, where faiss has no HNSW.
        has_cuvs: whether faiss has cuVS beside.
    """
    if num_rows < SMALLEST_ROWS:
        return ()
    there = [kind for kind in KINDS.values() if (has_cuvs if kind.needs_cuvs else not (on_gpu and kind.graph))]
    trained = [kind for kind in there if kind.fits(num_rows)]
    fitting = [kind for kind in trained if kind.num_bytes(num_rows, dim) <= memory_bytes]
    smallest = min((it for it in trained if not it.graph), key=lambda it: it.num_bytes(num_rows, dim))
    return tuple(fitting) or (smallest,)


def num_lists(num_rows: int) -> int:
    """A power of two near five times the root of the rows, of which each list has enough to be trained on."""
    wanted = min(int(5 * num_rows**0.5), num_rows // POINTS_A_CENTROID)
    return 1 << max(wanted.bit_length() - 1, 0)


def code_bytes(code: str, dim: int) -> int:
    """Of one row."""
    if code == "PQ":
        return max(size for size in range(1, max(dim // 4, 1) + 1) if dim % size == 0)
    return dim if code == "SQ8" else 4 * dim
