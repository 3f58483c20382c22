import json

import pytest

from avsearch.manifest import read_manifest
from tests.cli.command import here, objects

CSV = '# YTID\n--4gqARaEJE, 0, 10, "/m/saw,/m/cat"\nbbbbbbbbbbb, 30, 40, "/m/cat"\nccccccccccc, 5, 15, "/m/saw"\n'
CLASSES = [("/m/t", "Tools", ["/m/saw"]), ("/m/saw", "Saw, electric", []), ("/m/cat", "Cat", []),
           ("/m/i", "Musical instrument", []), ("/m/s", "Singing", [])]  # fmt: skip


@pytest.fixture
def arguments(tmp_path):
    (tmp_path / "eval_segments.csv").write_text(CSV)
    records = [{"id": class_id, "name": name, "child_ids": below} for class_id, name, below in CLASSES]
    (tmp_path / "ontology.json").write_text(json.dumps(records))
    (tmp_path / "clips" / "deep").mkdir(parents=True)
    for name in ("--4gqARaEJE.mp4", "deep/bbbbbbbbbbb_000030.mp4", "unknown.mp4"):
        (tmp_path / "clips" / name).write_bytes(b"1")
    given = ["--ontology", tmp_path / "ontology.json", "--folder", tmp_path / "clips", "--out", tmp_path / "m.csv"]
    return ["import", "audioset", tmp_path / "eval_segments.csv", *given]


def test_clips_become_a_manifest_and_missing_ones_are_counted(tmp_path, arguments):
    code, out, err = here(*arguments)
    assert code == 3
    assert out == f"{tmp_path / 'm.csv'}\n"
    assert "2 clips of 3 segments" in err
    assert "ccccccccccc: has no clip in the folder." in err
    rows = read_manifest(tmp_path / "m.csv").rows
    assert [row.path for row in rows] == [
        tmp_path / "clips/--4gqARaEJE.mp4", tmp_path / "clips/deep/bbbbbbbbbbb_000030.mp4"
    ]  # fmt: skip
    assert [row.labels for row in rows] == [("Saw, electric", "Cat"), ("Cat",)]
    assert [row.labels_in("ids") for row in rows] == [("/m/saw", "/m/cat"), ("/m/cat",)]
    assert {row.split for row in rows} == {"test"}


def test_where_nothing_is_missing_it_is_done(tmp_path, arguments):
    (tmp_path / "clips" / "ccccccccccc_5000_15000.mp4").write_bytes(b"1")
    code, out, err = here(*arguments, "--split", "val", "--instruments", "--json")
    assert code == 0
    assert objects(out) == [{"manifest": str(tmp_path / "m.csv"), "clips": 2, "segments": 2, "failed": []}]
    assert "2 clips of 2 segments" in err
    assert {row.split for row in read_manifest(tmp_path / "m.csv").rows} == {"val"}


def test_a_folder_of_other_clips_is_one_sentence(tmp_path, arguments):
    for clip in (tmp_path / "clips").rglob("*.mp4"):
        clip.rename(clip.with_name("other.mp4"))
    code, out, err = here(*arguments)
    assert (code, out) == (1, "")
    assert "holds none of the 3 segments" in err
    assert not (tmp_path / "m.csv").exists()
