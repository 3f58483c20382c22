from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.errors import ManifestError, MediaError, TrainingError
from trainer.cache import CachedClip
from trainer.records import Record
from trainer.sources import find_sources, hold_out


def write(folder, rows):
    folder.mkdir(exist_ok=True)
    lines = ["path,labels,split", *(f"{path},dog,{split}" for path, split in rows)]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def test_a_manifest_chooses_its_train_and_val_rows_and_no_others(tmp_path):
    manifest = write(tmp_path / "m", [("a.mp4", "train"), ("b.mp4", "test"), ("c.mp4", "val"), ("d.mp4", "extra")])
    (tmp_path / "m" / "not-named.mp4").write_text("x")
    sources = find_sources([tmp_path / "m"], manifest)
    assert sources.train == [tmp_path / "m" / "a.mp4"]
    assert sources.val == [tmp_path / "m" / "c.mp4"]


def test_without_val_rows_a_part_of_train_will_validate(tmp_path):
    sources = find_sources([tmp_path / "m"], write(tmp_path / "m", [("a.mp4", "train")]))
    assert sources.val is None


def test_only_rows_below_the_paths_count(tmp_path):
    manifest = write(tmp_path / "m", [("x/a.mp4", "train"), ("y/b.mp4", "train"), ("xy/c.mp4", "train")])
    assert find_sources([tmp_path / "m" / "x"], manifest).train == [tmp_path / "m" / "x" / "a.mp4"]
    assert len(find_sources([tmp_path / "m" / "x", tmp_path / "m" / "y" / "b.mp4"], manifest).train) == 2


def test_paths_relative_to_where_one_stands_will_do(tmp_path, monkeypatch):
    manifest = write(tmp_path / "m", [("a.mp4", "train")])
    monkeypatch.chdir(tmp_path)
    assert find_sources([Path("m")], manifest).train == [tmp_path / "m" / "a.mp4"]
    assert find_sources([Path()], Path("m/manifest.csv")).train == [tmp_path / "m" / "a.mp4"]


@pytest.mark.parametrize("way", ["dots", "link"])
def test_another_way_to_the_same_folder_will_do(tmp_path, monkeypatch, way):
    manifest = write(tmp_path / "m", [("a.mp4", "train")])
    (tmp_path / "beside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "m")
    monkeypatch.chdir(tmp_path / "beside")
    folder = Path("../m") if way == "dots" else tmp_path / "link"
    assert len(find_sources([folder], manifest).train) == 1


def test_a_manifest_of_other_files_says_so(tmp_path):
    manifest = write(tmp_path / "m", [("a.mp4", "train")])
    with pytest.raises(TrainingError, match="split=train") as caught:
        find_sources([tmp_path / "other"], manifest)
    assert "manifest" in caught.value.hint


def test_a_missing_manifest_path_or_media_says_so(tmp_path):
    with pytest.raises(ManifestError):
        find_sources([tmp_path], tmp_path / "none.csv")
    with pytest.raises(MediaError, match="no such"):
        find_sources([tmp_path / "none"], None)
    with pytest.raises(MediaError, match="no media"):
        find_sources([tmp_path], None)


def record(at):
    return Record(Path("a.clips"), at, 1, 4, 4, 1, 48_000, 0, has_flow=False, checksum=0)


HASHES = st.lists(st.integers(0, 2**64), min_size=4, max_size=60, unique=True).map(
    lambda numbers: [f"{number:032x}" for number in numbers]
)


@given(hashes=HASHES, copies=st.integers(1, 3), data=st.data())
def test_a_tenth_of_the_media_is_held_out_whole_whatever_their_order(hashes, copies, data):
    clips = [CachedClip(record(part), "v.mp4", name) for name in hashes for part in range(copies)]
    train, val = hold_out(clips)
    trained, validated = ({clip.content_hash for clip in part} for part in (train, val))
    assert not trained & validated
    assert trained | validated == set(hashes)
    assert len(validated) == max(len(hashes) // 10, 2)
    assert len(train) + len(val) == len(clips)
    shuffled = data.draw(st.permutations(clips))
    assert set(hold_out(shuffled)[1]) == set(val)
