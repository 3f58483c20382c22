"""How soon a library of a million moments answers a first query: `opening.py [--moments N] [--dir DIR]`.

`avsearch query --like ID`, whole commands, in turns with `python -c "import torch, faiss, sqlalchemy"`; then once
more after the system has been asked to forget the library's files, as far as it does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from avsearch.bench.figure import figure
from avsearch.library import Library
from avsearch.moments import Modality, Moment
from benchmarks.million import library_of
from benchmarks.result import add_out, print_figures, seconds_of, write_result

IMPORTS = [sys.executable, "-c", "import torch, faiss, sqlalchemy"]


def main() -> None:
    """Make what is missing, ask, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=None, help="where the library lies, if it is to stay")
    add_out(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = library_of(given.dir or Path(folder), given.moments)
        asked = question(library)
        run(asked)  # files in the memory of the system
        taken = {"imports": [], "query": [], "cold": []}
        for _ in range(given.runs):
            taken["imports"].append(seconds_of(lambda: run(IMPORTS)))
            taken["query"].append(seconds_of(lambda: run(asked)))
        for _ in range(given.runs):
            forget(library.directory)
            taken["cold"].append(seconds_of(lambda: run(asked)))
    beyond = [whole - part for whole, part in zip(taken["query"], taken["imports"], strict=True)]
    told = f"first query of {given.moments:,} moments"
    figures = [
        figure(f"{told}, whole command, s", "query_s", taken["query"]),
        figure(f"{told}, beyond imports, s", "beyond_s", beyond),
        figure(f"{told}, whole command, its files not in memory, s", "cold_s", taken["cold"]),
    ]
    print_figures(figures)
    write_result(given.out, "opening", figures, {"moments": given.moments, "runs": taken})


def question(library: Library) -> list[str]:
    """Ask with the first stored moment."""
    first = Moment(min(library.catalog.live_media_ids()), Modality.AUDIO, 0)
    asked = ["query", "--like", first.id, "--find", "audio", "--library", str(library.directory)]
    return [sys.executable, "-m", "avsearch", *asked]


def run(command: list[str]) -> None:
    """A command that has to do its work."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def forget(folder: Path) -> None:
    """Have the system drop the files below a folder from its memory."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
