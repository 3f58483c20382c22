"""`avsearch bench ...`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.bench_search import search
from avsearch.cli.options import (
    RECIPES,
    BatchSizeOption,
    DeviceOption,
    JsonOption,
    PathsArgument,
    RecordFile,
    SizeOption,
    SizeOrModel,
    VideosArgument,
    WorkersOption,
    cache_option,
)
from avsearch.cli.output import list_failures, print_json, print_line, print_table, say, shown_progress, write_json
from avsearch.errors import UsageError

if TYPE_CHECKING:
    from avsearch.bench.figure import Figure
    from avsearch.bench.gpu_result import GpuBenchmark
    from avsearch.bench.index_result import IndexBenchmark
    from avsearch.bench.machine import Machine
    from avsearch.bench.train import TrainBenchmark

BUSY = 0.25  # of a core, before anything was measured

app = typer.Typer(
    help="Measure how fast avsearch is on this machine.\n\nExample: avsearch bench index ~/footage",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def bench() -> None:
    """Measure how fast avsearch is on this machine."""


Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="FILE",
        help="Weights file of the encoder; speed does not depend on what it has learnt.",
        show_default="random weights of --size",
    ),
]
Runs = Annotated[int, typer.Option("--runs", metavar="N", min=1, help="How often to measure; medians are printed.")]
Baseline = Annotated[
    bool,
    typer.Option("--baseline", help="After each run, let ffmpeg alone decode the same files one after another."),
]


@app.command()
def index(
    paths: PathsArgument,
    model: Model = None,
    size: SizeOrModel = None,
    runs: Runs = 3,
    baseline: Baseline = False,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    out: RecordFile = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what indexing costs: time, CPU and memory.

    Indexes the same files several times, each time with a command of its own and into a new library that is deleted
    afterwards. They are read once before, so that the disk does not count.

    Example: avsearch bench index ~/footage --size small --baseline
    """
    from avsearch.bench.index import IndexBenchmarkJob, bench_index

    if model is not None and size is not None:
        raise UsageError("Give either --model or --size, not both.")
    job = IndexBenchmarkJob(
        paths=paths,
        model=model,
        size=size or "small",
        num_runs=runs,
        num_workers=workers,
        device=device,
        baseline=baseline,
    )
    with shown_progress() as progress:
        result = bench_index(job, progress)
    if not _told(result.record(), out, as_json=as_json):
        _print(result)
    if result.runs[0].num_failed:
        raise typer.Exit(3)


Recipe = Annotated[str, typer.Option("--recipe", metavar="NAME", help=RECIPES)]
TimedSteps = Annotated[
    int,
    typer.Option(
        "--steps", metavar="N", min=1, help="Training steps timed in each run, with data loading and without."
    ),
]
Cache = Annotated[Path | None, cache_option("one that is deleted afterwards")]


@app.command()
def train(
    paths: VideosArgument,
    recipe: Recipe = "ave-nce",
    size: SizeOption = "small",
    steps: TimedSteps = 20,
    runs: Runs = 3,
    batch_size: BatchSizeOption = None,
    cache: Cache = None,
    device: DeviceOption = "auto",
    out: RecordFile = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what a training step takes, and how much is data.

    Steps that `avsearch train` would take alternate with steps whose batch is there already; what they differ by is
    the share of data loading. Decoding into the cache is not counted.

    Example: avsearch bench train ~/footage --cache cache
    """
    from avsearch.bench.train import TrainBenchmarkJob, bench_train
    from trainer.recipes import recipe as config_of

    job = TrainBenchmarkJob(
        paths=paths,
        config=config_of(recipe, size, batch_size=batch_size),
        num_runs=runs,
        steps=steps,
        cache=cache,
        device=device,
    )
    with shown_progress() as progress:
        result = bench_train(job, progress)
    if not _told(result.record(), out, as_json=as_json):
        _print_training(result)
    if result.failures:
        list_failures(result.failures)
        raise typer.Exit(3)


BatchSize = Annotated[
    int, typer.Option("--batch-size", metavar="N", min=2, help="Pairs a step; halved until the memory holds them.")
]
Steps = Annotated[int, typer.Option("--steps", metavar="N", min=1, help="Training steps that are timed.")]
CurveSteps = Annotated[
    int, typer.Option("--curve-steps", metavar="N", min=1, help="Training steps of each loss curve.")
]
CurveBatch = Annotated[
    int, typer.Option("--curve-batch", metavar="N", min=2, help="Pairs a step of the loss curves.")
]
Clips = Annotated[int, typer.Option("--clips", metavar="N", min=2, help="Made clips in the GPU's memory.")]
EncoderBatch = Annotated[
    int, typer.Option("--encoder-batch", metavar="N", min=1, help="Moments of each side that are encoded at once.")
]
Compiled = Annotated[bool, typer.Option(" /--no-compile", help="Leave torch.compile out.")]
SearchMoments = Annotated[
    int,
    typer.Option(
        "--search-moments",
        metavar="N",
        min=0,
        help="Moments that are searched, fewer where the memory does not hold them; 0 for none.",
    ),
]


@app.command()
def gpu(
    size: SizeOption = "paper",
    steps: Steps = 20,
    curve_steps: CurveSteps = 100,
    curve_batch: CurveBatch = 256,
    clips: Clips = 256,
    encoder_batch: EncoderBatch = 4096,
    compiled: Compiled = True,
    search_moments: SearchMoments = 100_000_000,
    batch_size: BatchSize = 2048,
    device: DeviceOption = "auto",
    out: RecordFile = None,
    as_json: JsonOption = False,
) -> None:
    """Measure training, encoding and search on a GPU.

    With synthetic clips and moments; search beside a plain read of memory, with recall against the CPU. Where
    nothing but torch and NumPy is installed, `python -m avsearch.bench.gpu` does all but avsearch's own search.

    Example: avsearch bench gpu --size paper --batch-size 2048
    """
    from avsearch.bench.gpu import bench_gpu
    from avsearch.bench.gpu_result import GpuBenchmarkJob

    job = GpuBenchmarkJob(
        size=size, batch_size=batch_size, steps=steps, curve_steps=curve_steps, curve_batch=curve_batch,
        num_clips=clips, encoder_batch=encoder_batch, device=device, compiled=compiled,
        search_rows=search_moments,
    )  # fmt: skip
    with shown_progress() as progress:
        result = bench_gpu(job, progress)
    if not _told(result.record(), out, as_json=as_json):
        _print_gpu(result)


def _told(record: dict[str, Any], out: Path | None, *, as_json: bool) -> bool:
    """Write and print a result as JSON, where that is wished; whether it was printed."""
    if out is not None:
        write_json(out, record)
    if as_json:
        print_json(record)
    return as_json


def _print_gpu(result: GpuBenchmark) -> None:
    print_line(f"{result.date}: {result.device}")
    print_line(result.versions)
    print_line("")
    columns = ["median", "", "lowest", "highest"]
    print_table(["", *columns], result.rows(), right=["median", "lowest", "highest"])
    for note in result.notes:
        say(note)


def _print(result: IndexBenchmark) -> None:
    settings, run = result.settings, result.runs[0]
    _print_machine(result.date, result.machine)
    print_line(f"{settings.architecture}, {settings.size}, weights: {settings.weights}; {len(result.runs)} runs")
    fixed = [
        ("files", run.num_files),
        ("failed", run.num_failed),
        ("hours of media", run.media_s / 3600),
        ("image moments", run.num_images),
        ("audio moments", run.num_sounds),
    ]
    _print_figures([[name, _number(value), "", ""] for name, value in fixed], result.figures, result.machine)


def _print_training(result: TrainBenchmark) -> None:
    _print_machine(result.date, result.machine)
    print_line(f"{result.recipe}, {result.size}; {len(result.runs)} runs")
    fixed = [["clips", str(result.num_clips), "", ""], ["pairs in a batch", str(result.rows), "", ""]]
    _print_figures(fixed, result.figures, result.machine)


def _print_machine(date: str, machine: Machine) -> None:
    print_line(f"{date}: {machine}")
    print_line(", ".join(f"{name} {number}" for name, number in machine.versions.items()))


def _print_figures(fixed: list[list[str]], figures: Sequence[Figure], machine: Machine) -> None:
    """What is the same in all runs, and what is not; a word where the machine was busy."""
    rows = fixed + [[it.name, *map(_number, (it.median, it.lowest, it.highest))] for it in figures]
    columns = ["median", "lowest", "highest"]
    print_line("")
    print_table(["", *columns], rows, right=columns)
    if machine.load > BUSY * machine.num_cores:
        say(f"The machine was busy before (load {machine.load:.1f}): only the ratios say something.")


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"


app.command()(search)
