"""The figures of `avsearch bench search` as a picture: how long a query takes and how much memory, by moments."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from avsearch.bench.search_result import SearchBenchmark
from avsearch.errors import AvsearchError, unwritable


def plot(result: SearchBenchmark, path: Path) -> None:
    """Write a PNG, or whatever the name's ending says.

    Raises:
        AvsearchError: it cannot be written.
    """
    drawing = Figure(figsize=(11, 4.5), layout="constrained")
    time, memory = drawing.subplots(1, 2)
    for kind in dict.fromkeys(run.kind for run in result.runs):
        runs = sorted((run for run in result.runs if run.kind == kind), key=lambda run: run.num_rows)
        moments = [run.num_rows for run in runs]
        time.plot(moments, [run.single.p50_ms for run in runs], marker="o", label=kind)
        memory.plot(moments, [run.memory_bytes / 1e6 for run in runs], marker="o", label=kind)
    read = sorted({(run.num_rows, run.read_ms) for run in result.runs})
    time.plot(*zip(*read, strict=True), linestyle=":", color="gray", label="a plain read of all vectors")
    for axes, title in ((time, "one query, ms (p50)"), (memory, "memory, MB")):
        axes.set(title=title, xlabel="moments", xscale="log", yscale="log")
        axes.grid(visible=True, alpha=0.3)
    time.legend()
    drawing.suptitle(f"{result.date}: recall@30 of {result.target} asked for; {result.machine}", fontsize=8)
    try:
        drawing.savefig(path, dpi=120)
    except OSError as error:
        raise unwritable(AvsearchError, path, error.strerror) from error
    except ValueError as error:
        raise AvsearchError(f"{path}: is no picture ({error}).", hint="Name a .png file.") from error
