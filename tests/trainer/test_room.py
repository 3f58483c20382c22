from collections import namedtuple
from dataclasses import replace

import pytest

from avsearch import media
from avsearch.errors import TrainingError
from avsearch.moments import Silent
from tests.media.clips import make_clip
from tests.models import tiny
from trainer.cache import fill_cache
from trainer.room import SAMPLED_FILES, clips_bytes, sample

Usage = namedtuple("Usage", "total used free")


class Heard(Silent):
    def __init__(self):
        self.sentences, self.stages = [], []

    def say(self, sentence):
        self.sentences.append(sentence)

    def stage(self, name, *_):
        self.stages.append(name)


@pytest.mark.parametrize("rate", ["25", "30", "24000/1001", "15", "5"])
@pytest.mark.parametrize("seconds", [3, 13])
@pytest.mark.parametrize("num_frames", [1, 25])
def test_what_is_told_beforehand_is_what_the_clips_take(tmp_path, rate, seconds, num_frames):
    path = tmp_path / "a.mp4"
    shown = round(seconds * eval(rate))
    make_clip(path, frames=min(shown, 400), rate=rate, seconds=seconds, size=(96, 64))
    front_end = replace(tiny.FRONT_END, num_frames=num_frames)
    _, failures = fill_cache([path], tmp_path / "cache", front_end, Silent())
    assert not failures
    taken = sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*.clips"))
    assert clips_bytes(media.probe(path), front_end) == pytest.approx(taken, rel=0.1)


@pytest.mark.slow
def test_the_need_is_told_before_decoding_and_not_again(tmp_path, clips_folder):
    first, second = Heard(), Heard()
    files = sorted(clips_folder.glob("*.mp4"))
    fill_cache(files, tmp_path, tiny.FRONT_END, first)
    [sentence] = first.sentences
    assert "8 files" in sentence
    assert str(tmp_path) in sentence
    fill_cache(files, tmp_path, tiny.FRONT_END, second)
    assert second.sentences == []
    assert second.stages == ["look"]


def test_too_little_room_is_one_sentence_before_anything_is_decoded(tmp_path, clips_folder, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10**6, 0, 10**6))
    monkeypatch.setattr(media, "read_frames", None)
    with pytest.raises(TrainingError, match=r"8 files take \d MB, and 1 MB are free") as caught:
        fill_cache(sorted(clips_folder.glob("*.mp4")), tmp_path, tiny.FRONT_END, Silent())
    assert "--cache" in caught.value.hint


def test_of_many_files_some_are_probed_evenly_chosen():
    assert sample(range(10)) == list(range(10))
    chosen = sample(range(100_000))
    assert len(chosen) == SAMPLED_FILES
    assert (chosen[0], chosen[-1]) == (0, 99_999)
