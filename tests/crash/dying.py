"""Commands that die at each of their steps, each time in another copy of one library."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.crash.running import KILLED, Nursery

MANY = 10_000


def killed_copies(
    nursery: Nursery, words: Sequence[object], template: Path | None, out: Path, *, code: int = 0
) -> Iterator[Path]:
    """The library as each kill left it; `--library` is added to the command.

    The last run, which no step is left for, must end with `code`, and there must have been a few steps before.

    Args:
        nursery: runs the commands.
        words: the command.
        template: the library that each copy is made from; None if the command makes one itself.
        out: the folder for the copies, each of which is deleted once the next one is asked for.
        code: the exit code of a run that is not killed.
    """
    for step in range(MANY):
        copy = out / f"step-{step}"
        if template is not None:
            shutil.copytree(template, copy)
        ended, printed = nursery.run(*words, "--library", copy, die_at=step, commit_every_s=0)
        if ended != KILLED:
            assert ended == code, printed
            assert step > 1, f"it has no steps to die at: {printed}"
            return
        yield copy
        shutil.rmtree(copy, ignore_errors=True)
