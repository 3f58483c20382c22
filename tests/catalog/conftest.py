"""An empty catalog, and what to put into it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avsearch.catalog import (
    CatalogWriter,
    Database,
    FileState,
    IndexedMedia,
    NewEncoder,
    NewSegment,
    Publication,
    Root,
    SegmentRecord,
    State,
    find_database,
    write_session,
)
from avsearch.catalog.migrate import create_catalog
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind, Modality, VideoStream

LIBRARY_ID = "0" * 32
FILM = MediaInfo(
    kind=MediaKind.VIDEO,
    duration_us=3 * 3600 * SECOND_US + 1,
    start_time_us=-40_000,
    container="mov,mp4",
    video=VideoStream(index=0, codec="h264", width=320, height=256, rotation=90, frames_per_second=24000 / 1001),
    audio=AudioStream(index=2, ordinal=1, codec="aac", sample_rate_hz=44_100, num_channels=6, is_default=False),
    timecode="01:00:00;02",
)
SOUND = MediaInfo(MediaKind.SOUND, SECOND_US, 0, "wav", None, AudioStream(0, 0, "pcm", 48_000, 1, is_default=True))
PICTURE = MediaInfo(MediaKind.PICTURE, 0, 0, "image2", VideoStream(0, "png", 7, 9, 0, 25.0), None)


@pytest.fixture
def database(tmp_path: Path, database_url: str) -> Database:
    """Of an empty catalog."""
    database = find_database(database_url, tmp_path)
    create_catalog(database, LIBRARY_ID)
    return database


@pytest.fixture
def catalog(database: Database) -> Iterator[CatalogWriter]:
    with write_session(database, LIBRARY_ID) as engine:
        yield CatalogWriter(engine)


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "footage"
    folder.mkdir()
    return folder


@pytest.fixture
def film() -> MediaInfo:
    return FILM


@pytest.fixture
def sound() -> MediaInfo:
    return SOUND


@pytest.fixture
def picture() -> MediaInfo:
    return PICTURE


@pytest.fixture
def encoder() -> NewEncoder:
    return NewEncoder(fingerprint="f" * 32, architecture="ave", size="small", recipe="ave-nce", dim=4)


@pytest.fixture
def add_media(catalog: CatalogWriter) -> Callable[..., list[int]]:
    """Publish one file and one media for each info; returns their ids."""

    def add(root: Root, *infos: MediaInfo, names: list[bytes] | None = None) -> list[int]:
        ids = catalog.reserve_media_ids(len(infos))
        paths = names or [f"file{media_id}".encode() for media_id in ids]
        media = tuple(IndexedMedia(i, f"hash{i}", info) for i, info in zip(ids, infos, strict=True))
        files = tuple(
            FileState(root.id, path, 10, 20, State.INDEXED, media_id=i) for path, i in zip(paths, ids, strict=True)
        )
        catalog.publish(Publication(media=media, files=files))
        return list(ids)

    return add


@pytest.fixture
def segment(encoder: NewEncoder) -> Callable[..., NewSegment]:
    """A segment as it would be after its file was written."""

    def make(name: str, modality: Modality, rows_of_media: dict[int, int]) -> NewSegment:
        total = sum(rows_of_media.values())
        return NewSegment(SegmentRecord(name, modality, encoder.fingerprint, total, 4, 1000, "c"), rows_of_media)

    return make
