import json
from pathlib import Path

import pytest

from avsearch.audioset import (
    INSTRUMENT_ROOTS,
    Ontology,
    Segment,
    found_clips,
    manifest_rows,
    read_ontology,
    read_segments,
    with_any,
)
from avsearch.errors import ManifestError

DATA = Path(__file__).parents[2] / "shared" / "data" / "audioset"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="AudioSet's lists are not here")
CSV = """# Segments csv created Sun Mar  5 10:54:25 2017
# num_ytids=3, num_segs=3, num_unique_labels=4, num_positive_labels=5
# YTID, start_seconds, end_seconds, positive_labels
--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_"
Y0_id-bcd_f, 30.500, 40.500, "/m/0l14jd"

zzzzzzzzzzz,20,30,/t/dd00005
"""
TREE = [("/1", "Things", ["/2", "/3"]), ("/2", "Tools", ["/4"]), ("/3", "Singing", ["/4"]), ("/4", "Saw", [])]


def listed(tmp_path, text=CSV):
    (tmp_path / "list.csv").write_text(text)
    return read_segments(tmp_path / "list.csv")


def ontology(tmp_path):
    records = [{"id": class_id, "name": name, "child_ids": below} for class_id, name, below in TREE]
    (tmp_path / "ontology.json").write_text(json.dumps(records))
    return read_ontology(tmp_path / "ontology.json")


def test_a_list_is_read_as_audioset_writes_it(tmp_path):
    assert listed(tmp_path) == [
        Segment("--4gqARaEJE", 0, 10_000, ("/m/068hy", "/m/07q6cd_")),
        Segment("Y0_id-bcd_f", 30_500, 40_500, ("/m/0l14jd",)),
        Segment("zzzzzzzzzzz", 20_000, 30_000, ("/t/dd00005",)),
    ]


@pytest.mark.parametrize("text", ["", "# only\n", "a,b\n", "short,0,1,/m/1\n", "--4gqARaEJE,x,1,/m/1\n", "\0"])
def test_what_is_no_list_says_so(tmp_path, text):
    with pytest.raises(ManifestError):
        listed(tmp_path, text)
    with pytest.raises(ManifestError):
        read_segments(tmp_path / "none.csv")


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"id": 1}]', "null"])
def test_what_is_no_ontology_says_so(tmp_path, text):
    (tmp_path / "o.json").write_text(text)
    with pytest.raises(ManifestError, match="ontology"):
        read_ontology(tmp_path / "o.json")


def test_below_a_class_is_all_that_can_be_reached_and_itself(tmp_path):
    tree = ontology(tmp_path)
    assert tree.below(["Things"]) == {"/1", "/2", "/3", "/4"}
    assert tree.below(["Tools", "Singing"]) == {"/2", "/3", "/4"}
    with pytest.raises(ManifestError, match="Drums"):
        tree.below(["Drums"])


@needs_data
def test_the_instruments_are_the_110_classes_of_the_paper_and_4361_clips_of_the_evaluation_list():
    ids = read_ontology(DATA / "ontology.json").below(INSTRUMENT_ROOTS)
    assert ids == set(json.loads((DATA / "instruments_110_ids.json").read_text()))
    assert len(ids) == 110
    assert len(with_any(read_segments(DATA / "eval_segments.csv"), ids)) == 4361


NAMES = [
    "--4gqARaEJE.mp4", "--4gqARaEJE_0.mkv", "--4gqARaEJE_000000.mp4", "--4gqARaEJE_0_10.mp4",
    "--4gqARaEJE_0.000_10.000.wav", "--4gqARaEJE_0_10000.mp4", "--4gqARaEJE_0-10.wav",
    "--4gqARaEJE_0.0-10.0.flac", "Y--4gqARaEJE.wav", "id_--4gqARaEJE.mp4", "id_--4gqARaEJE_0_10.mp4",
    "Y--4gqARaEJE_0.000_10.000.wav",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_downloaders_give_are_recognised(tmp_path, name):
    clips, absent = found_clips(listed(tmp_path), [Path("deep") / name], tmp_path)
    assert {segment.youtube_id: path.name for segment, path in clips.items()} == {"--4gqARaEJE": name}
    assert len(absent) == 2


@pytest.mark.parametrize(
    "name", ["zzzzzzzzzzz_000020", "zzzzzzzzzzz_20000", "zzzzzzzzzzz_20000_30000", "zzzzzzzzzzz_20"]
)
def test_times_are_seconds_or_milliseconds(tmp_path, name):
    clips, _ = found_clips(listed(tmp_path), [Path(f"{name}.mp4")], tmp_path)
    assert [segment.youtube_id for segment in clips] == ["zzzzzzzzzzz"]


@pytest.mark.parametrize(
    "name",
    [
        "zzzzzzzzzzz_30",
        "zzzzzzzzzzz_20_30000",
        "zzzzzzzzzzz_20_31",
        "zzzzzzzzzz",
        "zzzzzzzzzzz_",
        "zzzzzzzzzzzz",
        "zzzzzzzzzzz_x",
    ],
)
def test_other_stretches_and_other_names_are_not_taken(tmp_path, name):
    clips, absent = found_clips(listed(tmp_path), [Path(f"{name}.mp4")], tmp_path)
    assert not clips
    assert [failed.path.name for failed in absent] == ["--4gqARaEJE", "Y0_id-bcd_f", "zzzzzzzzzzz"]


def test_ids_that_look_like_something_else_are_recognised(tmp_path):
    for name in ("Y0_id-bcd_f.mp4", "YY0_id-bcd_f.mp4", "Y0_id-bcd_f_30.5.mp4", "Y0_id-bcd_f_30500_40500.mp4"):
        clips, _ = found_clips(listed(tmp_path), [Path(name)], tmp_path)
        assert [segment.youtube_id for segment in clips] == ["Y0_id-bcd_f"], name
    tricky = [Segment("id_xxxxxxxx", 12_000, 22_000, ()), Segment("xxxxxxxx_12", 0, 10_000, ())]
    clips, _ = found_clips(tricky, [Path("id_xxxxxxxx_12.mp4")], tmp_path)
    assert len(clips) == 2  # nobody can tell


def test_of_several_files_the_one_that_says_most_is_taken(tmp_path):
    files = [Path(f"--4gqARaEJE{rest}") for rest in (".mp4", "_0.mp4", "_0_10.mp4", "_0_10.mkv", "_5.mp4")]
    clips, _ = found_clips(listed(tmp_path), files, tmp_path)
    assert [path.name for path in clips.values()] == ["--4gqARaEJE_0_10.mp4"]


def test_two_stretches_of_one_video_are_two_clips(tmp_path):
    two = [Segment("zzzzzzzzzzz", 0, 10_000, ("/1",)), Segment("zzzzzzzzzzz", 10_000, 20_000, ("/1",))]
    clips, absent = found_clips(two, [Path("zzzzzzzzzzz_10.mp4"), Path("zzzzzzzzzzz_0.mp4")], tmp_path)
    assert [path.name for path in clips.values()] == ["zzzzzzzzzzz_0.mp4", "zzzzzzzzzzz_10.mp4"]
    assert not absent


def test_rows_have_names_and_ids_and_paths_that_lead_to_the_clips(tmp_path):
    names = Ontology({"/m/068hy": "Domestic animals, pets"}, {})
    [segment, *_] = listed(tmp_path)
    rows = list(
        manifest_rows({segment: tmp_path / "c" / "a.mp4"}, names, split="test", manifest=tmp_path / "m.csv")
    )
    assert rows == [
        {"path": "c/a.mp4", "labels": "Domestic animals, pets;/m/07q6cd_", "split": "test",
         "ids": "/m/068hy;/m/07q6cd_", "youtube_id": "--4gqARaEJE", "start_s": "0", "end_s": "10"}
    ]  # fmt: skip
    [row] = manifest_rows({segment: Path("/away/a.mp4")}, names, split="x", manifest=tmp_path / "m.csv")
    assert row["path"] == "/away/a.mp4"
