"""How long an evaluation takes: `evaluation.py [--items 10000] [--runs 3]`.

Items with one moment of each side, 128 numbers, 110 classes, no groups: all four directions, all measures under
both self rules, chance and 2,000 resamples, as `avsearch evaluate` does once its vectors are there.
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

import numpy as np

from avsearch.bench.figure import figure
from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol
from avsearch.evaluation.retrieval import evaluate
from avsearch.moments import Modality
from benchmarks.result import add_out, print_figures, seconds_of, write_result

DIM, CLASSES = 128, 110
SPREAD = 1.5  # of an item around its class, as long as the class's own vector or a little longer


def main() -> None:
    """Evaluate several times; print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    add_out(parser)
    given = parser.parse_args()
    items = made(given.items)
    seconds = [seconds_of(lambda: evaluate(items)) for _ in range(given.runs)]
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told = f"evaluation of {given.items:,} items"
    figures = [
        figure(f"{told}, s", "seconds", seconds),
        figure(f"{told}, peak memory, MB", "peak_mb", [peak_bytes / 1e6]),
    ]
    print_figures(figures)
    write_result(given.out, "evaluation", figures, {"items": given.items, "seconds": seconds})


def made(count: int) -> Items:
    """Items of classes whose vectors both sides share, with noise of their own."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLASSES, DIM), dtype=np.float32)
    of_class = rng.integers(0, CLASSES, count)
    names = tuple(f"{number}.mp4" for number in range(count))
    return Items(
        names=names,
        paths=tuple(map(Path, names)),
        labels=tuple(frozenset({f"class {it}"}) for it in of_class.tolist()),
        groups=(frozenset(),) * count,
        vectors={side: _vectors(rng, centres[of_class]) for side in Modality},
        settings=EvaluationSettings(Path("manifest.csv")),
        protocol=Protocol("library", "made vectors", "f" * 32, "ave", "random", "small"),
    )


def _vectors(rng: np.random.Generator, centre: np.ndarray) -> ItemVectors:
    vector = centre + SPREAD * rng.standard_normal(centre.shape, dtype=np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    number = np.arange(len(vector))
    return ItemVectors(vector, number, np.zeros_like(number))


if __name__ == "__main__":
    main()
