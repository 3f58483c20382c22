import json
import shutil
import sys

import numpy as np
import pytest

from tests.cli.command import here, objects


def run(*words, library, code=0):
    """A library command as JSON objects and the words for people; the exit code is checked."""
    found, out, errors = here("library", *words, "--library", library, "--json")
    assert found == code, errors
    return objects(out), errors


def status(library):
    return run("status", library=library)[0][0]


def found_paths(query, library):
    _, out, _ = here("query", query, "--find", "image", "--by", "image", "--library", library, "--json")
    return [hit["path"] for hit in objects(out)]


def test_the_status_has_every_figure_as_a_table_and_as_json(made_library):
    code, table, _ = here("library", "status", "--library", made_library)
    record = status(made_library)
    assert code == 0
    for row in ("library", "database", "encoder", "roots", "files", "media", "hours", "moments", "left out"):
        assert any(line.startswith(row) for line in table.splitlines())
    assert (record["library"], record["database"]) == (str(made_library), "sqlite:///catalog.sqlite3")
    assert record["files"] == {"indexed": 4, "failed": 0, "missing": 0, "removed": 0}
    assert record["database_bytes"] >= (made_library / "catalog.sqlite3").stat().st_size
    assert (record["silent_seconds"], record["still_frames"], record["dead_moments"]) == (0, 0, 0)
    assert record["pending"] is None
    assert "reclaimable" not in table
    assert "unfinished" not in table


def test_silence_and_stills_that_were_left_out_are_counted(films, weights, tmp_path):
    from tests.media.clips import ffmpeg

    still = ["-f", "lavfi", "-i", "color=black:s=96x72:r=5:d=8", "-f", "lavfi", "-i", "anullsrc=r=48000", "-t", "8"]
    ffmpeg(*still, "-c:v", "libx264", "-g", "5", "-c:a", "pcm_s16le", tmp_path / "still.mkv")
    here("index", tmp_path / "still.mkv", "--library", tmp_path / "lib", "--model", weights)
    record = status(tmp_path / "lib")
    _, table, _ = here("library", "status", "--library", tmp_path / "lib")
    assert record["silent_seconds"] == 8
    assert record["still_frames"] > 0
    assert f"8 silent seconds, {record['still_frames']} black or frozen frames" in table


def test_what_is_removed_is_found_no_more_and_stays_out(films, own_library):
    assert len(found_paths(films / "top.mp4", own_library)) == 4
    (done,), errors = run("remove", films / "a", f"{films}/b/*.mp4", library=own_library)
    assert (done["files"], done["media"]) == (3, 3)
    assert "3 files removed" in errors
    assert found_paths(films / "top.mp4", own_library) == [str(films / "top.mp4")]
    assert "3 removed earlier and left out" in here("index", films, "--library", own_library)[2]
    here("index", films / "a" / "one.mp4", "--library", own_library)
    assert len(found_paths(films / "top.mp4", own_library)) == 2


def test_a_target_that_names_nothing_is_an_error_and_nothing_is_removed(films, own_library):
    code, out, errors = here("library", "remove", films / "a", films / "nothing.mp4", "--library", own_library)
    assert (code, out) == (1, "")
    assert "nothing.mp4" in errors
    assert status(own_library)["files"]["removed"] == 0


def test_compact_gives_back_what_the_status_calls_reclaimable(films, own_library):
    run("remove", films / "a", library=own_library)
    _, table, _ = here("library", "status", "--library", own_library)
    dead = status(own_library)["dead_moments"]
    assert dead > 0
    assert f"{dead} moments; `avsearch library compact`" in table
    (done,), errors = run("compact", library=own_library)
    assert done["media_forgotten"] == 2
    assert done["bytes_after"] < done["bytes_before"]
    assert "2 media forgotten" in errors
    assert status(own_library)["dead_moments"] == 0
    assert here("library", "verify", "--library", own_library)[0] == 0


def test_a_folder_that_moved_is_relinked_without_reading(films, weights, tmp_path):
    old, library = shutil.copytree(films, tmp_path / "old"), tmp_path / "lib"
    here("index", old, "--library", library, "--model", weights)
    new = old.rename(tmp_path / "new")
    (new / "top.mp4").unlink()
    (done,), errors = run("relink", old, new, library=library)
    assert (done["root"], done["files"], done["there"]) == (str(new), 4, 3)
    assert f"Run `avsearch index {new}`" in errors
    assert str(new / "b" / "three.mp4") in found_paths(films / "top.mp4", library)


def test_relinking_to_a_place_without_the_files_is_refused(films, own_library, tmp_path):
    code, _, errors = here("library", "relink", films, tmp_path, "--library", own_library)
    assert code == 1
    assert errors.startswith("error: ")


def test_an_export_has_the_vectors_that_are_searched(films, own_library, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "vectors"
    code, printed, errors = here("library", "export", "--out", out, "--library", own_library)
    assert code == 0, errors
    assert sorted(printed.splitlines()) == [str(out / "media.parquet"), str(out / "moments.parquet")]
    table = parquet.read_table(out / "moments.parquet")
    vectors = np.array(table["vector"].to_pylist(), np.float32)
    assert len(vectors) == sum(status(own_library)["moments"].values())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_an_export_takes_only_what_is_asked_for(films, own_library, tmp_path):
    pytest.importorskip("pyarrow")
    for number, (words, count) in enumerate((
        (("--under", films / "a"), 2), (("--kind", "video"), 4), (("--kind", "sound"), 0), (("--label", "dog"), 0),
    )):  # fmt: skip
        (done,), _ = run("export", "--out", tmp_path / str(number), *words, library=own_library)
        assert (words, done["media"]) == (words, count)


def test_without_pyarrow_the_export_says_what_to_install(own_library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, errors = here("library", "export", "--out", tmp_path / "out", "--library", own_library)
    assert code == 1
    assert "pip install" in errors


def test_verify_tells_each_problem_and_exits_with_1(own_library):
    assert run("verify", library=own_library)[0] == []
    segment = next((own_library / "segments").iterdir())
    segment.unlink()
    problems, errors = run("verify", library=own_library, code=1)
    assert any(segment.name in problem["problem"] for problem in problems)
    assert "problem" in errors
    code, out, _ = here("library", "verify", "--library", own_library)
    assert (code, len(out.splitlines())) == (1, len(problems))


def test_an_upgrade_of_a_library_of_this_version_changes_nothing(own_library):
    before = status(own_library)
    code, out, errors = here("library", "upgrade", "--library", own_library)
    assert (code, out) == (0, "")
    assert "is of this version's format" in errors
    assert json.dumps(status(own_library)) == json.dumps(before)
