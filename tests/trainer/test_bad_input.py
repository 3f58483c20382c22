import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from avsearch.errors import TrainingError
from avsearch.moments import Silent
from tests.media.clips import make_clip
from tests.trainer.runs import losses
from trainer import loop
from trainer.loop import train


def test_an_out_folder_that_cannot_be_is_one_sentence(tmp_path, job):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match="cannot be written"):
        train(replace(job, out=tmp_path / "file"), Silent())


def test_bad_files_are_listed_and_the_others_train(tmp_path, job, clips_folder):
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    silent = make_clip(tmp_path / "silent.mp4", size=(64, 64))
    short = make_clip(tmp_path / "short.mp4", frames=20, seconds=0.8, size=(64, 64))
    trained = train(replace(job, paths=[clips_folder, text, silent, short]), Silent())
    assert [failed.path for failed in trained.failures] == [text, silent, short]
    assert all(failed.reason for failed in trained.failures)
    assert trained.header.provenance["training_media"] == 6


@pytest.mark.parametrize("kind", ["text", "silent", "short", "one"])
def test_too_little_to_learn_from_is_one_sentence_with_the_reason(tmp_path, job, kind):
    if kind == "text":
        (tmp_path / "in.mp4").write_text("no video at all")
    elif kind == "short":
        make_clip(tmp_path / "in.mp4", frames=20, seconds=0.8, size=(64, 64))
    else:
        make_clip(tmp_path / "in.mp4", seconds=2.2 if kind == "one" else None, size=(64, 64))
    with pytest.raises(TrainingError, match="Only 0 usable videos") as caught:
        train(replace(job, paths=[tmp_path / "in.mp4"]), Silent())
    assert "four videos" in caught.value.hint
    assert ("in.mp4" in caught.value.message) == (kind != "one")
    assert not (job.out / "checkpoints").exists()


def test_videos_whose_sound_is_all_silence_are_one_sentence(tmp_path, job):
    silence = ["-af", "volume=0"]
    clips = [
        make_clip(tmp_path / f"{number}.mp4", frames=50 + number, seconds=2.2, size=(64, 64), options=silence)
        for number in range(4)
    ]
    with pytest.raises(TrainingError, match="silen"):
        train(replace(job, paths=clips), Silent())


def test_a_loss_that_is_no_number_stops_before_the_weights_change(job, monkeypatch):
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, _network, images, *_):
            self.calls += 1
            return images.sum() * (math.nan if self.calls == 3 else 1.0)

    updates = []
    original = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, *a: (updates.append(1), original(self, *a)))
    monkeypatch.setattr(loop, "objective", lambda _: Broken())
    with pytest.raises(TrainingError, match="no longer a number"):
        train(job, Silent())
    assert len(updates) == 2
    assert list(losses(job.out)) == [1, 2]
    for name, tensor in load_file(job.out / "checkpoints" / "last.safetensors").items():
        assert np.isfinite(tensor).all(), name


def test_a_gradient_that_is_no_number_stops_before_the_weights_change(job, monkeypatch):
    class Broken(torch.nn.Module):
        def forward(self, _network, images, *_):
            return (images - images.detach()).square().sum().sqrt()  # 0, but its slope is infinite

    monkeypatch.setattr(loop, "objective", lambda _: Broken())
    with pytest.raises(TrainingError):
        train(job, Silent())
    assert not (job.out / "checkpoints").exists()


def test_a_damaged_shard_stops_the_run_in_one_sentence_and_resuming_decodes_it_again(tmp_path, job):
    job = replace(job, cache=tmp_path / "cache")
    expected = train(job, Silent()).header.fingerprint
    [shard] = job.cache.rglob("*.clips")
    data = bytearray(shard.read_bytes())
    for at in range(0, len(data), 5_000):
        data[at] ^= 1
    shard.write_bytes(data)
    job = replace(job, out=tmp_path / "other")
    with pytest.raises(TrainingError, match=shard.name) as caught:
        train(job, Silent())
    assert "--resume" in caught.value.hint
    assert train(replace(job, resume=True), Silent()).header.fingerprint == expected
