"""Run one step in a process of its own, and keep what it left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, reduce
from importlib.util import find_spec
from pathlib import Path

from avsearch.bench.machine import this_machine
from benchmarks.step import Step

ROOT = Path(__file__).parents[1]
PATIENCE, LEAST_S = 6, 900  # a step that hangs is ended after so many times what it should take, and no sooner
SAMPLE_S = 2.0


@dataclass(frozen=True)
class Place:
    """Where a series of steps runs.

    Attributes:
        results: folder of the results, NAME.json.
        data: folder of clips with a manifest; None where there is none.
        is_quick: whether sizes are tiny, to prove that every step runs.
    """

    results: Path
    data: Path | None = None
    is_quick: bool = False

    def result(self, step: Step) -> Path:
        return self.results / f"{step.name}.json"

    def about(self, step: Step) -> Path:
        """When it was measured, how long it took, on which commit and machine."""
        return self.results / "about" / f"{step.name}.json"

    def log(self, step: Step) -> Path:
        return self.results / "logs" / f"{step.name}.log"

    def mine(self, step: Step) -> Path:
        return self.results / "work" / step.name

    def filled(self, step: Step, words: tuple[str, ...]) -> list[str]:
        """Words of a command with the folders in them."""
        meant = {
            "{data}": self.data,
            "{out}": self.partial(step),
            "{results}": self.results,
            "{work}": self.results / "work",
            "{mine}": self.mine(step),
        }
        return [reduce(lambda so_far, it: so_far.replace(it[0], str(it[1])), meant.items(), word) for word in words]

    def partial(self, step: Step) -> Path:
        """What a step writes to; it gets its name when all is there."""
        return self.results / f".{step.name}.json"


def why_not(step: Step, place: Place) -> str:
    """What a step lacks; empty if nothing."""
    if step.needs_data and place.data is None:
        return "needs clips: name a folder with --data"
    missing = [it for it in step.needs if find_spec(it) is None]
    return f"needs {', '.join(missing)}, which is not installed" if missing else ""


def forget(step: Step, place: Place) -> None:
    """Away with a result and all that was made for it."""
    for path in (place.result(step), place.about(step), place.log(step), place.partial(step)):
        path.unlink(missing_ok=True)
    shutil.rmtree(place.mine(step), ignore_errors=True)


def measure(step: Step, place: Place) -> str:
    """Run a step and keep its result; what went wrong, or nothing."""
    for folder in (place.mine(step), place.log(step).parent, place.about(step).parent):
        folder.mkdir(parents=True, exist_ok=True)
    place.partial(step).unlink(missing_ok=True)
    command = [sys.executable, *place.filled(step, step.command + (step.quick if place.is_quick else ()))]
    about = {
        "step": step.name,
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command[1:],
        "is_quick": place.is_quick,
        "commit": commit(),
        "busy_before": busy_share(SAMPLE_S if not place.is_quick else 0.1),
        "machine": asdict(this_machine()),
    }
    began = time.monotonic()
    wrong = _run(command, place.log(step), max(PATIENCE * step.seconds, LEAST_S))
    about["seconds"] = round(time.monotonic() - began, 1)
    return wrong or _kept(step, place, about)


def _run(command: list[str], log: Path, limit_s: float) -> str:
    """Let a command and all that it starts run to its end; what went wrong, or nothing."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return f"it was not done in {limit_s:.0f} s; see {log}"
        finally:
            _end(process)
    return f"exit code {status}; see {log}: {_last_line(log)}" if status else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it goes on beside the next step; Ctrl-C comes this way too."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kept(step: Step, place: Place, about: Mapping[str, object]) -> str:
    partial = place.partial(step)
    try:
        if step.left:
            shutil.copy(*place.filled(step, (step.left,)), partial)
        elif not any("{out}" in word for word in step.command):
            partial.write_text('{"figures": []}\n')  # what it made lies in its folder
        step.rows(json.loads(partial.read_bytes()))
    except (OSError, ValueError, LookupError, TypeError) as error:
        return f"it left no result ({type(error).__name__}: {error}); see {place.log(step)}"
    place.about(step).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    partial.rename(place.result(step))
    return ""


def _last_line(log: Path) -> str:
    lines = [it for it in log.read_text(errors="replace").splitlines() if it.strip()]
    return lines[-1].strip() if lines else "nothing was said"


def busy_share(seconds: float) -> float:
    """The part of all cores' time that somebody uses, watched for a while before a step begins."""
    before, after = _ticks(), (time.sleep(seconds), _ticks())[1]
    total = sum(after) - sum(before)
    idle = sum(after[3:5]) - sum(before[3:5])
    return round(1 - idle / total, 3) if total else 0.0


def _ticks() -> list[int]:
    return [int(it) for it in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]


@cache
def commit() -> str:
    """What the sources are, and whether they differ from it."""
    found = _git("describe", "--always", "--dirty", "--exclude", "*")
    return found or "no git checkout"


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
