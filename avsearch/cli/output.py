"""How commands talk: people's text and progress to stderr, results to stdout, JSON one object a line."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from avsearch.errors import AvsearchError, unwritable
from avsearch.moments import Failed, Progress
from avsearch.remote import address

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PLAIN_EVERY_S = 10.0
FAILURES_SHOWN = 20


def say(*lines: str) -> None:
    """Lines for people, on stderr; what stands in one argument stays on one line."""
    for line in lines:
        print(shown(line), file=sys.stderr, flush=True)


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object on one line of stdout; whatever a terminal could obey, or not show, is escaped."""
    text = json.dumps(record, ensure_ascii=False)
    print("".join(it if it.isprintable() else json.dumps(it)[1:-1] for it in text), flush=True)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """The same as a file, for people to read too.

    Raises:
        AvsearchError: it cannot be written.
    """
    try:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(AvsearchError, path, error.strerror) from error


def print_line(text: str) -> None:
    """A result on a line of its own, on stdout."""
    print(shown(text), flush=True)


def print_path(path: Path) -> None:
    """A path as a result: byte by byte where a program reads it, fit to be seen on a terminal."""
    if sys.stdout.isatty():
        print_line(str(path))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")
        sys.stdout.buffer.flush()


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), to: TextIO | None = None
) -> None:
    """A table on stdout, or on another stream; the columns named in `right` hold numbers.

    Paths are never cut where the output is piped.
    """
    from rich.console import Console  # here and below: not every command draws
    from rich.table import Table

    stream = to or sys.stdout
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(shown(cell) for cell in row))
    width = None if stream.isatty() else 10_000
    Console(file=stream, width=width, highlight=False, markup=False).print(table)


def list_failures(failures: Sequence[Failed]) -> None:
    """The first files that could not be used, each with its reason; then how often each reason occurs."""
    if not failures:
        return
    list_reasons(failures)
    by_reason: dict[str, list[Failed]] = {}
    for failure in failures:
        by_reason.setdefault(failure.reason, []).append(failure)
    counted = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    rows = [[str(len(files)), reason, address(files[0].path)] for reason, files in counted]
    say("", "Failures by reason:")
    print_table(["files", "reason", "one of them"], rows, right=["files"], to=sys.stderr)


def failure_record(failure: Failed) -> dict[str, str]:
    """A file and its reason as a JSON object."""
    return {"path": address(failure.path), "reason": failure.reason}


def list_reasons(failures: Sequence[Failed]) -> None:
    """The first files of some, each with its reason, and how many more there are."""
    for failure in failures[:FAILURES_SHOWN]:
        say(f"  {address(failure.path)}: {failure.reason}")
    if len(failures) > FAILURES_SHOWN:
        say(f"  and {len(failures) - FAILURES_SHOWN} more.")


def shell_line(words: Sequence[str]) -> str:
    """A command that can be pasted into a shell, whatever its words hold."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped_word(word) for word in words)


def shown(text: str) -> str:
    """Names are shown, not obeyed: no control characters, no broken encodings."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def length_of(seconds: float) -> str:
    """A duration as people read it: `12 s`, `3.4 min`, `5.67 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"


def size_of(num_bytes: int) -> str:
    """A number of bytes as people read it: `12 bytes`, `3.4 MB`."""
    size = float(num_bytes)
    if size < 1000:
        return f"{num_bytes} bytes"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

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

    def say(self, sentence: str) -> None:
        self._rich.console.print(shown(sentence), markup=False, highlight=False, soft_wrap=True)


class _Lines:
    def __init__(self) -> None:
        self._name, self._unit = "", ""
        self._total: int | None = None
        self._done, self._told = 0, 0.0

    def stage(self, name: str, total: int | None, unit: str) -> None:
        self._name, self._unit, self._total, self._done = name, unit, total, 0
        self._told = time.monotonic()
        say(f"{name}: {counted(total, unit) if total is not None else f'all {unit}s'}")

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        if time.monotonic() - self._told > PLAIN_EVERY_S:
            self._told = time.monotonic()
            of = f" of {self._total}" if self._total is not None else ""
            say(f"{self._name}: {self._done}{of} {self._unit}s{', ' + note if note else ''}")

    def say(self, sentence: str) -> None:
        say(sentence)


def _escaped_word(word: str) -> str:
    """As $'...' of bash, zsh and ksh: every byte that is no plain letter as an octal number."""
    letters = (chr(it) if 32 <= it < 127 and it not in b"'\\" else f"\\{it:03o}" for it in os.fsencode(word))
    return f"$'{''.join(letters)}'"
