"""The figures of `avsearch bench search`: frozen, and refused where they cannot be true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from avsearch.bench.machine import Machine

SCHEMA_VERSION = 1
COLUMNS = (
    "moments", "find", "kind", "recall@30", "build, s", "memory, MB", "p50, ms", "p99, ms",
    "batch p50, ms", "batch p99, ms",
    "x exact", "x exact, batch", "/ FAISS", "/ FAISS, batch", "/ read",
)  # fmt: skip


@dataclass(frozen=True)
class Times:
    """Milliseconds a query: the median, and what one of a hundred exceeds."""

    p50_ms: float
    p99_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.p50_ms <= self.p99_ms:
            raise ValueError("a query takes some time, and a slow one no less than others")


@dataclass(frozen=True)
class SearchRun:
    """One way to search one set of moments; all ways of a set took turns, query by query.

    Attributes:
        num_rows: moments that are searched.
        find: their modality.
        kind: `exact`, or a kind of index.
        recall: of each direction, against exact search.
        effort: with which an index was asked; 0 for exact search.
        overfetch: likewise.
        build_s: seconds of building; of exact search, of bringing the vectors into memory.
        memory_bytes: of the index; of exact search, of what it holds or maps.
        single: of queries one at a time.
        batch: of queries 32 at a time, for each of them.
        raw_single_ms: p50 of `IndexFlatIP` of FAISS over the same rows; None where that does not fit the memory.
        raw_batch_ms: likewise.
        exact_single_ms: p50 of avsearch's exact search.
        exact_batch_ms: likewise.
        read_ms: of a plain read of as many bytes as the vectors have in memory, by all cores.
    """

    num_rows: int
    find: str
    kind: str
    recall: Mapping[str, float]
    effort: int
    overfetch: int
    build_s: float
    memory_bytes: int
    single: Times
    batch: Times
    raw_single_ms: float | None
    raw_batch_ms: float | None
    exact_single_ms: float
    exact_batch_ms: float
    read_ms: float

    def __post_init__(self) -> None:
        if not all(0 <= value <= 1 for value in self.recall.values()) or min(self.num_rows, self.memory_bytes) < 1:
            raise ValueError("a recall is a part of 1, and there is something to search")

    @property
    def lowest_recall(self) -> float:
        return min(self.recall.values())

    @property
    def ratios(self) -> dict[str, float | None]:
        """How much faster than exact search, and how many times as long as FAISS alone and as a plain read."""
        return {
            "times_exact": self.exact_single_ms / self.single.p50_ms,
            "times_exact_batch": self.exact_batch_ms / self.batch.p50_ms,
            "of_raw": None if self.raw_single_ms is None else self.single.p50_ms / self.raw_single_ms,
            "of_raw_batch": None if self.raw_batch_ms is None else self.batch.p50_ms / self.raw_batch_ms,
            "of_read": self.single.p50_ms / self.read_ms,
        }

    def row(self) -> list[str]:
        """As a row under `COLUMNS`."""
        times = (self.single.p50_ms, self.single.p99_ms, self.batch.p50_ms, self.batch.p99_ms)
        return [
            str(self.num_rows),
            self.find,
            self.kind,
            f"{self.lowest_recall:.3f}",
            f"{self.build_s:.1f}",
            f"{self.memory_bytes / 1e6:.0f}",
            *(f"{it:.3f}" for it in times),
            *("" if it is None else f"{it:.2f}" for it in self.ratios.values()),
        ]


@dataclass(frozen=True)
class SearchBenchmark:
    """Several ways to search several sets of moments on one machine.

    Attributes:
        date: of the run.
        machine: it ran on.
        source: `made`, or the library.
        dim: of the vectors.
        target: recall that indexes were tuned for.
        runs: what was measured.
        left_out: a line for each kind that was not, and why.
        peak_rss_bytes: highest resident size of the process, mapped files included.
    """

    date: str
    machine: Machine
    source: str
    dim: int
    target: float
    runs: tuple[SearchRun, ...]
    left_out: tuple[str, ...]
    peak_rss_bytes: int

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("nothing was measured")

    def record(self) -> dict[str, Any]:
        """Everything as a JSON object."""
        runs = [asdict(run) | {"ratios": run.ratios} for run in self.runs]
        told = {"schema_version": SCHEMA_VERSION, "benchmark": "search", "measured_on": str(self.machine)}
        return told | asdict(self) | {"runs": runs, "figures": self._figures()}

    def _figures(self) -> list[dict[str, Any]]:
        """What a report shows (`avsearch evaluate --include`)."""
        figures = []
        for run in self.runs:
            what = f"{run.kind}, {run.num_rows} {run.find} moments"
            figures += [
                {"name": f"{what}: one query", "unit": "ms", "median": round(run.single.p50_ms, 4)},
                {"name": f"{what}: recall@30", "median": round(run.lowest_recall, 4)},
            ]
        return figures
