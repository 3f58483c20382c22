"""Start avsearch, kill it, and look at what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsearch.library import Library, open_library, orphans, verify
from avsearch.moments import Modality
from avsearch.query import nearest_hits

HERE = Path(__file__).parent
KILLED = -9
SAME = 0.9999  # the cosine of two vectors of one moment, whatever batches it was encoded in


def unheard(_event):
    """A listener to whom nothing matters."""


def environment(**more):
    paths = [str(HERE.parents[1]), *filter(None, sys.path)]
    fixed = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
    return {**os.environ, **fixed, "PYTHONPATH": os.pathsep.join(paths), **more}


def command(*arguments, **settings):
    """The words that run avsearch; see steps.Settings."""
    return [sys.executable, str(HERE / "program.py"), json.dumps(settings), *map(str, arguments)]


def started(*arguments, settings=None, **options):
    """The command while it runs."""
    return subprocess.Popen(
        command(*arguments, **(settings or {})),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(*arguments, settings=None, **variables):
    """(exit code, stdout, stderr) of the command."""
    words = command(*arguments, **(settings or {}))
    done = subprocess.run(words, env=environment(**variables), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def committed(process):
    """Read the events of a run up to its first commit."""
    for line in process.stdout:
        if json.loads(line)["event"] == "committed":
            return
    raise AssertionError(process.stderr.read())


@dataclass(frozen=True)
class Nursery:
    """Runs commands in processes that need not import anything first."""

    process: subprocess.Popen
    output: Path

    def run(self, *arguments, **settings):
        """(exit code, what was printed); the code is -9 for a run that was killed."""
        request = {
            "settings": settings,
            "arguments": [str(word) for word in arguments],
            "output": str(self.output),
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        printed = self.output.read_text()
        assert "Traceback" not in printed, printed
        return code, printed

    def complete(self, *arguments, code=0):
        """Run a command to its end, which must be this one."""
        found, printed = self.run(*arguments)
        assert found == code, printed
        return printed


@contextmanager
def open_nursery(folder: Path) -> Iterator[Nursery]:
    script = [sys.executable, HERE / "nursery.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(script, env=environment(), **pipes) as process:
        yield Nursery(process, folder / "printed")


def contents(library: Library):
    """{(content hash, modality, start in microseconds): vector} of all that can be found."""
    view = library.view(*Modality)
    live = view.snapshot.live_media_ids.tolist()
    records = library.catalog.media_records(live)
    found = {}
    for modality in Modality:
        for rows in view.segments[modality]:
            for media_id, start_us, vector in zip(
                rows.media_id.tolist(), rows.start_us.tolist(), rows.vector, strict=True
            ):
                if media_id in records:
                    moment = (records[media_id].content_hash, str(modality), start_us)
                    assert moment not in found, f"{moment} stands in the library twice"
                    found[moment] = vector
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    cosines = [float(np.dot(found[moment], expected[moment])) for moment in expected]
    assert min(cosines, default=1.0) > SAME


def assert_part(found, expected):
    """What is there is right, though not all is there."""
    assert found.keys() <= expected.keys()
    assert_same(found, {moment: expected[moment] for moment in found})


def assert_sound(directory: Path, expected):
    """Right after a kill: nothing is wrong, what can be found is right and answers, and what is too much goes."""
    library = open_library(directory)
    assert verify(library) == []
    found = contents(library)
    assert_part(found, expected)
    assert_answers(library, found)
    with library.writer():
        assert orphans(library) == []
    named = {record.name for record in library.catalog.all_segments()}
    assert {path.name for path in library.layout.shelf.folder.iterdir()} == named
    weights = {f"{encoder.fingerprint}.safetensors" for encoder in library.catalog.encoders()}
    assert {path.name for path in library.layout.encoders.iterdir()} == weights
    return found


def assert_answers(library: Library, found):
    """Every modality finds one of its own moments first."""
    for modality in Modality:
        moment = next((it for it in found if it[1] == modality), None)
        if moment is not None:
            [hit] = nearest_hits(library, library.view(modality), np.float32(found[moment]), find=modality, k=1)
            assert hit.score > SAME


def is_made(directory: Path) -> bool:
    """Whether a killed creation got so far that there is a library; then it can be opened."""
    if not (directory / "library.json").exists():
        return False
    open_library(directory)
    return True


def running_on(folder):
    """The command lines of processes that read a folder: the decoders that a killed run left behind."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if bytes(folder) in words:
            found.append(words)
    return found
