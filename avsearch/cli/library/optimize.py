"""`avsearch library optimize`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.options import (
    JsonOption,
    LibraryOption,
    RecallOption,
    SearchDeviceOption,
    SeedOption,
    library_directory,
)
from avsearch.cli.output import length_of, print_json, print_table, say, shown_progress, size_of
from avsearch.errors import UsageError

if TYPE_CHECKING:
    from avsearch.library.optimize import Optimized
    from avsearch.moments import Modality
    from avsearch.vectors.ann.record import AnnRecord

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kMGT]?i?B?)")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"ki": 1 << 10, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}

Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="BYTES",
        help="What an index may take of memory, as 4GB; a larger one is read from the disk.",
        show_default="half of the machine's",
    ),
]


def optimize(
    recall: RecallOption = 0.95,
    memory: Memory = None,
    library: LibraryOption = None,
    seed: SeedOption = 0,
    device: SearchDeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make searching a large library fast, by an index.

    Kinds of index are built, and tuned with moments of the library that ask in all four directions, until one finds
    as much as --recall wants and is faster than comparing with every moment. Queries use it from then on; moments
    indexed later are compared one by one until the next time. The folder `ann` may be deleted at any time.

    Example: avsearch library optimize --recall 0.98 --memory 4GB
    """
    from avsearch.library import open_library
    from avsearch.library.optimize import optimize as optimize_library
    from avsearch.vectors.ann.choosing import Wanted
    from avsearch.vectors.gpu.cards import cards

    opened = open_library(library_directory(library))
    wanted = Wanted(recall, memory_bytes(memory), cards(device))
    with shown_progress() as progress:
        done = optimize_library(opened, wanted, progress=progress, seed=seed)
    for modality, it in done.items():
        if as_json:
            index = None if it.record is None else index_record(it.record)
            print_json(
                {"library": str(opened.directory), "modality": modality, "index": index, "tried": list(it.tried)}
            )
        _say(modality, it)
    if not as_json and any(it.record for it in done.values()):
        _print(done)


def memory_bytes(text: str | None) -> int:
    """`4GB`, `512MiB` or a plain number of bytes; half of the machine's memory for None.

    Raises:
        UsageError: it is no size.
    """
    if text is None:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    found = _SIZE.fullmatch(text.strip())
    factor = None if found is None else _UNITS.get(found["unit"].removesuffix("B"))
    if found is None or factor is None or float(found["number"]) * factor < 1:
        raise UsageError(f"{text}: is no size.", hint="Write 4GB, 512MiB or a number of bytes.")
    return int(float(found["number"]) * factor)


def index_record(record: AnnRecord) -> dict[str, Any]:
    """An index as JSON."""
    measured = record.measured
    return {
        "kind": record.kind_name,
        "moments": record.num_rows,
        "bytes": record.num_bytes,
        "effort": record.tuning.effort,
        "overfetch": record.tuning.overfetch,
        "target_recall": measured.target,
        "recall": {direction: round(value, 4) for direction, value in measured.recall.items()},
        "exact_ms": round(1e3 * measured.exact_s, 3),
        "index_ms": round(1e3 * measured.approximate_s, 3),
        "build_s": round(measured.build_s, 2),
    }


def _say(modality: Modality, done: Optimized) -> None:
    for line in done.tried:
        say(f"{modality}: {line}.")
    if done.record is not None:
        measured = done.record.measured
        say(f"{modality}: {done.record.kind_name} is used from now on, built in {length_of(measured.build_s)}.")


def _print(done: Mapping[Modality, Optimized]) -> None:
    """A line for each direction that has an index."""
    rows = []
    for it in done.values():
        if it.record is not None:
            measured = it.record.measured
            speed = [f"{1e3 * measured.exact_s:.2f}", f"{1e3 * measured.approximate_s:.2f}"]
            size = size_of(it.record.num_bytes)
            kind = it.record.kind_name
            rows += [
                [direction, kind, f"{value:.3f}", size, *speed] for direction, value in measured.recall.items()
            ]
    columns = ["direction", "index", "recall@30", "size", "exact, ms", "index, ms"]
    print_table(columns, rows, right=columns[2:])
