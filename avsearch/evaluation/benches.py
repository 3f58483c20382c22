"""Results of `avsearch bench`, read from the files that its --out writes, to stand in a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsearch.errors import AvsearchError, UsageError


@dataclass(frozen=True)
class BenchFigure:
    """One quantity: the median of several runs and between what it lay; None where it was measured once."""

    name: str
    median: float
    lowest: float | None
    highest: float | None


@dataclass(frozen=True)
class Bench:
    """What one call of `avsearch bench` measured: `index`, `train` or `gpu`, when, and on which machine."""

    benchmark: str
    date: str
    machine: str
    figures: tuple[BenchFigure, ...]


def read_bench(path: Path) -> Bench:
    """Read one result.

    Raises:
        UsageError: the file cannot be read, or was not written by `avsearch bench`.
    """
    try:
        record = json.loads(path.read_bytes())
        return Bench(
            benchmark=str(record["benchmark"]),
            date=str(record["date"]),
            machine=str(record["measured_on"]),
            figures=tuple(_figure(it) for it in record["figures"]),
        )
    except FileNotFoundError as error:
        raise AvsearchError(f"{path}: there is no such file.", hint="Check the path.") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"{path}: is no result of `avsearch bench` ({error}).", hint="Give a file that its --out wrote."
        ) from error


def _figure(record: Mapping[str, Any]) -> BenchFigure:
    low, high = (record.get(key) for key in ("lowest", "highest"))
    return BenchFigure(
        name=", ".join(part for part in (str(record["name"]), str(record.get("unit", ""))) if part),
        median=float(record["median"]),
        lowest=None if low is None else float(low),
        highest=None if high is None else float(high),
    )
