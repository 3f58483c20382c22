"""How commands talk: people's text and progress to stderr, results to stdout, JSON one object a line."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Table

from avsearch.moments import Failed, Progress

PLAIN_EVERY_S = 10.0
_FAILURES_SHOWN = 20


def say(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    print(json.dumps(record, ensure_ascii=False), flush=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A table on stdout; the columns named in `right` hold numbers. Paths are never cut where output is piped."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    width = None if sys.stdout.isatty() else 10_000
    Console(width=width, highlight=False, markup=False).print(table)


def list_failures(failures: Sequence[Failed]) -> None:
    """Each file that could not be used, with its reason; many of them are counted by reason as well."""
    for failure in failures[:_FAILURES_SHOWN]:
        say(_plain(f"  {failure.path}: {failure.reason}"))
    if len(failures) > _FAILURES_SHOWN:
        say(f"  and {len(failures) - _FAILURES_SHOWN} more; by reason:")
        for reason, count in Counter(failure.reason for failure in failures).most_common():
            say(f"  {count} x {reason}")


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as rich:
        yield _Bars(rich)


class _Bars:
    def __init__(self, rich: RichProgress) -> None:
        self._rich = rich
        self._task: TaskID | None = None

    def stage(self, name: str, total: int | None, unit: str) -> None:
        self._task = self._rich.add_task(name, total=total, unit=unit, note="")

    def advance(self, amount: int = 1, note: str = "") -> None:
        if self._task is not None:
            self._rich.update(self._task, advance=amount, note=note)


class _Lines:
    def __init__(self) -> None:
        self._name, self._unit = "", ""
        self._total: int | None = None
        self._done, self._told = 0, 0.0

    def stage(self, name: str, total: int | None, unit: str) -> None:
        self._name, self._unit, self._total, self._done = name, unit, total, 0
        self._told = time.monotonic()
        say(f"{name}: {total if total is not None else 'all'} {unit}{'' if total == 1 else 's'}")

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        if time.monotonic() - self._told > PLAIN_EVERY_S:
            self._told = time.monotonic()
            of = f" of {self._total}" if self._total is not None else ""
            say(f"{self._name}: {self._done}{of} {self._unit}s{', ' + note if note else ''}")


def _plain(cell: str) -> str:
    """Names are shown, not obeyed: no control characters, no broken encodings."""
    text = cell.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
