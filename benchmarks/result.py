"""What a script of this folder has measured, as a file in the form that `avsearch bench --out` writes."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from avsearch.bench.figure import Figure
from avsearch.bench.machine import this_machine

SCHEMA_VERSION = 1


def add_out(parser: ArgumentParser) -> None:
    """The option that every script has."""
    parser.add_argument("--out", type=Path, default=None, metavar="JSON", help="write the figures to a file too")


def print_figures(figures: Sequence[Figure]) -> None:
    """A line each: the median, and between what it lies."""
    for it in figures:
        sys.stdout.write(f"{it.name}: {it.median:.4g} ({it.lowest:.4g} to {it.highest:.4g})\n")


def write_result(out: Path | None, benchmark: str, figures: Sequence[Figure], raw: Mapping[str, Any]) -> None:
    """Write figures, each named "what, unit", and beside them what they were made of; nothing without a file."""
    if out is None:
        return
    machine = this_machine()
    record = {
        "schema_version": SCHEMA_VERSION,
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(machine),
        "measured_on": str(machine),
        "figures": [it.record() for it in figures],
        **raw,
    }
    out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def seconds_of(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
