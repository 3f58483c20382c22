"""How long a catalog of a hundred thousand media takes to answer: `catalog_100k.py [--database URL] [--media N]`.

Fills a catalog as indexing would, then prints the wall seconds of each question and change, the slowest of three
for those that change nothing. Without --database it is an SQLite file in a temporary folder; a URL
must name an empty PostgreSQL database.
"""

from __future__ import annotations

import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import text

from avsearch.bench.figure import figure
from avsearch.catalog import (
    CatalogWriter,
    Coverage,
    EncoderRecord,
    FileState,
    IndexedMedia,
    MediaFilter,
    NewEncoder,
    NewSegment,
    Publication,
    Replacement,
    Root,
    SegmentRecord,
    State,
    find_database,
    write_session,
)
from avsearch.catalog.database import writing
from avsearch.catalog.migrate import create_catalog
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind, Modality, VideoStream
from benchmarks.result import add_out, write_result

LIBRARY_ID = "0" * 32
FOLDER_SIZE = 1000
COMMIT_SIZE = 2500  # media of a commit, and so of a segment of each modality: 40 of each for 100,000
MOMENTS = {Modality.IMAGE: 150, Modality.AUDIO: 300}
LABELS = ("dog", "rain", "car", "piano", "crowd", "birds", "speech", "siren")
KINDS = (MediaKind.VIDEO, MediaKind.VIDEO, MediaKind.VIDEO, MediaKind.SOUND, MediaKind.PICTURE)
VIDEO = VideoStream(index=0, codec="h264", width=1920, height=1080, rotation=0, frames_per_second=25.0)
AUDIO = AudioStream(index=1, ordinal=0, codec="aac", sample_rate_hz=48_000, num_channels=2, is_default=True)
ACTIVE = NewEncoder(fingerprint="a" * 32, architecture="ave", size="small", recipe="ave-nce", dim=128)
PENDING = replace(ACTIVE, fingerprint="b" * 32)


def main() -> None:
    """Fill, ask, remove; print a line for each."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--database", default="sqlite:///catalog.sqlite3", metavar="URL")
    parser.add_argument("--media", type=int, default=100_000, metavar="N")
    add_out(parser)
    chosen = parser.parse_args()
    taken: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        database = find_database(chosen.database, Path(folder))
        create_catalog(database, LIBRARY_ID)
        with write_session(database, LIBRARY_ID) as engine:
            catalog = CatalogWriter(engine)
            footage = Path(folder, "footage")
            footage.mkdir()
            taken["filling"] = _say("filling", partial(fill, catalog, footage, chosen.media))
            if database.file is None:
                with writing(engine) as connection:  # the server does so by itself within a minute
                    connection.execute(text("ANALYZE"))
            for name, question in questions(catalog, footage).items():
                taken[name] = _say(name, question, times=3)
            for name, change in changes(catalog, footage).items():
                taken[name] = _say(name, change)
    figures = [figure(f"catalog of {chosen.media:,} media, {name}, s", name, [it]) for name, it in taken.items()]
    write_result(chosen.out, "catalog", figures, {})


def fill(catalog: CatalogWriter, footage: Path, num_media: int) -> None:
    """Media in commits as an index makes them; every tenth has a copy; a fifth is done by a pending encoder."""
    root = catalog.add_root(footage)
    active, pending = catalog.activate_encoder(ACTIVE), catalog.register_encoder(PENDING)
    catalog.set_pending_encoder(pending)
    for _ in range(0, num_media, COMMIT_SIZE):
        catalog.publish(_publication(root, catalog.reserve_media_ids(COMMIT_SIZE), active))
    for first in range(1, num_media // 5, COMMIT_SIZE):
        ids = range(first, first + COMMIT_SIZE)
        catalog.publish(Publication(segments=_segments(ids, pending), coverage=_coverage(ids, pending)))


def _publication(root: Root, ids: range, encoder: EncoderRecord) -> Publication:
    media = tuple(IndexedMedia(i, f"{i:032x}", _info(i), num_silent=i % 7, num_still=i % 3) for i in ids)
    return Publication(
        media=media,
        segments=_segments(ids, encoder),
        files=tuple(
            FileState(root.id, path, 10**8, 10**18, State.INDEXED, media_id=i) for i in ids for path in _paths(i)
        ),
        labels={i: {LABELS[i % 8], LABELS[i // 8 % 8]} for i in ids},
        coverage=_coverage(ids, encoder),
    )


def _info(media_id: int) -> MediaInfo:
    kind = KINDS[media_id % 5]
    return MediaInfo(
        kind=kind,
        duration_us=0 if kind is MediaKind.PICTURE else 300 * SECOND_US,
        start_time_us=0,
        container="mov,mp4",
        video=None if kind is MediaKind.SOUND else VIDEO,
        audio=None if kind is MediaKind.PICTURE else AUDIO,
    )


def _paths(media_id: int) -> list[bytes]:
    folder, name = f"shoot {media_id // FOLDER_SIZE:04d}", f"A{media_id:06d} take.mp4"
    copies = [f"backup/{folder}/{name}"] if media_id % 10 == 0 else []
    return [path.encode() for path in (f"{folder}/{name}", *copies)]


def _segments(ids: range, encoder: EncoderRecord) -> tuple[NewSegment, ...]:
    return tuple(
        NewSegment(
            SegmentRecord(
                name=f"{encoder.fingerprint[0]}{ids[0]}{modality}.safetensors",
                modality=modality,
                fingerprint=encoder.fingerprint,
                num_rows=count * len(ids),
                dim=encoder.dim,
                num_bytes=count * len(ids) * (encoder.dim * 2 + 16),
                checksum="c",
            ),
            dict.fromkeys(ids, count),
        )
        for modality, count in MOMENTS.items()
    )


def _coverage(ids: range, encoder: EncoderRecord) -> tuple[Coverage, ...]:
    return tuple(
        Coverage(encoder.fingerprint, media_id, modality, count)
        for media_id in ids
        for modality, count in MOMENTS.items()
    )


def questions(catalog: CatalogWriter, footage: Path) -> dict[str, Callable[[], object]]:
    """What changes nothing, by name."""
    active, pending = catalog.encoders()
    folder = footage / "shoot 0002"
    return {
        "status": catalog.status,
        "snapshot": catalog.snapshot,
        "select: all": lambda: catalog.select_media(MediaFilter()),
        "select: kind": lambda: catalog.select_media(MediaFilter(kind=MediaKind.SOUND)),
        "select: a label": lambda: catalog.select_media(MediaFilter(labels=("rain",))),
        "select: under a folder": lambda: catalog.select_media(MediaFilter(under=folder)),
        "select: under the root": lambda: catalog.select_media(MediaFilter(under=footage)),
        "select: a pattern": lambda: catalog.select_media(MediaFilter(glob=f"{footage}/**/*7 take.mp4")),
        "select: all of these": lambda: catalog.select_media(
            MediaFilter(kind=MediaKind.VIDEO, labels=LABELS[:3], under=footage, glob=f"{footage}/shoot 00*/**")
        ),
        "files at a path": lambda: catalog.files_at(str(folder / "A002042 take.mp4")),
        "files at a folder": lambda: catalog.files_at(str(folder)),
        "files at the root": lambda: catalog.files_at(str(footage)),
        "files at a pattern": lambda: catalog.files_at(f"{footage}/**/*7 take.mp4"),
        "files of a root": lambda: catalog.files_of(catalog.roots()[0].id),
        "covered media": lambda: catalog.covered_media(active.id),
        "hashes of covered media": lambda: catalog.media_hashes(active.id),
        "uncovered media": lambda: catalog.uncovered_media(pending.id),
        "lost": lambda: catalog.lost(active.id),
        "reclaimable media": catalog.reclaimable_media,
        "plans of uncovered media": lambda: catalog.plans_of_uncovered(pending.id),
        "known sizes": catalog.known_sizes,
    }


def changes(catalog: CatalogWriter, footage: Path) -> dict[str, Callable[[], object]]:
    """What changes the catalog, by name; to be done in this order."""
    return {
        "remove a folder": lambda: catalog.remove_files([str(footage / "shoot 0002")]),
        "remove a pattern": lambda: catalog.remove_files([f"{footage}/**/*77 take.mp4"]),
        "forget what was removed": lambda: catalog.replace_segments(
            Replacement(old=(), new=(), forgotten=tuple(catalog.reclaimable_media()))
        ),
        "remove all": lambda: catalog.remove_files([str(footage)]),
        "status, all removed": catalog.status,
        "reclaimable, all removed": catalog.reclaimable_media,
    }


def _say(name: str, action: Callable[[], object], *, times: int = 1) -> float:
    """Wall seconds, those of the slowest time, and CPU seconds of this process, which other work changes less."""
    taken = []
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        action()
        taken.append((time.perf_counter() - began, time.process_time() - cpu))
    wall, cpu = max(taken)
    sys.stdout.write(f"{name:26} {wall:7.3f} s {cpu:7.3f} s of CPU\n")
    return wall


if __name__ == "__main__":
    main()
