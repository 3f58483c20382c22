"""The table of all figures, and where it stands in a document."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.running import Place
from benchmarks.step import Row, Step

TITLE = "## All figures, by make bench"
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"
COLUMNS = ("figure", "unit", "value", "target", "step")
BUSY = 0.1  # of all cores, by something else before a step began


@dataclass(frozen=True)
class Result:
    """A step that is done."""

    step: Step
    record: dict[str, Any]
    about: dict[str, Any]


def results_of(steps: Iterable[Step], place: Place) -> list[Result]:
    """The results that are there, in the order of the steps."""
    return [
        Result(step, json.loads(place.result(step).read_bytes()), json.loads(place.about(step).read_bytes()))
        for step in steps
        if place.result(step).exists()
    ]


def table(results: Sequence[Result]) -> str:
    """What was measured when and on what, and a row for each figure, as Markdown."""
    lines = [*_head(results), "", f"| {' | '.join(COLUMNS)} |", "|---|---|---:|---|---|"]
    for result in results:
        lines += [_line(row, result.step.name) for row in result.step.rows(result.record)]
    return "\n".join(lines) + "\n"


def _line(row: Row, step: str) -> str:
    value = number(row.median)
    if row.lowest != row.highest:
        value += f" ({number(row.lowest)} to {number(row.highest)})"
    target = row.target.told(row.median) if row.target else ""
    return f"| {' | '.join((row.figure, row.unit, value, target, f'`{step}`'))} |"


def _head(results: Sequence[Result]) -> Iterator[str]:
    if not results:
        yield "Nothing has been measured."
        return
    if any(it.about["is_quick"] for it in results):
        yield "**Tiny sizes (`--quick`): these figures prove that every step runs, and nothing else.**"
        yield ""
    days = sorted({it.about["began"][:10] for it in results})
    commits = dict.fromkeys(it.about["commit"] for it in results)
    yield f"{' to '.join(dict.fromkeys((days[0], days[-1])))}; commit {', '.join(commits)}."
    yield from dict.fromkeys(machine_sentence(it.about["machine"]) for it in results)
    yield "Medians, and the lowest and highest of several runs; a figure without them was taken once."
    busiest = max(results, key=lambda it: it.about["busy_before"])
    share = busiest.about["busy_before"]
    word = "**The machine was busy**" if share > BUSY else "Nothing ran beside"
    yield f"{word}: {share:.0%} of its cores at most before a step (`{busiest.step.name}`) began."


def machine_sentence(machine: dict[str, Any]) -> str:
    """The processor, its cores, the memory, the system and the versions."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    memory = f"{machine['memory_bytes'] / 1e9:.0f} GB"
    return f"{machine['num_cores']} x {machine['cpu']}, {memory}{gpu}; {machine['system']}; {versions}."


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def pasted(document: str, made: str) -> str:
    """A document with the table between its markers; where it has none, in a section before the first one."""
    section = f"{BEGIN}\n{made}{END}"
    if BEGIN in document and END in document:
        before, _, rest = document.partition(BEGIN)
        return before + section + rest.partition(END)[2]
    head, found, rest = document.partition("\n## ")
    return f"{head.rstrip()}\n\n{TITLE}\n\n{section}\n{found}{rest}"


def write_into(path: Path, made: str) -> None:
    """Paste the table into a document."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(pasted(path.read_text(encoding="utf-8"), made), encoding="utf-8")
    os.replace(aside, path)  # noqa: PTH105  (keeps nothing of the old one)
