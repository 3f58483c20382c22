"""The figures of `avsearch bench gpu`, and what is asked of it. Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class GpuBenchmarkJob:
    """What to measure.

    Attributes:
        size: `small` or `paper`.
        batch_size: pairs a training step; halved until the memory holds them.
        steps: of training that are timed.
        curve_steps: that each of the three loss curves has.
        curve_batch: pairs a step of those.
        num_clips: in the device's memory.
        encoder_batch: moments that are encoded at once.
        device: as `--device`.
        compiled: whether training compiled by `torch.compile` is measured too.
        search_rows: moments that are searched; fewer where the memory does not hold them, 0 for no search.
        search_dim: numbers of a moment that is searched.
    """

    size: str = "paper"
    batch_size: int = 2048
    steps: int = 20
    curve_steps: int = 100
    curve_batch: int = 256
    num_clips: int = 256
    encoder_batch: int = 4096
    device: str = "auto"
    compiled: bool = True
    search_rows: int = 100_000_000
    search_dim: int = 128


@dataclass(frozen=True)
class GpuFigure:
    """One figure: what, how much, and of which unit; `lowest` and `highest` of several where it is a median."""

    name: str
    value: float
    unit: str = ""
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True)
class GpuBenchmark:
    """All figures, what they were measured on, and a sentence for each thing that could not be measured."""

    date: str
    device: str
    versions: str
    job: GpuBenchmarkJob
    figures: Sequence[GpuFigure]
    notes: Sequence[str] = ()

    def record(self) -> dict[str, Any]:
        """As JSON."""
        figures = [{**asdict(it), "median": it.value} for it in self.figures]
        return {"benchmark": "gpu", "measured_on": self.device, **asdict(self), "figures": figures}

    def rows(self) -> list[list[str]]:
        """Name, figure, unit, lowest, highest."""
        return [
            [it.name, _number(it.value), it.unit, _number(it.lowest), _number(it.highest)] for it in self.figures
        ]


def rate(name: str, count: int, times_s: Sequence[float], unit: str) -> GpuFigure:
    """So many things in each of several times -> how many a second: the median, the slowest and the fastest."""
    return GpuFigure(name, count / median(times_s), unit, count / max(times_s), count / min(times_s))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
