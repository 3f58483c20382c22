"""Train every system of the papers, and ours, for the same time, and print one table of how well they search.

Usage, with nothing beside it on the machine (it takes three hours at five minutes a system):

    python -m benchmarks.systems DATA FOLDER [--minutes 5] [--vgg16 CHECKPOINT]

DATA holds manifest.csv (path, split, class, photo, recordings) and its clips. What is done is not done again: a run
that was cut off goes on with the same command. FOLDER/table.md has the table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsearch.bench.figure import Figure, figure
from benchmarks.result import add_out, write_result

SEEDS = (0, 1, 2)
LABELS = ("--label-column", "class", "--group", "photo,recordings")
DIRECTIONS = ("image-image", "image-audio", "audio-image", "audio-audio")
CROSS_MODAL = DIRECTIONS[1:3]


@dataclass(frozen=True)
class System:
    """A row of the table: a recipe, or a projection of what a recipe trained."""

    recipe: str
    seeds: tuple[int, ...] = (0,)
    times: int = 1  # as long as the others
    options: tuple[str, ...] = ()
    aligned: bool = False

    @property
    def key(self) -> str:
        """What --only calls it."""
        return f"{self.recipe}{'-cca' if self.aligned else ''}-x{self.times}"

    def folder(self, seed: int) -> str:
        return f"{self.key}-seed{seed}"


SYSTEMS = (
    System("ave-views", SEEDS, times=2),
    System("ave", SEEDS, times=2),
    System("ave", SEEDS),
    System("ave-views", SEEDS),
    System("l3", SEEDS),
    System("l3", SEEDS, aligned=True),
    System("ave-nce"),
    System("avol"),
    System("avol-attention"),
    System("avol-nce"),
    System("ave-mf", options=("--batch-size", "32")),
    System("ave-of"),
)
BY_LIBRARY = ("ave-views-x2",)  # the first of these by every stored moment too, as `avsearch query` searches


@dataclass(frozen=True)
class Bench:
    """Where the data are and the results go."""

    data: Path
    out: Path
    minutes: float

    @property
    def manifest(self) -> tuple[str, str]:
        return "--manifest", str(self.data / "manifest.csv")

    def train(self, system: System, seed: int) -> Path:
        """The weights file of a system; trained, or aligned, unless it lies there."""
        run = self.out / system.folder(seed)
        weights = run / "encoder.safetensors"
        cache = ("--cache", str(self.out / "cache"))
        if system.aligned:
            source = self.out / System(system.recipe).folder(seed) / "encoder.safetensors"
            self.once(weights, "align", str(source), *self.manifest, *cache, "--out", str(weights))
            return weights
        going_on = ("--resume",) if (run / "checkpoints" / "last.safetensors").exists() else ()
        time = ("--minutes", f"{self.minutes * system.times:g}", "--seed", str(seed))
        recipe = ("--recipe", system.recipe, *system.options)
        self.once(
            weights, "train", str(self.data), *self.manifest, *recipe, *time, *cache, "--out", str(run), *going_on
        )
        return weights

    def measure(self, weights: Path, split: str) -> dict[str, Any]:
        """What `evaluate` finds by the paper's protocol: one random frame and its second ask, of each clip."""
        report = weights.parent / f"report-{split}"
        model = ("--model", str(weights), "--split", split, "--report", str(report))
        self.once(report / "report.json", "evaluate", *self.manifest, *LABELS, *model)
        return read(report / "report.json")

    def measure_library(self, weights: Path, split: str) -> dict[str, Any]:
        """The same where every stored moment of the split asks."""
        library, report = weights.parent / "library", weights.parent / f"report-library-{split}"
        if not (report / "report.json").exists():
            run("index", str(self.data), *self.manifest, "--library", str(library), "--model", str(weights))
        given = ("--library", str(library), "--split", split, "--report", str(report))
        self.once(report / "report.json", "evaluate", *self.manifest, *LABELS, *given)
        return read(report / "report.json")

    def once(self, result: Path, *arguments: str) -> None:
        """Run `avsearch ARGUMENTS`, unless its result is there."""
        if not result.exists():
            run(*arguments)


def main() -> None:
    """Train, measure and print what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training a system (default: 5)")
    keys = [system.key for system in SYSTEMS]
    parser.add_argument("--only", nargs="+", choices=keys, default=keys, help="these rows (default: all)")
    parser.add_argument(
        "--vgg16", type=Path, help="an ImageNet checkpoint of torchvision's VGG16, for two more rows"
    )
    add_out(parser)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(given.data, given.folder, given.minutes)
    rows: list[str] = []
    figures: list[Figure] = []
    for system in (it for it in SYSTEMS if it.key in given.only):
        trained = [bench.train(system, seed) for seed in system.seeds]
        rows.append(row(label(system, bench), trained, bench.measure))
        figures += figures_of(label(system, bench), trained, bench)
        if system.key in BY_LIBRARY:
            rows.append(row(f"{label(system, bench)}, library", trained[:1], bench.measure_library))
        publish(rows, bench)
    write_result(given.out, "systems", figures, {"minutes": given.minutes})
    if given.vgg16 is not None:
        publish(rows + [row(name, [weights], bench.measure) for name, weights in vgg16(bench, given.vgg16)], bench)


def vgg16(bench: Bench, checkpoint: Path) -> list[tuple[str, Path]]:
    """The two rows of the paper that need a network of others: VGG16, and VGG16 + L3-audio CCA."""
    imported = bench.out / "vgg16" / "encoder.safetensors"
    joined = bench.out / "vgg16-cca" / "encoder.safetensors"
    heard = bench.out / System("l3").folder(SEEDS[0]) / "encoder.safetensors"
    for path in (imported, joined):
        path.parent.mkdir(exist_ok=True)
    bench.once(imported, "import", "vgg16", str(checkpoint), "--out", str(imported))
    cache = ("--cache", str(bench.out / "cache"))
    bench.once(joined, "align", str(imported), str(heard), *bench.manifest, *cache, "--out", str(joined))
    return [("VGG16", imported), ("VGG16 + L3-audio CCA", joined)]


def row(name: str, trained: Sequence[Path], measure: Callable[[Path, str], dict[str, Any]]) -> str:
    """Means over seeds, with the standard deviation of the cross-modal mean where there are several."""
    test, val = ([scores(measure(weights, split)) for weights in trained] for split in ("test", "val"))
    means = [statistics.mean(column) for column in zip(*test, strict=True)]
    steps, accuracy = zip(*(about(weights) for weights in trained), strict=True)
    cells = [
        name,
        str(len(trained)),
        mean_of(steps, ".0f"),
        *(f"{mean:.3f}" for mean in means[:4]),
        f"**{with_spread([it[4] for it in test])}**",
        with_spread([it[4] for it in val]),
        mean_of(accuracy, ".3f"),
    ]
    return f"| {' | '.join(cells)} |"


def figures_of(name: str, trained: Sequence[Path], bench: Bench) -> Iterator[Figure]:
    """nDCG@30 of each direction over the seeds."""
    found = [scores(bench.measure(weights, "test")) for weights in trained]
    for what, values in zip((*DIRECTIONS, "cross-modal mean"), zip(*found, strict=True), strict=True):
        yield figure(f"{name}, {what}, nDCG@30, test", f"{name} {what}", values)


def label(system: System, bench: Bench) -> str:
    """What the table calls a system."""
    return f"`{system.recipe}`{' + CCA' if system.aligned else ''}, {bench.minutes * system.times:g} min"


def scores(report: dict[str, Any]) -> list[float]:
    """The four directions, and the mean of the two across modalities; no number where nothing could ask."""
    found = report["ndcg@30"]
    each = [float("nan") if found[it] is None else found[it] for it in DIRECTIONS]
    return [*each, statistics.mean(each[1:3])]


def about(weights: Path) -> tuple[int | None, float | None]:
    """Steps trained, and the AVC accuracy on validation pairs; None for what was not trained."""
    path = weights.parent / "run.json"
    if not path.exists():
        return None, None
    record = read(path)
    return record["steps"], record["validation"]["avc_accuracy"]


def mean_of(values: Sequence[float | None], form: str) -> str:
    """The mean of those that are known, or a dash."""
    known = [value for value in values if value is not None]
    return format(statistics.mean(known), form) if known else "-"


def with_spread(values: Sequence[float]) -> str:
    """The mean and, of several, the standard deviation."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def publish(rows: Sequence[str], bench: Bench) -> None:
    """Print the table so far and write it beside the runs, with the chance of the same items."""
    chance = read(next(bench.out.glob("*/report-test/report.json")))["chance"]
    last = ["chance", "-", "-", *(f"{chance[it]:.3f}" for it in DIRECTIONS)]
    last += [f"**{statistics.mean(chance[it] for it in CROSS_MODAL):.3f}**", "-", "0.500"]
    header = ["system", "seeds", "steps", *DIRECTIONS, "cross-modal", "cross-modal, val", "AVC, val"]
    lines = [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}", *rows, f"| {' | '.join(last)} |"]
    text = "\n".join(lines) + "\n"
    (bench.out / "table.md").write_text(text)
    tell(text)


def read(path: Path) -> dict[str, Any]:
    """A JSON file."""
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def tell(text: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(*arguments: str) -> None:
    """Run the command of this environment; stop where it fails."""
    tell(" ".join(["avsearch", *arguments]))
    subprocess.run([sys.executable, "-m", "avsearch", *arguments], check=True)


if __name__ == "__main__":
    main()
