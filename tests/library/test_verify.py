"""Verify finds whatever is wrong, names the file, and says what to do."""

import sqlite3

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from avsearch.library import open_library, orphans, verify
from avsearch.moments import Modality


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
    connection = sqlite3.connect(library.directory / "catalog.sqlite3")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_library_as_it_was_written_has_no_problem(filled):
    assert verify(filled) == []
    assert orphans(filled) == []


def test_an_empty_library_has_no_problem(library):
    assert verify(library) == []


def test_every_flipped_byte_of_a_segment_is_a_problem(filled):
    path = segment_paths(filled)[0]
    data = path.read_bytes()
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        assert path.name in str(verify(filled)[0])
    path.write_bytes(data)
    assert verify(filled) == []


def test_a_missing_segment_is_a_problem(filled):
    path = segment_paths(filled)[0]
    path.unlink()
    assert only_problem(filled) == (
        f"{path}: the segment cannot be read (No such file or directory); "
        "restore it from a backup, or index its files again into a new library."
    )


def test_a_missing_encoder_is_a_problem(filled):
    path = filled.encoder_path(filled.snapshot().encoder)
    path.unlink()
    assert only_problem(filled).startswith(f"{path}: there is no such weights file; copy it there again")


def test_a_damaged_encoder_is_a_problem(filled):
    path = filled.encoder_path(filled.snapshot().encoder)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert only_problem(filled) == f"{path}: the weights are damaged; copy it there again from the training run."


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


def test_a_row_that_points_nowhere_is_a_problem(filled):
    sql(filled, "PRAGMA foreign_keys = OFF", "DELETE FROM label", "UPDATE file SET root_id = 77 WHERE media_id = 1")
    assert "names a row of root that does not exist; restore the database from a backup." in only_problem(filled)


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
    assert orphans(filled) == sorted(left)
    with filled.writer():
        pass
    assert set(segments.iterdir()) == kept | set(foreign)
    assert verify(filled) == []
