"""How long `avsearch index` takes over ten thousand files that have not changed.

Nothing is decoded: the files are entered into the catalog as if they had been indexed. Usage:

    python -m benchmarks.unchanged_10k [--files 10000] [--runs 5] [--database postgresql://USER@HOST/DATABASE]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
import xxhash

from avsearch.bench.figure import figure
from avsearch.catalog import Coverage, FileState, IndexedMedia, NewEncoder, Publication, State
from avsearch.library import create_library
from avsearch.moments import AudioStream, MediaInfo, MediaKind, Modality
from benchmarks.result import add_out, write_result

RATE_HZ = 8000
SOUND = MediaInfo(
    MediaKind.SOUND, 20_000, 0, "wav", None, AudioStream(0, 0, "pcm_s16le", RATE_HZ, 1, is_default=True)
)
ENCODER = NewEncoder(fingerprint="f" * 32, architecture="ave", size="small", recipe="ave-nce", dim=128)


def main() -> None:
    """Make the files and the library aside, then run the command several times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--database", default=None, help="of the catalog; by default an SQLite file")
    add_out(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        footage, library = Path(folder, "footage"), Path(folder, "library")
        files = make_sounds(footage, given.files)
        enter(files, footage, library, given.database)
        times = [timed_run(footage, library, given.files) for _ in range(given.runs)]
    spread = ", ".join(f"{seconds:.2f}" for seconds in times)
    sys.stdout.write(f"{given.files} unchanged files: {statistics.median(times):.2f} s (median of {spread})\n")
    told = figure(f"indexing {given.files:,} unchanged files, whole command, s", "seconds", times)
    write_result(given.out, "unchanged", [told], {"runs": times})


def make_sounds(footage: Path, count: int) -> list[Path]:
    """Sounds of 20 ms, no two alike, a hundred in a folder."""
    rng = np.random.default_rng(0)
    files = []
    for number in range(count):
        path = footage / f"{number // 100:04d}" / f"{number:06d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(RATE_HZ)
            sound.writeframes(rng.integers(-9999, 9999, RATE_HZ // 50, dtype=np.int16).tobytes())
        files.append(path)
    return files


def enter(files: list[Path], footage: Path, directory: Path, database_url: str | None) -> None:
    """What indexing would leave in the catalog, had no file made a moment."""
    with create_library(directory, database_url=database_url).writer() as writer:
        writer.catalog.activate_encoder(ENCODER)
        root = writer.catalog.add_root(footage)
        media_ids = writer.reserve_media_ids(len(files))
        hashes = [xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in files]
        states = []
        for path, media_id in zip(files, media_ids, strict=True):
            status = path.stat()
            place = (root.id, root.relative(root.path / path.relative_to(footage)))
            states.append(FileState(*place, status.st_size, status.st_mtime_ns, State.INDEXED, media_id=media_id))
        writer.catalog.publish(
            Publication(
                media=tuple(IndexedMedia(*it, SOUND) for it in zip(media_ids, hashes, strict=True)),
                files=tuple(states),
                coverage=tuple(
                    Coverage(ENCODER.fingerprint, media_id, modality, 0)
                    for media_id in media_ids
                    for modality in Modality
                ),
            )
        )


def timed_run(footage: Path, library: Path, count: int) -> float:
    """Seconds of one command, from its start to its end."""
    command = [sys.executable, "-m", "avsearch", "index", str(footage), "--library", str(library)]
    began = time.monotonic()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"}
    )
    seconds = time.monotonic() - began
    if done.returncode != 0 or f"{count} unchanged" not in done.stdout + done.stderr:
        sys.exit(f"The command did something else:\n{done.stdout}{done.stderr}")
    return seconds


if __name__ == "__main__":
    main()
