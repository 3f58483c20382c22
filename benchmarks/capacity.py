"""What moments cost, as docs/scale.md shows it: `capacity.py MEASURED.json...`, of `avsearch bench search --out`.

Bytes are those of the largest measurement, for each moment. Times follow a power law through the two largest sizes
of a kind; how good that is, the table says itself: the largest size is predicted from the two before it and set
beside what was measured. Beyond it, nothing is measured.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path

from avsearch.bench.figure import Figure, figure
from benchmarks.result import add_out, write_result

MOMENTS_AN_HOUR = 7200  # a picture and a sound every second: the most that footage has
BEYOND = (10**8, 10**9)
COLUMNS = ("kind", "moments", "hours of footage", "GB", "build", "one query", "of 32, each", "measured / predicted")


@dataclass(frozen=True)
class Cost:
    """What one kind of index costs at one size, measured or predicted.

    Attributes:
        num_rows: moments.
        num_bytes: of the index; of the vectors, where there is none.
        build_s: to make it.
        single_ms: of one query, the median.
        batch_ms: of each of 32 queries at once.
    """

    num_rows: int
    num_bytes: float
    build_s: float
    single_ms: float
    batch_ms: float


def main() -> None:
    """Read, predict, print."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("measured", type=Path, nargs="+", help="what `avsearch bench search --out FILE` wrote")
    add_out(parser)
    given = parser.parse_args()
    kinds = measured(given.measured)
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n")
    for kind, costs in kinds.items():
        for line in lines(kind, costs):
            sys.stdout.write(line + "\n")
    found = [it for kind, costs in kinds.items() for it in figures(kind, costs)]
    write_result(given.out, "capacity", found, {"measured": [str(it) for it in given.measured]})


def measured(files: list[Path]) -> Mapping[str, list[Cost]]:
    """Kinds -> what they cost, by size."""
    kinds: dict[str, dict[int, Cost]] = defaultdict(dict)
    for file in files:
        for run in json.loads(file.read_text())["runs"]:
            cost = Cost(
                run["num_rows"],
                run["memory_bytes"],
                0.0 if run["kind"] == "exact" else run["build_s"],
                run["single"]["p50_ms"],
                run["batch"]["p50_ms"],
            )
            kinds[run["kind"]][cost.num_rows] = cost
    return {kind: [costs[size] for size in sorted(costs)] for kind, costs in kinds.items()}


def figures(kind: str, costs: list[Cost]) -> Iterator[Figure]:
    """Bytes a moment, and how near the largest size comes to what the two before it predict."""
    last = costs[-1]
    yield figure(
        f"{kind}, bytes a moment at {last.num_rows:.0e}", f"{kind} bytes", [last.num_bytes / last.num_rows]
    )
    if len(costs) > 2:
        expected = predicted(costs[-3], costs[-2], last.num_rows)
        told = f"{kind}, measured over predicted at {last.num_rows:.0e}"
        yield figure(f"{told}, one query", f"{kind} single", [last.single_ms / expected.single_ms])
        yield figure(f"{told}, each of 32", f"{kind} batch", [last.batch_ms / expected.batch_ms])


def lines(kind: str, costs: list[Cost]) -> Iterator[str]:
    """The rows of the table of one kind."""
    for at, cost in enumerate(costs):
        check = "" if at < 2 else compared(cost, predicted(costs[at - 2], costs[at - 1], cost.num_rows))
        yield row(kind, cost, check)
    if len(costs) > 1 and costs[-1].num_rows * 10 >= BEYOND[0]:
        for num_rows in BEYOND:
            yield row(kind, predicted(costs[-2], costs[-1], num_rows), "(predicted)")


def predicted(small: Cost, large: Cost, num_rows: int) -> Cost:
    """What a power law through two sizes says of a third."""

    def law(one: float, other: float) -> float:
        steps = log(num_rows / large.num_rows) / log(large.num_rows / small.num_rows)
        return float(other * (other / one) ** steps) if one else 0.0

    return Cost(
        num_rows,
        large.num_bytes / large.num_rows * num_rows,
        law(small.build_s, large.build_s),
        law(small.single_ms, large.single_ms),
        law(small.batch_ms, large.batch_ms),
    )


def compared(found: Cost, expected: Cost) -> str:
    """Measured over predicted: bytes, building where anything is built, one query, each of 32."""
    pairs = (
        (found.num_bytes, expected.num_bytes),
        (found.build_s, expected.build_s),
        (found.single_ms, expected.single_ms),
        (found.batch_ms, expected.batch_ms),
    )
    return ", ".join(f"{one / other:.2f}" for one, other in pairs if other)


def row(kind: str, cost: Cost, check: str) -> str:
    """One line of Markdown."""
    cells = (
        kind,
        f"{cost.num_rows:.0e}".replace("+0", ""),
        f"{cost.num_rows / MOMENTS_AN_HOUR:,.0f}",
        f"{cost.num_bytes / 1e9:.3g}",
        _time(cost.build_s * 1000) if cost.build_s else "",
        _time(cost.single_ms),
        _time(cost.batch_ms),
        check,
    )
    return f"| {' | '.join(cells)} |"


def _time(milliseconds: float) -> str:
    for unit, size in (("h", 3.6e6), ("s", 1e3)):
        if milliseconds >= size:
            return f"{milliseconds / size:.3g} {unit}"
    return f"{milliseconds:.3g} ms"


if __name__ == "__main__":
    main()
