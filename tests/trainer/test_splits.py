import os
import sys
from dataclasses import replace

import pytest

from avsearch import media
from avsearch.moments import Silent
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
