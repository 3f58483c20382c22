"""Whole runs over a few small files, and what they leave."""

from __future__ import annotations

from PIL import Image

from avsearch.library import open_library
from indexer.build import index
from indexer.index_job import IndexJob
from tests.media.clips import make_clip, tones, write_wav
from tests.tiny import make_film


def make_footage(folder):
    """Two films, a sound, a silent film and a picture, in folders."""
    (folder / "deep" / "er").mkdir(parents=True)
    make_film(folder / "one.mp4", seed=1)
    make_film(folder / "deep" / "er" / "two.mov", seed=2, seconds=2)
    write_wav(folder / "deep" / "sound.wav", tones(2.5))
    make_clip(folder / "silent.mp4", frames=30)
    Image.new("RGB", (90, 60), "teal").save(folder / "still.png")
    return folder


def ignore(event):
    """Listen to nothing."""


def run(footage, library, *, tell=ignore, stop=None, **options):
    return index(IndexJob([footage], library, **options), tell, stop)


def moments(library, modality):
    """{path name: start times} of everything that can be found."""
    opened = open_library(library)
    snapshot = opened.snapshot()
    records = opened.catalog.media_records(snapshot.live_media_ids.tolist())
    found = {}
    for rows in opened.segments(snapshot, modality):
        for media_id, start_us in zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True):
            if media_id in records:
                found.setdefault(records[media_id].paths[0].name, []).append(start_us)
    return found
