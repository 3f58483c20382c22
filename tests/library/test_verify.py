"""Verify finds whatever is wrong, names the file, and says what to do."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from avsearch.library import compact, damaged_segments, open_library, orphans, remove, verify
from avsearch.moments import Modality, Silent


@pytest.fixture
def filled(library, fill):
    fill("a", "b")
    return library


def segment_paths(library):
    return sorted((library.directory / "segments").iterdir())


def only_problem(library):
    (problem,) = verify(open_library(library.directory))
    return str(problem)


def sql(library, *statements):
    with library.layout.database.engine().begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_library_as_it_was_written_has_no_problem(filled):
    assert verify(filled) == []
    assert orphans(filled) == []


def test_an_empty_library_has_no_problem(library):
    assert verify(library) == []


def test_vectors_that_were_made_and_that_no_segment_holds_are_a_problem(filled):
    record = filled.snapshot().segments[0]
    with filled.writer() as writer:
        writer.drop_segments([record])
    encoder = filled.snapshot().encoder
    lost = f"The {record.modality} vectors that {encoder} made of 2 media are lost; run `avsearch library repair`."
    assert only_problem(filled) == lost
    assert damaged_segments(filled) == []


def test_vectors_of_a_removed_media_that_are_lost_are_no_problem(filled, footage):
    remove(filled, [str(footage)])
    with filled.writer() as writer:
        writer.drop_segments(writer.catalog.all_segments())
    assert verify(filled) == []


def test_a_segment_of_media_that_its_encoder_never_dealt_with_is_a_problem(filled):
    sql(filled, "DELETE FROM coverage WHERE media_id = 2")
    found = [str(problem) for problem in verify(filled)]
    remedy = "its media are not covered by"
    assert [path.name for path in segment_paths(filled) if any(path.name in text for text in found)] == [
        path.name for path in segment_paths(filled)
    ]
    assert all(remedy in text and text.endswith("restore the database from a backup.") for text in found)
    assert damaged_segments(filled) == []


def test_the_pending_encoder_is_looked_after_like_the_active_one(filled, make_weights, tmp_path):
    with filled.writer() as writer:
        pending = writer.begin_reembed(make_weights(tmp_path / "new.safetensors", seed=1))
    filled.encoder_path(pending).unlink()
    assert only_problem(filled).startswith(f"{filled.encoder_path(pending)}: there is no such weights file")


def test_a_segment_that_is_compacted_while_one_verifies_is_no_problem(filled, fill, monkeypatch):
    fill("c", seed=1)
    reader = open_library(filled.directory)
    rows_of_media, asked = reader.catalog.rows_of_media, []

    def compact_first(name):
        if not asked:
            compact(filled, Silent())
        asked.append(name)
        return rows_of_media(name)

    monkeypatch.setattr(reader.catalog, "rows_of_media", compact_first)
    assert damaged_segments(reader) == []
    assert not set(asked) & {path.name for path in segment_paths(filled)}
    fill("d", seed=2)
    asked.clear()
    assert verify(reader) == []


def test_weights_that_no_encoder_of_the_catalog_has_are_swept(filled):
    left = filled.directory / "encoders" / f"{'0' * 32}.safetensors"
    mine = filled.directory / "encoders" / "mine.safetensors"
    for path in (left, mine):
        path.write_bytes(b"rest")
    assert orphans(filled) == [str(left)]
    with filled.writer():
        pass
    assert not left.exists()
    assert mine.exists()
    assert verify(filled) == []


def test_a_missing_segment_is_a_problem(filled):
    path = segment_paths(filled)[0]
    path.unlink()
    assert only_problem(filled) == (
        f"{path}: the segment cannot be read (No such file or directory); run `avsearch library repair`."
    )


def test_a_missing_encoder_is_a_problem(filled):
    path = filled.encoder_path(filled.snapshot().encoder)
    path.unlink()
    assert only_problem(filled).startswith(
        f"{path}: there is no such weights file; run `avsearch library repair --model"
    )


def test_a_damaged_encoder_is_a_problem(filled):
    path = filled.encoder_path(filled.snapshot().encoder)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert only_problem(filled) == (
        f"{path}: the weights are damaged; run `avsearch library repair --model FILE` with the file of its "
        "training run."
    )


def test_another_encoder_under_the_name_of_this_one_is_a_problem(filled, make_weights):
    path = filled.encoder_path(filled.snapshot().encoder)
    make_weights(path, seed=5)
    assert only_problem(filled).startswith(f"{path}: is not the encoder ave (small, ave, ")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE embedding SET num_rows = num_rows + 1", "its media are not those that the catalog names"),
        ("DELETE FROM embedding WHERE media_id = 1", "its media are not those that the catalog names"),
        ("UPDATE segment SET num_rows = num_rows + 1", "its header contradicts the catalog"),
        ("UPDATE segment SET dim = 5", "its header contradicts the catalog"),
        ("UPDATE segment SET checksum = 'x'", "its checksum is another"),
        ("UPDATE encoder SET fingerprint = 'x'", "its header contradicts the catalog"),
        ("UPDATE segment SET modality = CASE modality WHEN 'image' THEN 'audio' ELSE 'image' END", "contradicts"),
    ],
)
def test_a_catalog_that_contradicts_a_segment_is_a_problem(filled, statement, problem):
    sql(filled, statement)
    found = [str(one) for one in verify(filled)]
    assert all(any(path.name in text and problem in text for text in found) for path in segment_paths(filled))


@pytest.mark.sqlite
def test_a_row_that_points_nowhere_is_a_problem(filled):
    with closing(sqlite3.connect(filled.directory / "catalog.sqlite3")) as connection, connection:
        connection.execute("UPDATE file SET root_id = 77 WHERE media_id = 1")
    assert "names a row of root that does not exist; restore the database from a backup." in only_problem(filled)


@pytest.mark.sqlite
def test_a_damaged_database_is_a_problem(filled):
    with sqlite3.connect(filled.directory / "catalog.sqlite3") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    path = filled.directory / "catalog.sqlite3"
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    problems = [str(problem) for problem in verify(filled)]
    assert problems
    assert all(text.startswith("The catalog") and "backup" in text for text in problems)


def test_vectors_that_are_no_unit_vectors_are_a_problem_even_when_the_checksum_is_right(filled):
    import xxhash

    record = next(one for one in filled.snapshot().segments if one.modality is Modality.AUDIO)
    path = filled.directory / "segments" / record.name
    arrays = load_file(path)
    arrays["vector"] = arrays["vector"] * 2
    metadata = {"avsearch_segment": "1", "modality": "audio", "encoder": record.fingerprint}
    data = save(arrays, metadata)
    path.write_bytes(data)
    sql(filled, f"UPDATE segment SET checksum = '{xxhash.xxh3_128_hexdigest(data)}' WHERE name = '{record.name}'")
    assert "its rows have not unit length" in only_problem(filled)


def test_rows_out_of_order_are_a_problem_even_when_the_checksum_is_right(filled):
    import xxhash

    record = next(one for one in filled.snapshot().segments if one.modality is Modality.AUDIO)
    path = filled.directory / "segments" / record.name
    arrays = {name: np.ascontiguousarray(array[::-1]) for name, array in load_file(path).items()}
    data = save(arrays, {"avsearch_segment": "1", "modality": "audio", "encoder": record.fingerprint})
    path.write_bytes(data)
    sql(filled, f"UPDATE segment SET checksum = '{xxhash.xxh3_128_hexdigest(data)}' WHERE name = '{record.name}'")
    assert "do not ascend" in only_problem(filled)


def test_orphans_are_no_problem_and_the_next_writer_removes_them_and_nothing_else(filled):
    segments = filled.directory / "segments"
    kept = set(segment_paths(filled))
    left = [segments / f"{'0' * 32}.safetensors", segments / f"{'1' * 32}.safetensors.partial"]
    left.append(filled.directory / "encoders" / "x.safetensors.partial")
    foreign = segments / "notes.txt", segments / "mine.safetensors"
    for path in (*left, *foreign):
        path.write_bytes(b"rest")
    assert verify(filled) == []
    assert orphans(filled) == sorted(map(str, left))
    with filled.writer():
        pass
    assert set(segments.iterdir()) == kept | set(foreign)
    assert verify(filled) == []
