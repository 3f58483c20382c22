"""How search over rows in memory compares with FAISS alone: `resident_1m.py [--rows 1000000] [--dim 128]`.

Both search the same unit rows, in turns, each time with other queries; the figures are medians of seconds, and the
ratio is that of the medians. With a filter, that share of the media counts, and the ratio is to FAISS without one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from avsearch.bench.figure import Figure, figure
from avsearch.vectors import Rows
from avsearch.vectors.backend import load_faiss
from avsearch.vectors.exact import nearest
from avsearch.vectors.resident import Resident, resident_bytes
from benchmarks.result import add_out, write_result

Way = Callable[[NDArray[np.float32]], object]
SEGMENT_ROWS, MEDIA_ROWS = 50_000, 100
ADDED, ADDINGS = 10_000, 20
ASKED = ((1, 15), (32, 7))  # queries at once, and how often
COUNTS = (30, 120, 1000)
SHARES = (0.0001, 0.01, 0.1, 0.5, 0.9, 1.0)


def main() -> None:
    """Make rows, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    add_out(parser)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    vector = unit(rng.standard_normal((chosen.rows, chosen.dim), dtype=np.float32))
    row = np.arange(chosen.rows)
    cuts = range(SEGMENT_ROWS, chosen.rows, SEGMENT_ROWS)
    segments = [Rows(vector[at], row[at] // MEDIA_ROWS, row[at] % MEDIA_ROWS) for at in np.split(row, cuts)]
    resident = Resident(segments)
    sys.stdout.write(f"in memory: {resident.num_bytes} bytes, at least {resident_bytes(segments)}\n")
    adding = adding_s(segments, vector)
    sys.stdout.write(f"adding {ADDED} moments: {statistics.median(adding):.4f} s of CPU\n")
    told = asked(rng, vector, segments, resident)
    found = [
        *compared(chosen.rows, told),
        figure(f"adding {ADDED:,} to {chosen.rows:,} moments in memory, CPU, s", "adding_s", adding),
    ]
    write_result(chosen.out, "resident", found, {"adding_s": adding, "num_bytes": resident.num_bytes})


def asked(
    rng: np.random.Generator, vector: NDArray[np.float32], segments: Sequence[Rows], resident: Resident
) -> dict[tuple[int, int], list[float]]:
    """Print the table: (queries at once, k) -> what each way takes, as a part of what FAISS alone takes."""
    alone = load_faiss().IndexFlatIP(vector.shape[1])
    alone.add(vector)
    media = np.arange(len(vector) // MEDIA_ROWS)
    filters = {share: np.sort(rng.permutation(media)[: max(1, round(len(media) * share))]) for share in SHARES}
    sys.stdout.write(
        f"| queries | k | FAISS, s | in memory | mapped | {' | '.join(f'{it:.2%}' for it in SHARES)} |\n"
    )
    told: dict[tuple[int, int], list[float]] = {}
    for num_queries, times in ASKED:
        for k in COUNTS:
            ways: list[Way] = [
                partial(alone.search, k=k),
                partial(resident.nearest, k=k),
                partial(nearest, segments, k=k),
                *(partial(resident.nearest, k=k, allowed=some) for some in filters.values()),
            ]
            first, *others = medians(ways, queries(rng, vector, num_queries, times))
            told[num_queries, k] = [it / first for it in others]
            ratios = " | ".join(f"{it:.3f}" for it in told[num_queries, k])
            sys.stdout.write(f"| {num_queries} | {k} | {first:.4f} | {ratios} |\n")
    return told


def adding_s(segments: Sequence[Rows], vector: NDArray[np.float32]) -> list[float]:
    """CPU seconds of adding a segment to what is in memory, again and again, as a server does after a commit."""
    held, row, taken = list(segments), np.arange(min(ADDED, len(vector))), []
    before = Resident(held, names=range(len(held)))
    for _ in range(ADDINGS):
        media = len(vector) + len(held) * ADDED + row // MEDIA_ROWS
        held.append(Rows(vector[row], media, row % MEDIA_ROWS))
        began = time.process_time()
        before = Resident(held, names=range(len(held)), before=before)
        taken.append(time.process_time() - began)
    return taken


def compared(num_rows: int, told: Mapping[tuple[int, int], Sequence[float]]) -> Iterator[Figure]:
    """Ratios to FAISS, as the table shows them."""
    ways = ("all", "all, mapped", *(f"{it:.2%} of the media" for it in SHARES))
    for (num_queries, k), ratios in told.items():
        for way, ratio in zip(ways, ratios, strict=True):
            name = f"{num_rows:,} moments in memory, {num_queries} at once, k = {k}, {way}, over FAISS of all"
            yield figure(name, f"{way} {num_queries} {k}", [ratio])


def queries(
    rng: np.random.Generator, vector: NDArray[np.float32], num_queries: int, times: int
) -> Iterator[NDArray[np.float32]]:
    """(Q, D) float32 unit rows, near to stored ones, so often."""
    for _ in range(times):
        near = vector[rng.integers(0, len(vector), num_queries)]
        yield unit(near + 0.05 * rng.standard_normal(near.shape, dtype=np.float32))


def medians(ways: list[Way], asked: Iterator[NDArray[np.float32]]) -> list[float]:
    """The median wall seconds of each way, which take turns."""
    taken: list[list[float]] = [[] for _ in ways]
    for some in asked:
        for seconds, way in zip(taken, ways, strict=True):
            began = time.perf_counter()
            way(some)
            seconds.append(time.perf_counter() - began)
    return [statistics.median(seconds) for seconds in taken]


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) rows of length 1."""
    length: NDArray[np.float32] = np.linalg.norm(vector, axis=1, keepdims=True)
    return vector / length


if __name__ == "__main__":
    main()
