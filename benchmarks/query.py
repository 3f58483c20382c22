"""What a query takes as people run it: `query.py DATA --dir DIR [--clips N]`.

DATA is a folder of clips; they are indexed with random weights of size small into DIR, once. Whole commands, each
process new, in turns: a still, a film of the library, the same film cut anew, which the library does not hold; then
the same while `avsearch serve` has the library open, and how soon such a server answers.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from avsearch.bench.figure import Figure, figure
from avsearch.bench.weights import save_random_weights
from avsearch.media import media_files
from benchmarks.client import server
from benchmarks.result import add_out, print_figures, seconds_of, write_result

AVSEARCH = [sys.executable, "-m", "avsearch"]
IMPORTS, HELP = "imports", "help"
ASKED = {"still": "a still", "film": "a film of the library", "other": "another film"}


def main() -> None:
    """Make what is missing, ask, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=10_000, metavar="N", help="index so many at most")
    parser.add_argument("--runs", type=int, default=5)
    add_out(parser)
    given = parser.parse_args()
    given.dir.mkdir(parents=True, exist_ok=True)
    library, asked = given.dir / "library", made(given.data, given.dir, given.clips)
    options = ["--find", "audio", "--by", "image", "--library", str(library)]
    commands = {name: [*AVSEARCH, "query", path, *options] for name, path in asked.items()}
    beside = {IMPORTS: [sys.executable, "-c", "import torch, faiss, sqlalchemy"], HELP: [*AVSEARCH, "--help"]}
    cold = in_turns({**beside, **commands}, given.runs)
    ready = [seconds_to_start(library) for _ in range(given.runs)]
    with server(library):
        warm = in_turns(commands, given.runs)
    figures = list(_figures(cold, warm, ready))
    print_figures(figures)
    write_result(given.out, "query", figures, {"cold": cold, "served": warm, "ready": ready})


def made(data: Path, place: Path, num_clips: int) -> dict[str, str]:
    """A library of the clips, and what is asked with."""
    clips = [path for path in media_files([data]) if path.suffix == ".mp4"][:num_clips]
    weights = place / "random.safetensors"
    if not weights.exists():
        save_random_weights(weights, "small")
    index = [*AVSEARCH, "index", *map(str, clips), "--library", str(place / "library"), "--model", str(weights)]
    run(index)
    film, still, other = clips[len(clips) // 2], place / "still.jpg", place / "other.mp4"
    for target, options in ((still, ["-frames:v", "1"]), (other, ["-ss", "0.4"])):
        run(["ffmpeg", "-v", "error", "-y", "-nostdin", "-i", f"file:{film}", *options, str(target)])
    return {"still": str(still), "film": str(film), "other": str(other)}


def in_turns(commands: Mapping[str, Sequence[str]], times: int) -> dict[str, list[float]]:
    """Wall seconds of each command, which take turns; the first time, when files are read, does not count."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for at in range(times + 1):
        for name, command in commands.items():
            seconds = seconds_of(lambda command=command: run(command))
            if at:
                taken[name].append(seconds)
    return taken


def run(command: Sequence[str]) -> None:
    """A command that has to do its work."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def seconds_to_start(library: Path) -> float:
    """Of a server, until it is ready to answer."""
    began = time.perf_counter()
    with server(library):
        return time.perf_counter() - began


def _figures(
    cold: Mapping[str, list[float]], warm: Mapping[str, list[float]], ready: list[float]
) -> Iterator[Figure]:
    yield figure("`avsearch --help`, s", HELP, cold[HELP])
    yield figure("importing torch, faiss and sqlalchemy, s", IMPORTS, cold[IMPORTS])
    for name, words in ASKED.items():
        pairs = list(zip(cold[name], cold[IMPORTS], strict=True))
        yield figure(f"query with {words}, whole command, s", f"{name}_s", cold[name])
        yield figure(f"query with {words}, over those imports", f"{name}_ratio", [it / part for it, part in pairs])
        yield figure(f"query with {words}, beyond those imports, s", f"{name}_beyond_s", [a - b for a, b in pairs])
    for name, words in ASKED.items():
        yield figure(f"query with {words}, a server running, s", f"{name}_served_s", warm[name])
    yield figure("server of these clips, from its start until it is ready, s", "ready_s", ready)


if __name__ == "__main__":
    main()
