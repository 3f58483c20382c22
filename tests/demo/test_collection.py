import json
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from avsearch.demo import collection
from avsearch.demo.collection import COLUMNS, make_collection
from avsearch.demo.kinds import FAMILY_OF
from avsearch.demo.plan import plan_clip, plan_collection
from avsearch.demo.synthesis import record_sound
from avsearch.errors import MediaError, UsageError
from avsearch.manifest import read_manifest
from avsearch.moments import Silent


class Heard(Silent):
    """Remembers what a job told of its progress."""

    def __init__(self):
        self.stages, self.done = [], 0

    def stage(self, name, total, unit):
        self.stages.append((name, total, unit))

    def advance(self, amount=1, note=""):
        self.done += amount
        assert note in FAMILY_OF


@pytest.fixture(scope="module", autouse=True)
def few_plans():
    """Ten clips instead of sixty: the clocks and the dogs or cars beside them, all splits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            collection, "plan_collection", lambda count, *, seed: plan_collection(count, seed=seed)[30:40]
        )
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory, few_plans):
    return read_manifest(make(tmp_path_factory.mktemp("demo")))


def make(directory, progress=None, seed=0):
    return make_collection(directory, clips_per_kind=5, seed=seed, progress=progress or Silent())


def plan_of(row):
    return plan_clip(row.columns["kind"], int(row.path.stem[-3:]), seed=0)


def test_the_manifest_lists_every_clip_with_its_kind_and_family(made):
    assert made.columns == COLUMNS
    assert len(made.rows) == 10
    assert {row.split for row in made.rows} == {"train", "val", "test"}
    for row in made.rows:
        assert row.path.is_file()
        assert row.labels == (row.columns["kind"], FAMILY_OF[row.columns["kind"]])
        assert row.columns["silent"] == (plan_of(row).silent or "")
        left, top, right, bottom = (float(part) for part in row.columns["boxes"].split(","))
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1


def test_some_clips_show_two_objects_and_the_label_is_the_one_that_sounds(made):
    two = [row for row in made.rows if row.columns["silent"]]
    assert two
    for row in two:
        assert row.columns["silent"] not in row.labels


def test_ffprobe_finds_what_the_manifest_says(made):
    for row in made.rows:
        command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(row.path)]
        report = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        streams = {stream["codec_type"]: stream for stream in report["streams"]}
        video, audio = streams["video"], streams["audio"]
        assert (video["codec_name"], audio["codec_name"]) == ("h264", "aac")
        assert (audio["channels"], audio["sample_rate"]) == (1, "48000")
        assert [str(video["width"]), str(video["height"])] == [row.columns["width"], row.columns["height"]]
        assert Fraction(video["r_frame_rate"]) == Fraction(row.columns["fps"])
        assert float(report["format"]["duration"]) == pytest.approx(float(row.columns["seconds"]), abs=0.03)


def test_a_clip_holds_the_sound_of_its_kind(made):
    for row in made.rows[::3]:
        command = ["ffmpeg", "-v", "error", "-i", str(row.path), "-f", "f32le", "-"]
        heard = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.float32)
        planned = record_sound(row.columns["kind"], plan_of(row).sound_rng(), seconds=3.0).waveform
        same = min(len(heard), len(planned))
        assert np.corrcoef(heard[:same], planned[:same])[0, 1] > 0.5  # AAC does not keep noise


@pytest.mark.slow
def test_progress_counts_every_clip_and_a_second_run_has_nothing_to_do(tmp_path):
    first, second = Heard(), Heard()
    assert make(tmp_path, first) == make(tmp_path, second) == tmp_path / "manifest.csv"
    assert first.stages == [("make", 10, "clip")]
    assert first.done == 10
    assert second.stages == []


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch, made):
    original, count = collection.write_clip, iter(range(100))

    def failing(*args, **options):
        if next(count) == 4:
            raise MediaError("the disk is full.")
        original(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(collection, "write_clip", failing)
        with pytest.raises(MediaError, match="full"):
            make(tmp_path)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "clips").glob("*.mp4")}
    assert 4 <= len(kept) < 10
    assert not (tmp_path / "manifest.csv").exists()
    (tmp_path / "clips" / ".writing-left-by-a-kill").mkdir()

    manifest = make(tmp_path)
    assert manifest.read_text() == made.path.read_text()
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "clips").iterdir()}
    assert len(after) == 10
    assert all(after[name] == time for name, time in kept.items())


@pytest.mark.slow
def test_a_clip_that_was_deleted_is_made_again_byte_for_byte(tmp_path):
    clip = make(tmp_path).parent / "clips" / "clock-002.mp4"
    before = clip.read_bytes()
    clip.unlink()
    make(tmp_path)
    assert clip.read_bytes() == before


@pytest.mark.slow
def test_two_collections_are_never_mixed(tmp_path):
    make(tmp_path)
    with pytest.raises(UsageError, match="another demo collection") as caught:
        make(tmp_path, seed=1)
    assert "delete" in caught.value.hint
    assert read_manifest(tmp_path / "manifest.csv").rows
