"""Measure everything that docs/benchmarks.md reports, one step after the other: `make bench`.

    python -m benchmarks.all [--dir bench] [--data CLIPS] [--long] [--write docs/benchmarks.md]

Each step runs alone, in processes of its own; its result stays in the folder as NAME.json, with its log and what
was made for it, and is not measured again until it is asked for with --again NAME. A step that fails is told, the
others go on, and the exit code is 1. CLIPS is a folder with manifest.csv (path, split, class, photo, recordings).
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.running import Place, forget, measure, why_not
from benchmarks.sample import sample_of
from benchmarks.step import Step
from benchmarks.steps import STEPS
from benchmarks.table import results_of, table, write_into

TABLE = "table.md"


def main(arguments: Sequence[str] | None = None, steps: Sequence[Step] = STEPS) -> int:
    """Measure what is not there yet, then print and write the table."""
    parser = _parser([it.name for it in steps])
    given = parser.parse_args(arguments)
    if given.quick and given.write:
        parser.error("--quick proves that every step runs; its figures do not belong into a document.")
    if given.data is not None and not (given.data / "manifest.csv").exists():
        parser.error(f"{given.data}: holds no manifest.csv.")
    wanted = [it for it in steps if _is_wanted(it, given)]
    place = _place(given)
    if given.list:
        _print_list(wanted, place)
        return 0
    failed = [] if given.table else _measure_all(wanted, place, again=given.again)
    made = table(results_of(steps, place))
    place.results.mkdir(parents=True, exist_ok=True)
    (place.results / TABLE).write_text(made, encoding="utf-8")
    _say(made)
    if given.write:
        write_into(given.write, made)
    if failed:
        _say(f"Failed: {', '.join(failed)}. The same command tries them again.")
    return 1 if failed else 0


def _parser(names: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, default=Path("bench"), help="of the results (default: bench)")
    parser.add_argument("--data", type=Path, metavar="CLIPS", help="steps that need clips are left out without")
    parser.add_argument("--long", action="store_true", help="the steps that take an hour, too")
    parser.add_argument("--only", nargs="+", choices=names, default=[], metavar="STEP", help="these steps alone")
    parser.add_argument(
        "--again", nargs="+", choices=[*names, "all"], default=[], metavar="STEP", help="though they are done"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that every step runs (DIR/quick)")
    parser.add_argument("--list", action="store_true", help="only say which steps there are")
    parser.add_argument("--table", action="store_true", help="only make the table of what is done")
    parser.add_argument("--write", type=Path, metavar="FILE", help="paste the table into this document")
    return parser


def _is_wanted(step: Step, given: argparse.Namespace) -> bool:
    return step.name in given.only if given.only else given.long or not step.is_long


def _place(given: argparse.Namespace) -> Place:
    data = None if given.data is None else given.data.absolute()
    results = given.dir.absolute()
    if not given.quick:
        return Place(results, data)
    results /= "quick"
    few = None if data is None else sample_of(data, results / "work" / "clips")
    return Place(results, few, is_quick=True)


def _print_list(steps: Sequence[Step], place: Place) -> None:
    for step in steps:
        state = "done" if place.result(step).exists() else why_not(step, place) or "to do"
        _say(f"{step.name:20} {step.seconds / 60:5.1f} min  {state}")
    _say(f"{'':20} {sum(it.seconds for it in steps) / 60:5.1f} min on two idle cores, all together")


def _measure_all(steps: Iterable[Step], place: Place, *, again: Sequence[str]) -> list[str]:
    """The names of those that failed, or could not be begun because another one had."""
    steps, failed = list(steps), []
    for step in steps:
        if step.name in again or "all" in again:
            forget(step, place)
    for step in steps:
        missing = [it for it in step.after if not (place.results / f"{it}.json").exists()]
        if place.result(step).exists():
            _say(f"{step.name}: done before")
        elif reason := why_not(step, place):
            _say(f"{step.name}: left out, {reason}")
        elif missing:
            _say(f"{step.name}: left out, comes after {', '.join(missing)}")
            failed += [step.name] if set(missing) & set(failed) else []
        else:
            _say(f"{step.name}: about {max(step.seconds / 60, 0.1):.1f} min")
            if wrong := measure(step, place):
                _say(f"{step.name}: failed, {wrong}")
                failed.append(step.name)
    return failed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended too
    sys.exit(main())
