"""What a library is filled with in tests: a tiny weights file, and batches of made-up media."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.library import Batch, Library, create_library, remove
from avsearch.library.writer import Writer
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality
from avsearch.vectors import Rows
from tests.bare import bare_weights

DIM = 4


@dataclass
class Maker:
    """Makes batches for a writer; every media has two image and two audio moments."""

    writer: Writer
    root_id: int
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def media(self, content_hash: str, *, labels: tuple[str, ...] = ()) -> IndexedMedia:
        info = MediaInfo(MediaKind.SOUND, 2 * SECOND_US, 0, "wav", video=None, audio=None)
        return IndexedMedia(self.writer.reserve_media_ids(1)[0], content_hash, info, labels)

    def rows(self, media_ids: list[int]) -> Rows:
        vector = self.rng.standard_normal((2 * len(media_ids), DIM)).astype(np.float32)
        return Rows(
            vector=vector / np.linalg.norm(vector, axis=1, keepdims=True),
            media_id=np.repeat(np.array(media_ids, np.int64), 2),
            start_us=np.tile(np.array([0, SECOND_US]), len(media_ids)),
        )

    def file(self, path: bytes, media_id: int | None, state: State = State.INDEXED, reason: str = "") -> FileState:
        return FileState(self.root_id, path, 100, 1, state, reason, media_id)

    def batch(self, *hashes: str, labels: tuple[str, ...] = ()) -> Batch:
        """One file and one media for each content hash; the file is called as the hash."""
        media = tuple(self.media(content_hash, labels=labels) for content_hash in hashes)
        media_ids = [one.id for one in media]
        return Batch(
            media=media,
            rows={modality: self.rows(media_ids) for modality in Modality} if media else {},
            files=tuple(self.file(one.content_hash.encode(), one.id) for one in media),
        )


def large_batch(writer: Writer, root_id: int, number: int, num_rows: int) -> Batch:
    """One media with many moments of sound."""
    media_id = writer.reserve_media_ids(1)[0]
    info = MediaInfo(MediaKind.SOUND, num_rows * SECOND_US, 0, "wav", video=None, audio=None)
    vector = np.random.default_rng(number).standard_normal((num_rows, DIM)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    rows = Rows(vector, np.full(num_rows, media_id), np.arange(num_rows) * SECOND_US)
    name = f"large{number}"
    return Batch(
        media=(IndexedMedia(media_id, name, info),),
        rows={Modality.AUDIO: rows},
        files=(Maker(writer, root_id).file(name.encode(), media_id),),
    )


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., Path]:
    """Write a weights file whose vectors would have DIM numbers; another seed is another encoder."""
    return partial(bare_weights, dim=DIM)


@pytest.fixture
def weights(tmp_path: Path, make_weights: Callable[..., Path]) -> Path:
    return make_weights(tmp_path / "encoder.safetensors")


@pytest.fixture
def library(tmp_path: Path, database_url: str) -> Library:
    """An empty library."""
    return create_library(tmp_path / "library", database_url=database_url)


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A folder to index."""
    folder = tmp_path / "footage"
    folder.mkdir()
    (folder / "a").touch()
    return folder


@pytest.fixture
def fill(library: Library, weights: Path, footage: Path) -> Callable[..., None]:
    """Publish one batch of made-up media into the library; with the same seed, they have the same vectors."""

    def publish(*hashes: str, labels: tuple[str, ...] = (), seed: int = 0) -> None:
        with library.writer() as writer:
            writer.use_encoder(weights)
            maker = Maker(writer, writer.catalog.add_root(footage).id, np.random.default_rng(seed))
            writer.publish(maker.batch(*hashes, labels=labels))

    return publish


@pytest.fixture
def maker() -> type[Maker]:
    return Maker


@pytest.fixture
def commits(library: Library, fill: Callable[..., None]) -> Library:
    """Five commits; the vectors of the first three are alike, so that hits score equally."""
    for number, seed in enumerate([0, 0, 0, 1, 2]):
        fill(f"a{number}", f"b{number}", labels=("flute",), seed=seed)
    return library


@pytest.fixture
def thinned(commits: Library, footage: Path) -> Library:
    """Some of it removed: all of the second commit, and a half of the fourth."""
    remove(commits, [str(footage / name) for name in ("a1", "b1", "a3")])
    return commits
