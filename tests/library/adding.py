"""One of several processes that add the same files to one library: `adding.py LIBRARY WEIGHTS FOOTAGE SEED`.

Files have made-up contents, several of them the same one. The process goes on until all are in the library, and
then prints what it did, as JSON.
"""

import json
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsearch.catalog import FileState, IndexedMedia, Root, State
from avsearch.library import Batch, open_library
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality
from avsearch.vectors import Rows
from tests.library.stored import files as files_of
from tests.library.stored import moments

DIM = 4
NUM_FILES = 48
NUM_CONTENTS = 7
FOLDERS = ("deep/er/est", "deep/er", "deep", ".")
INFO = MediaInfo(MediaKind.SOUND, 2 * SECOND_US, 0, "wav", video=None, audio=None)


@dataclass(frozen=True)
class Found:
    """A file as it lies on the disk."""

    root: Root
    path: Path
    size_bytes: int = 100
    mtime_ns: int = 1
    etag: str | None = None


def make_footage(footage: Path) -> list[Path]:
    """Empty files, in folders that lie in each other."""
    paths = [footage / FOLDERS[number % len(FOLDERS)] / f"{number:02}" for number in range(NUM_FILES)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def content_of(path: Path) -> str:
    return f"content {int(path.name) % NUM_CONTENTS}"


def label_of(path: Path) -> str:
    return f"label {path.name}"


def rows_of(media_ids, rng) -> Rows:
    """Two moments of each."""
    vector = rng.standard_normal((2 * len(media_ids), DIM)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    starts = np.tile(np.array([0, SECOND_US]), len(media_ids))
    return Rows(vector, np.repeat(np.array(media_ids, np.int64), 2), starts)


def batch_of(ours, media_ids, seed) -> Batch:
    media = tuple(
        IndexedMedia(media_id, content_of(file.path), INFO, (label_of(file.path),))
        for file, media_id in zip(ours, media_ids, strict=True)
    )
    files = tuple(
        FileState(
            file.root.id,
            file.root.relative(file.path),
            file.size_bytes,
            file.mtime_ns,
            State.INDEXED,
            media_id=media_id,
        )
        for file, media_id in zip(ours, media_ids, strict=True)
    )
    rng = np.random.default_rng(seed)
    return Batch(media=media, rows={it: rows_of(media_ids, rng) for it in Modality}, files=files)


def found_below(writer, folder, paths):
    root = writer.catalog.add_root(folder)
    return [Found(root, path) for path in paths]


def publish(writer, found, seed=0):
    return writer.publish(batch_of(found, writer.reserve_media_ids(len(found)), seed))


def assert_all_known_once(library, footage):
    """Told by a naive loop over the files: a media for each content, a row for each file, all labels."""
    paths = make_footage(footage)
    known = files_of(library)
    assert [path for path, _, _ in known] == sorted(paths)
    hash_of = {
        record.id: record.content_hash for record in library.catalog.media_records(range(1, 10_000)).values()
    }
    assert sorted(hash_of.values()) == sorted({content_of(path) for path in paths})
    for path, _, media_id in known:
        assert hash_of[media_id] == content_of(path)
        assert label_of(path) in library.catalog.media_records([media_id])[media_id].labels
    assert [root.path for root in library.catalog.roots()] == [footage]
    assert len(moments(library)) == 2 * 2 * NUM_CONTENTS


def main(directory: str, weights: str, footage: str, seed: str) -> None:
    """Add files of a folder that is drawn, a few at a time, until nothing is left in any of them."""
    rng, top = random.Random(int(seed)), Path(footage)
    paths = make_footage(top)
    reserved: list[int] = []
    num_published = num_done = 0
    with open_library(Path(directory)).indexer() as writer:
        writer.use_encoder(Path(weights))
        while num_done < len(paths):
            folder = top / rng.choice(FOLDERS)
            root = writer.catalog.add_root(folder)
            below = [path for path in paths if path.is_relative_to(folder)]
            found = [Found(root, path) for path in rng.sample(below, min(5, len(below)))]
            claim = writer.catalog.claim(found)
            ours = [file for file in found if file.path in claim.ours]
            time.sleep(rng.uniform(0, 0.02))  # it is being read
            media_ids = writer.reserve_media_ids(len(ours)) if ours else range(0)
            reserved += media_ids
            assert not writer.publish(batch_of(ours, media_ids, rng.randrange(1000)))
            num_published += len(ours)
            num_done = count_known(writer)
    sys.stdout.write(json.dumps({"reserved": reserved, "published": num_published}))


def count_known(writer) -> int:
    """How many files the library knows."""
    return sum(len(writer.catalog.files_of(root.id)) for root in writer.catalog.roots())


if __name__ == "__main__":
    main(*sys.argv[1:])
