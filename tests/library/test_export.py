"""Parquet files, read back by pyarrow itself, against the segments and the catalog."""

import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet
import pytest

from avsearch.catalog import FileState, IndexedMedia, MediaFilter, State
from avsearch.errors import LibraryError
from avsearch.library import Batch, export, parquet, remove
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind, Modality, Silent, VideoStream
from avsearch.vectors import Rows
from tests.library.conftest import DIM
from tests.library.stored import moments

EVERYTHING = MediaFilter()
FILM = MediaInfo(
    kind=MediaKind.VIDEO,
    duration_us=2_500_000,
    start_time_us=0,
    container="mov,mp4",
    video=VideoStream(index=0, codec="h264", width=320, height=256, rotation=0, frames_per_second=24000 / 1001),
    audio=AudioStream(index=1, ordinal=0, codec="aac", sample_rate_hz=44_100, num_channels=2, is_default=True),
    timecode="10:00:00:00",
)


@pytest.fixture
def filled(library, fill):
    fill("a", "b", labels=("flute", "solo"), seed=1)
    fill("c", seed=2)
    return library


@pytest.fixture
def film(filled):
    """A film of 2.5 s, in two places; one name is not UTF-8."""
    with filled.writer() as writer:
        (media_id,) = writer.reserve_media_ids(1)
        vector = np.eye(3, DIM, dtype=np.float32)
        rows = Rows(vector, np.full(3, media_id), np.array([0, SECOND_US, 2 * SECOND_US]))
        files = [FileState(1, path, 9, 9, State.INDEXED, media_id=media_id) for path in (b"film", b"caf\xe9")]
        media = IndexedMedia(media_id, "film", FILM, ("harp",))
        writer.publish(Batch(media=(media,), rows=dict.fromkeys(Modality, rows), files=tuple(files)))
    return media_id


def exported(library, out, wanted=EVERYTHING):
    """The two tables, as lists of rows."""
    done = export(library, out, wanted=wanted, progress=Silent())
    tables = [pyarrow.parquet.read_table(path).to_pylist() for path in done.paths]
    assert [len(table) for table in tables] == [done.num_moments, done.num_media]
    return tables


def test_moments_are_those_of_the_segments_to_the_bit(filled, film, tmp_path):
    rows, _ = exported(filled, tmp_path / "out")
    assert {row["moment_id"]: np.array(row["vector"], np.float32).tobytes() for row in rows} == moments(filled)
    assert [row["moment_id"].split(":")[:2] for row in rows] == [[str(r["media_id"]), r["modality"]] for r in rows]


def test_times_are_those_that_a_search_would_print(filled, film, tmp_path):
    rows, _ = exported(filled, tmp_path / "out")
    of_film = [(row["modality"], row["start_s"], row["end_s"]) for row in rows if row["media_id"] == film]
    assert of_film == [
        *(("image", at, at) for at in (0.0, 1.0, 2.0)),
        *(("audio", at, end) for at, end in ((0.0, 1.0), (1.0, 2.0), (2.0, 2.5))),
    ]


def test_media_are_those_of_the_catalog(filled, film, footage, tmp_path):
    _, media = exported(filled, tmp_path / "out")
    row = media[-1]
    assert abs((datetime.now(UTC) - row.pop("added")).total_seconds()) < 60
    assert row == {
        "media_id": film,
        "content_hash": "film",
        "kind": "video",
        "duration_s": 2.5,
        "width": 320,
        "height": 256,
        "frames_per_second": 24000 / 1001,
        "sample_rate_hz": 44_100,
        "timecode": "10:00:00:00",
        "labels": ["harp"],
        "paths": [str(footage / "film"), f"{footage}/caf\N{REPLACEMENT CHARACTER}"],
    }
    assert [(row["media_id"], row["kind"], row["labels"], row["width"]) for row in media[:3]] == [
        (1, "sound", ["flute", "solo"], None),
        (2, "sound", ["flute", "solo"], None),
        (3, "sound", [], None),
    ]


def test_columns_have_the_types_that_are_promised_and_the_encoder_is_named(filled, tmp_path):
    done = export(filled, tmp_path, wanted=EVERYTHING, progress=Silent())
    assert [path.name for path in done.paths] == ["moments.parquet", "media.parquet"]
    schema = pyarrow.parquet.read_schema(tmp_path / "moments.parquet")
    assert schema.field("vector").type == pyarrow.list_(pyarrow.float32(), DIM)
    assert [str(schema.field(name).type) for name in ("moment_id", "media_id", "modality", "start_s", "end_s")] == [
        "string", "int64", "string", "double", "double",
    ]  # fmt: skip
    fingerprint = filled.snapshot().encoder.fingerprint.encode()
    for path in done.paths:
        assert pyarrow.parquet.read_schema(path).metadata[b"avsearch_encoder"] == fingerprint


def test_only_what_is_wanted_and_can_be_found_is_exported(filled, film, footage, tmp_path):
    remove(filled, [str(footage / "a")])
    kind = MediaFilter(kind=MediaKind.VIDEO)
    for wanted, ids in [(EVERYTHING, [2, 3, film]), (kind, [film]), (MediaFilter(labels=("solo",)), [2])]:
        rows, media = exported(filled, tmp_path / "out", wanted)
        assert [row["media_id"] for row in media] == ids
        assert sorted({row["media_id"] for row in rows}) == ids


def test_where_nothing_is_wanted_the_tables_are_empty(filled, tmp_path):
    assert exported(filled, tmp_path / "out", MediaFilter(labels=("tuba",))) == [[], []]


def test_a_row_group_is_bounded_however_segments_lie(filled, film, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 4)
    rows, _ = exported(filled, tmp_path)
    assert {row["moment_id"] for row in rows} == moments(filled).keys()
    metadata = pyarrow.parquet.read_metadata(tmp_path / "moments.parquet")
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [4, 2, 3, 4, 2, 3]


def test_progress_counts_moments(filled, tmp_path):
    class Recorder(Silent):
        told: tuple = ()

        def stage(self, name, total, unit):
            self.told += ((name, total, unit),)

        def advance(self, amount=1, note=""):  # noqa: ARG002
            self.told += (amount,)

    recorder = Recorder()
    export(filled, tmp_path, wanted=EVERYTHING, progress=recorder)
    assert recorder.told == (("export", 12, "moment"), 6, 6)


def test_a_library_without_an_encoder_has_nothing_to_export(library, tmp_path):
    with pytest.raises(LibraryError, match="nothing has been indexed"):
        export(library, tmp_path / "out", wanted=EVERYTHING, progress=Silent())
    assert not (tmp_path / "out").exists()


def test_without_pyarrow_one_is_told_how_to_get_it(filled, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LibraryError, match=r"needs pyarrow.*pip install 'avsearch\[parquet\]'"):
        export(filled, tmp_path / "out", wanted=EVERYTHING, progress=Silent())


def test_an_export_that_fails_leaves_the_one_before(filled, tmp_path, monkeypatch):
    exported(filled, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.parquet*")}

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("avsearch.vectors.durable.os.fsync", full)
    with pytest.raises(LibraryError, match=r"parquet: cannot be written \(No space left on device\)"):
        exported(filled, tmp_path, MediaFilter(labels=("solo",)))
    assert {path: path.read_bytes() for path in tmp_path.glob("*.parquet*")} == before


def test_a_folder_that_cannot_be_made_is_one_sentence(filled, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="cannot be made"):
        export(filled, tmp_path / "file" / "out", wanted=EVERYTHING, progress=Silent())


def test_a_media_that_is_removed_meanwhile_is_in_neither_table(filled, footage, tmp_path, monkeypatch):
    chosen = filled.catalog.select_media

    def select(wanted):
        found = chosen(wanted)
        remove(filled, [str(footage / "b")])
        return found

    monkeypatch.setattr(filled.catalog, "select_media", select)
    rows, media = exported(filled, tmp_path)
    assert [row["media_id"] for row in media] == [1, 3]
    assert {row["media_id"] for row in rows} == {1, 3}


def test_opening_a_library_does_not_import_pyarrow(filled):
    program = (
        "import sys, pathlib; from avsearch.library import open_library, export\n"
        "open_library(pathlib.Path(sys.argv[1])).view()\n"
        "print({'pyarrow', 'torch', 'faiss', 'alembic'} & set(sys.modules))"
    )
    arguments = [sys.executable, "-c", program, str(filled.directory)]
    assert subprocess.check_output(arguments, text=True) == "set()\n"
