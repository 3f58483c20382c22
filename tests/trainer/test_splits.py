import os
import sys
from dataclasses import replace
from itertools import pairwise

import pytest

from avsearch import media
from avsearch.moments import Silent
from trainer import preparation
from trainer.cache import CachedClip
from trainer.dataset import evenly_chosen
from trainer.loop import train

WATCHED: set[str] = set()  # paths that must not be opened now; an audit hook cannot be taken off again


def _audit(event, arguments):
    if WATCHED and event in {"open", "subprocess.Popen"}:
        told = str(arguments)
        for path in WATCHED:
            if path in told:
                raise AssertionError(f"{event} touches {path}")


sys.addaudithook(_audit)


@pytest.fixture
def never_opened():
    """Fail as soon as Python opens one of these paths or gives it to a process."""
    yield lambda paths: WATCHED.update(map(str, paths))
    WATCHED.clear()


def manifest(path, rows):
    lines = ["path,labels,split", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_files_of_the_test_split_are_never_opened(tmp_path, job, clips_folder, never_opened, monkeypatch):
    tests = [tmp_path / f"test{number}.mp4" for number in range(3)]
    for path in tests:
        os.mkfifo(path)  # reading one would wait for ever
    clips = sorted(clips_folder.glob("*.mp4"))
    rows = [(path, "a", "train") for path in clips[:5]] + [(path, "a", "val") for path in clips[5:]]
    csv = manifest(tmp_path / "m.csv", [*rows, *((path, "a", "test") for path in tests)])
    never_opened(tests)
    asked = []
    for name in ("probe", "content_hash", "frame_times", "read_frames", "read_sound"):
        original = getattr(media, name)
        monkeypatch.setattr(
            media, name, lambda path, *a, _f=original, **k: (asked.append(path), _f(path, *a, **k))[1]
        )
    trained = train(replace(job, paths=[tmp_path, clips_folder], manifest=csv, cache=None), Silent())
    assert set(asked) == set(clips)
    assert trained.header.provenance["training_media"] == 5
    assert not trained.failures


def test_the_watch_over_test_files_works(tmp_path, never_opened):
    (tmp_path / "a.mp4").write_bytes(b"0")
    (tmp_path / "b.mp4").write_bytes(b"0")
    never_opened([tmp_path / "a.mp4", tmp_path / "b.mp4"])
    with pytest.raises(AssertionError, match="touches"):
        media.content_hash(tmp_path / "a.mp4")
    with pytest.raises(AssertionError, match="touches"):
        media.probe(tmp_path / "b.mp4")


def test_what_validates_is_spread_over_all_that_could(cached_clip, monkeypatch):
    """A manifest may be in the order of its classes."""
    clips = [CachedClip(None, f"{number}.mp4", str(number)) for number in range(1000)]
    chosen = [int(clip.content_hash) for clip in evenly_chosen(clips, 256)]
    assert (chosen[0], chosen[-1], len(set(chosen))) == (0, 999, 256)
    assert {after - before for before, after in pairwise(chosen)} <= {3, 4}
    assert evenly_chosen(clips[:5], 256) == clips[:5]


def test_a_run_validates_with_clips_from_all_of_the_manifest(tmp_path, job, clips_folder, monkeypatch):
    clips = sorted(clips_folder.glob("*.mp4"))
    csv = manifest(tmp_path / "m.csv", [(path, "", "train" if n < 2 else "val") for n, path in enumerate(clips)])
    monkeypatch.setattr(preparation, "_num_held_out", lambda _: 3)
    run, _ = preparation.prepare(replace(job, manifest=csv), Silent())
    assert [clip.source for clip in run.val.clips] == [clips[2], clips[4], clips[7]]
