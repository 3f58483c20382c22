"""One step of `benchmarks.all`: a command that measures, and the rows of the table that its result becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """What a figure should be: `limit` at most, or at least."""

    limit: float
    is_most: bool = True

    def told(self, value: float) -> str:
        """The target, and whether a figure keeps it."""
        is_met = value <= self.limit if self.is_most else value >= self.limit
        return f"{'at most' if self.is_most else 'at least'} {self.limit:g}: {'met' if is_met else 'missed'}"


@dataclass(frozen=True)
class Row:
    """A figure of the table: the median over several runs, and between what it lay."""

    figure: str
    unit: str
    median: float
    lowest: float
    highest: float
    target: Target | None = None


def figures_of(record: Record) -> Iterable[Row]:
    """Every figure of a file that `avsearch bench --out` or a script of this folder wrote."""
    for it in record["figures"]:
        name, unit = _parted(it["name"])
        median = it["median"]
        yield Row(name, it.get("unit", unit), median, it.get("lowest", median), it.get("highest", median))


@dataclass(frozen=True)
class Step:
    """A command, run alone, that leaves a result.

    Words of a command may hold `{data}`, the folder of clips; `{out}`, the file that the result is to be written
    to; `{results}`, the folder of those files; `{work}`, a folder with one for each step; and `{mine}`, this one's.

    Attributes:
        name: also of its result, NAME.json.
        command: arguments of Python.
        seconds: that it takes on two idle cores, about.
        quick: options that follow the command where it only has to prove that it runs; later ones win.
        after: steps that have to be there before.
        needs: modules that have to be installed.
        is_long: whether it is run with --long only.
        told: what precedes the names of its figures.
        targets: of its figures, by their names as the result has them, without the unit.
        left: the file that holds the result, where the command has no option to name one.
        read: the rows of a result.
    """

    name: str
    command: tuple[str, ...]
    seconds: int
    quick: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    is_long: bool = False
    told: str = ""
    targets: Mapping[str, Target] = field(default_factory=dict)
    left: str = ""
    read: Callable[[Record], Iterable[Row]] = figures_of

    @property
    def needs_data(self) -> bool:
        """Whether it measures something on clips that are given."""
        return any("{data}" in word for word in self.command)

    def rows(self, record: Record) -> list[Row]:
        """Its part of the table."""
        found = []
        for it in self.read(record):
            name = f"{self.told}: {it.figure}" if self.told else it.figure
            found.append(Row(name, it.unit, it.median, it.lowest, it.highest, self.targets.get(it.figure)))
        return found


def _parted(name: str) -> tuple[str, str]:
    """`wall, s` -> `wall` and its unit; what has a comma and no unit behind it stays whole."""
    what, comma, unit = name.rpartition(", ")
    return (what, unit) if comma and unit in _UNITS else (name, "")


_UNITS = ("s", "ms", "%", "MB", "MB (sum of RSS)")
