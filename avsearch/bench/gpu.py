"""What a GPU gives: training, encoding and search of what it makes itself. Needs torch and NumPy alone.

`avsearch bench gpu` prints its table; so does `python -m avsearch.bench.gpu` where nothing else is installed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from avsearch.bench.gpu_result import GpuBenchmark, GpuBenchmarkJob, GpuFigure, rate
from avsearch.bench.gpu_search import search_figures
from avsearch.bench.gpu_training import TrainingBenchmark
from avsearch.bench.made_clips import made_clips
from avsearch.device import choose_device, fast_bfloat16
from avsearch.encoder import Encoder, encoder_of
from avsearch.errors import AvsearchError, UsageError
from avsearch.front_end import MOMENT_SAMPLES
from avsearch.models.ave import AVENet
from avsearch.models.header import WeightsHeader
from avsearch.moments import Modality, Progress, Silent
from trainer.recipes import recipe
from trainer.resident import ResidentClips

_ENCODING_ROUNDS = 3
_DOES = "Train, encode and search on a GPU."
_OPTIONS = {"num_clips": "--clips", "search_rows": "--search-moments"}  # as `avsearch bench gpu` has them


def bench_gpu(job: GpuBenchmarkJob, progress: Progress) -> GpuBenchmark:
    """Train and encode on synthetic clips, and search among synthetic moments.

    Raises:
        UsageError: there is no such size or device, or no GPU, and none other was named.
        TrainingError: the memory holds no batch at all.
    """
    device = _chosen(job.device)
    made = made_clips(job.num_clips, recipe("ave", job.size).front_end)
    progress.stage("measure", 6, "part")
    clips = ResidentClips.of(made, np.arange(job.num_clips), device)
    figures = [GpuFigure("clips in memory", (clips.pixels.nbytes + clips.samples.nbytes) / 1e9, "GB")]
    progress.advance()
    training = TrainingBenchmark(job, clips, device)
    for part in (training.speed, training.compiled_speed, training.loss_curves, lambda: _encoding(job, device)):
        figures += part()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        progress.advance()
    del clips, training
    found, notes = search_figures(job, device) if job.search_rows else ([], [])
    figures += found
    progress.advance()
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return GpuBenchmark(date, _name(device), _versions(), job, tuple(figures), tuple(notes))


def _chosen(name: str) -> torch.device:
    """The device; the processor only where it is named, since all this takes it hours."""
    device = choose_device(name)
    if name == "auto" and device.type != "cuda":
        raise UsageError(
            "There is no GPU here that torch can use, so there is nothing to measure.",
            hint="Run `avsearch doctor`, or name --device cpu and small numbers to try it.",
        )
    return device


def _encoding(job: GpuBenchmarkJob, device: torch.device) -> list[GpuFigure]:
    """Arrays of the processor in, vectors on the processor out."""
    encoder = _encoder(job.size, device)
    rng = np.random.default_rng(0)
    side = encoder.front_end.image_side
    frames = rng.integers(0, 256, (job.encoder_batch, side, side, 3), dtype=np.uint8)
    sounds = rng.normal(0, 0.1, (job.encoder_batch, MOMENT_SAMPLES)).astype(np.float32)
    images_s, sounds_s = _times_s(encoder.encode_images, frames), _times_s(encoder.encode_sounds, sounds)
    return [
        rate("encoding pictures", len(frames), images_s, "moments/s"),
        rate("encoding sounds", len(sounds), sounds_s, "moments/s"),
    ]


def _encoder(size: str, device: torch.device) -> Encoder:
    """AVE-Net with random weights."""
    config = recipe("ave", size)
    torch.manual_seed(0)
    network = AVENet(config.widths).eval()
    header = WeightsHeader(
        architecture=config.architecture,
        widths=config.widths,
        size=size,
        dim=network.dim,
        modalities=tuple(Modality),
        num_frames=1,
        front_end=config.front_end,
        recipe={"name": "random"},
    )
    return encoder_of(network, header, device)


def _times_s(encode: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> list[float]:
    """Seconds of each of several rounds, after one that is not counted."""
    times_s = []
    for _ in range(1 + _ENCODING_ROUNDS):
        began = time.perf_counter()
        encode(inputs)
        times_s.append(time.perf_counter() - began)
    return times_s[1:]


def _name(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return f"{name} ({device}, {'bfloat16' if fast_bfloat16(device) else 'no fast bfloat16'})"


def _versions() -> str:
    return f"Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}"


def main() -> None:
    """Measure and print, where there is no more than torch and NumPy."""
    parser = argparse.ArgumentParser(prog="python -m avsearch.bench.gpu", description=_DOES)
    for field in fields(GpuBenchmarkJob):
        if field.name != "compiled":
            option = _OPTIONS.get(field.name, f"--{field.name.replace('_', '-')}")
            parser.add_argument(option, dest=field.name, type=type(field.default), default=field.default)
    parser.add_argument("--no-compile", dest="compiled", action="store_false")
    parser.add_argument("--out", type=Path, help="write the figures as JSON to this file too")
    given = vars(parser.parse_args())
    out = given.pop("out")
    try:
        result = bench_gpu(GpuBenchmarkJob(**given), Silent())
    except AvsearchError as error:
        sys.exit(f"error: {error}")
    lines = [
        f"{result.date}: {result.device}",
        result.versions,
        *("  ".join(row).rstrip() for row in result.rows()),
        *result.notes,
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    if out is not None:
        out.write_text(json.dumps(result.record(), indent=2) + "\n")


if __name__ == "__main__":
    main()
