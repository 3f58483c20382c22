"""Measure search: exact, by each kind of index, beside FAISS alone and beside a plain read of as many bytes.

Moments are made, or are a library's. All ways to search one set take turns, query by query, so that ratios hold on
a machine that has other work too.
"""

from __future__ import annotations

import datetime
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from avsearch.bench.machine import this_machine
from avsearch.bench.search_made import made_segments
from avsearch.bench.search_result import SearchBenchmark, SearchRun, Times
from avsearch.cores import num_cores
from avsearch.errors import AvsearchError, UsageError
from avsearch.library import open_library
from avsearch.moments import Modality, Progress
from avsearch.vectors import Rows
from avsearch.vectors.ann.choosing import judged, over
from avsearch.vectors.ann.kinds import kind_of
from avsearch.vectors.ann.record import Tuning
from avsearch.vectors.ann.structure import build
from avsearch.vectors.ann.tuning import RECALL_K, Asked, ask_all, tune
from avsearch.vectors.backend import load_faiss
from avsearch.vectors.exact import nearest
from avsearch.vectors.resident import Resident

EXACT = "exact"
BATCH = 32
NUM_SINGLE, NUM_BATCHES = 200, 12
MOST_S = 60.0  # of asking one set of moments; fewer queries are asked where they take longer
_READ_BYTES = 256 << 20
_MEMORY_SHARE = 8  # of the memory one part, that rows may take to be held beside being mapped

Ask: TypeAlias = Callable[[NDArray[np.float32]], object]
Segments: TypeAlias = Mapping[Modality, Sequence[Rows]]


@dataclass(frozen=True)
class SearchBenchmarkJob:
    """What is measured.

    Attributes:
        num_rows: moments that are made, each number a set of its own; empty for a library's.
        kinds: `exact` or kinds of index.
        library: whose moments are searched instead; None for made ones.
        dim: of made vectors.
        recall: that indexes are tuned for.
        seed: of everything.
        directory: where made moments lie meanwhile; by default the system's folder for such files.
    """

    num_rows: Sequence[int]
    kinds: Sequence[str]
    library: Path | None = None
    dim: int = 128
    recall: float = 0.95
    seed: int = 0
    directory: Path | None = None

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name != EXACT:
                kind_of(name)
        if min(self.num_rows, default=10**3) < 10**3 or self.dim < 2:
            raise UsageError("Search is measured over 1000 moments or more.", hint="Give --moments 1e4,1e5,1e6.")


@dataclass(eq=False)
class _Way:
    """One way to search a set, and what is known of it."""

    kind: str
    ask: Ask
    recall: Mapping[str, float]
    build_s: float
    memory_bytes: int
    tuning: Tuning | None = None
    single_s: list[float] = field(default_factory=list)
    batch_s: list[float] = field(default_factory=list)


def bench_search(job: SearchBenchmarkJob, progress: Progress) -> SearchBenchmark:
    """Measure each set of moments by each kind.

    Raises:
        UsageError: there is no such kind.
        LibraryError: the library cannot be read.
        AvsearchError: nothing could be measured.
    """
    runs: list[SearchRun] = []
    left_out: list[str] = []
    dim = job.dim
    for segments, sides in _sets(job, progress):
        for find in sides:
            dim = segments[find][0].dim
            runs += _measure(segments, find, job, left_out, progress)
    if not runs:
        raise AvsearchError("There is nothing to search.", hint="Index something first, or leave --library out.")
    return SearchBenchmark(
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        machine=this_machine(),
        source="made" if job.library is None else str(job.library),
        dim=dim,
        target=job.recall,
        runs=tuple(runs),
        left_out=tuple(left_out),
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _sets(job: SearchBenchmarkJob, progress: Progress) -> Iterator[tuple[Segments, list[Modality]]]:
    """Sets of moments, and the modalities of each that are searched."""
    if job.library is not None:
        view = open_library(job.library).view(*Modality)
        yield view.segments, [it for it in Modality if sum(map(len, view.segments[it])) > RECALL_K]
        return
    for num_rows in job.num_rows:
        progress.stage(f"make {num_rows}", None, "moment")
        with tempfile.TemporaryDirectory(prefix="avsearch-bench-", dir=job.directory) as folder:
            yield made_segments(Path(folder), num_rows, job.dim, job.seed), [Modality.IMAGE]


def _measure(
    segments: Segments, find: Modality, job: SearchBenchmarkJob, left_out: list[str], progress: Progress
) -> list[SearchRun]:
    """All kinds over one set."""
    rows = segments[find]
    num_rows, rng = sum(map(len, rows)), np.random.default_rng(job.seed)
    tuned_on, judged_by = (ask_all(segments, find, rng) for _ in range(2))
    bytes_of_rows = num_rows * rows[0].dim * 4
    is_small = bytes_of_rows < _memory_bytes() // _MEMORY_SHARE
    exact = _exact_way(rows, judged_by, is_held=is_small)
    ways = [exact]
    for name in (it for it in job.kinds if it != EXACT):
        way = _index_way(rows, name, (tuned_on, judged_by), job, progress)
        if isinstance(way, str):
            left_out.append(f"{num_rows} moments, {name}: {way}")
        else:
            ways.append(way)
    raw = _raw_way(rows) if is_small else None
    progress.stage("ask", None, "query")
    _time([*ways, *([raw] if raw else [])], np.concatenate([it.queries for it in judged_by]), rng)
    read_ms = 1e3 * bytes_of_rows / bytes_a_second()
    told = ways if EXACT in job.kinds else ways[1:]
    return [_run(it, exact, raw, num_rows=num_rows, find=find, read_ms=read_ms) for it in told]


def _exact_way(rows: Sequence[Rows], asked: Sequence[Asked], *, is_held: bool) -> _Way:
    """In memory as a server has it, or over mapped segments where there is no room."""
    began = time.perf_counter()
    recall = {it.direction: 1.0 for it in asked}
    if not is_held:
        num_bytes = sum(it.vector.nbytes + it.media_id.nbytes + it.start_us.nbytes for it in rows)
        return _Way(EXACT, partial(nearest, rows, k=RECALL_K), recall, 0.0, num_bytes)
    resident = Resident(rows)
    build_s = time.perf_counter() - began
    return _Way(EXACT, partial(resident.nearest, k=RECALL_K), recall, build_s, resident.num_bytes)


def _index_way(
    rows: Sequence[Rows],
    name: str,
    asked: tuple[Sequence[Asked], Sequence[Asked]],
    job: SearchBenchmarkJob,
    progress: Progress,
) -> _Way | str:
    """An index, built and tuned; or why not."""
    kind, num_rows = kind_of(name), sum(map(len, rows))
    if kind.needs_cuvs:
        return "it is built and asked on a GPU; `avsearch bench gpu` measures it"
    if not kind.fits(num_rows):
        return "too few moments to train it, or too many to build it in minutes"
    began = time.perf_counter()
    structure = build(rows, kind, rng=np.random.default_rng(job.seed), progress=progress)
    build_s = time.perf_counter() - began
    progress.stage("tune", None, "query")
    search = over(structure, Tuning(1, 1), rows)
    tuning = tune(search, asked[0], job.recall)
    if tuning is None:
        return f"does not reach a recall of {job.recall}"
    tuning, recall = judged(search, tuning, asked[1], job.recall)
    search = search.tuned(tuning)
    with tempfile.TemporaryDirectory(prefix="avsearch-bench-", dir=job.directory) as folder:
        structure.write(Path(folder) / "index")
        num_bytes = (Path(folder) / "index").stat().st_size
    return _Way(name, partial(search.nearest, k=RECALL_K), recall, build_s, num_bytes, tuning)


def _raw_way(rows: Sequence[Rows]) -> _Way:
    """FAISS alone."""
    index = load_faiss().IndexFlatIP(rows[0].dim)
    for some in rows:
        index.add(np.ascontiguousarray(some.vector, np.float32))
    return _Way("raw", partial(index.search, k=RECALL_K), {}, 0.0, 1)


def _time(ways: Sequence[_Way], queries: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Ask each way the same queries, one at a time and in batches; they take turns."""
    for way in ways:
        way.ask(queries[:BATCH])
    for is_batch, times in ((False, NUM_SINGLE), (True, NUM_BATCHES)):
        began = time.perf_counter()
        for at in range(times):
            some = queries[rng.integers(0, len(queries), BATCH if is_batch else 1)]
            for way in ways:
                before = time.perf_counter()
                way.ask(some)
                (way.batch_s if is_batch else way.single_s).append((time.perf_counter() - before) / len(some))
            if at >= 2 and time.perf_counter() - began > MOST_S / 2:
                break


def _run(way: _Way, exact: _Way, raw: _Way | None, *, num_rows: int, find: Modality, read_ms: float) -> SearchRun:
    return SearchRun(
        num_rows=num_rows,
        find=find,
        kind=way.kind,
        recall=way.recall,
        effort=way.tuning.effort if way.tuning else 0,
        overfetch=way.tuning.overfetch if way.tuning else 0,
        build_s=way.build_s,
        memory_bytes=way.memory_bytes,
        single=_times(way.single_s),
        batch=_times(way.batch_s),
        raw_single_ms=_times(raw.single_s).p50_ms if raw else None,
        raw_batch_ms=_times(raw.batch_s).p50_ms if raw else None,
        exact_single_ms=_times(exact.single_s).p50_ms,
        exact_batch_ms=_times(exact.batch_s).p50_ms,
        read_ms=read_ms,
    )


def _times(seconds: Sequence[float]) -> Times:
    return Times(1e3 * statistics.median(seconds), 1e3 * float(np.quantile(seconds, 0.99)))


def bytes_a_second() -> float:
    """How fast all cores together read memory, the best of a few times."""
    data = np.ones(_READ_BYTES // 8, np.int64)
    cores = num_cores()
    taken = []
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(np.max, np.array_split(data, cores)))
            taken.append(time.perf_counter() - began)
    return data.nbytes / min(taken)


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
