import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from avsearch.errors import TrainingError
from avsearch.moments import Silent
from tests.media.clips import make_clip
from tests.trainer.runs import losses
from trainer import step
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

        def forward(self, _network, perceived):
            self.calls += 1
            return perceived.seen.sum() * (math.nan if self.calls == 3 else 1.0)

    updates = []
    original = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, *a: (updates.append(1), original(self, *a)))
    monkeypatch.setattr(step, "objective", lambda _: Broken())
    with pytest.raises(TrainingError, match=r"step 3 is no number.*\.mp4"):
        train(job, Silent())
    named = (job.out / "not-a-number.txt").read_text().split()
    assert len(named) == 4  # the batch
    assert {Path(name).parent for name in named} == set(job.paths)
    assert len(updates) == 2
    assert list(losses(job.out)) == [1, 2]
    for name, tensor in load_file(job.out / "checkpoints" / "last.safetensors").items():
        assert np.isfinite(tensor).all(), name


def test_a_gradient_that_is_no_number_stops_before_the_weights_change(job, monkeypatch):
    class Broken(torch.nn.Module):
        def forward(self, _network, perceived):
            images = perceived.seen
            return (images - images.detach()).square().sum().sqrt()  # 0, but its slope is infinite

    monkeypatch.setattr(step, "objective", lambda _: Broken())
    with pytest.raises(TrainingError):
        train(job, Silent())
    with safe_open(job.out / "checkpoints" / "last.safetensors", "np") as file:
        assert json.loads(file.metadata()["state"])["step"] == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes. Error code 12"),
    ],
)
def test_too_little_memory_names_a_batch_size_to_try(job, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(step, "tensors", full)
    with pytest.raises(TrainingError, match="does not hold a batch of 4") as caught:
        train(job, Silent())
    assert "--batch-size 2" in caught.value.hint


def test_other_errors_of_the_device_are_not_taken_for_too_little_memory(job, monkeypatch):
    def broken(*_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(step, "tensors", broken)
    with pytest.raises(RuntimeError, match="illegal"):
        train(job, Silent())
