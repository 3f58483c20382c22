import errno
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from tensorboardX.event_file_writer import EventsWriter

from avsearch.errors import MediaError, TrainingError
from avsearch.models.ave import AVENet
from avsearch.moments import Silent
from tests.media.clips import make_clip
from tests.trainer.runs import losses
from trainer import beginning, checkpoint, loop, preparation, step
from trainer.batches import PinnedClips
from trainer.beginning import _MEASURED_ROWS
from trainer.cache import fill_cache
from trainer.dataset import Clips
from trainer.loop import train
from trainer.membership import Membership
from trainer.memory import smaller_batch
from trainer.moments import outline, second_around
from trainer.objectives import AVC
from trainer.preparation import prepare
from trainer.recipes import recipe
from trainer.runlog import RunLog


def test_an_out_folder_that_cannot_be_is_one_sentence(tmp_path, job):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match="cannot be written"):
        train(replace(job, out=tmp_path / "file"), Silent())


def test_a_folder_without_media_leaves_no_run(tmp_path, job):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="holds no media"):
        train(replace(job, paths=(tmp_path / "empty",), out=tmp_path / "run"), Silent())
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
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


@pytest.mark.slow
def test_seconds_of_silence_are_no_moments_and_silent_files_are_listed(tmp_path, job, clips_folder):
    half = make_clip(
        tmp_path / "half.mp4", frames=100, seconds=4, size=(64, 64), options=["-af", "volume=0:enable='gt(t,2)'"]
    )
    mute = make_clip(tmp_path / "mute.mp4", frames=60, seconds=2.4, size=(64, 64), options=["-af", "volume=0"])
    for num_frames in (1, 5):
        front_end = replace(job.config.front_end, num_frames=num_frames)
        [clip], [failure] = fill_cache([half, mute], tmp_path / "cache", front_end, Silent())
        assert (failure.path, failure.reason) == (mute, "its sound is silence.")
        arrays = clip.record.read(check=True)
        moments_us = arrays.frame_us[outline(arrays).moments]
        assert 1_900_000 < arrays.times_us.max() <= 2_540_000  # AAC hears some milliseconds longer
        assert 1_900_000 < moments_us.max() <= 2_540_000
        assert all(second_around(arrays, int(it)).any() for it in moments_us)
        if num_frames > 1:
            assert arrays.frame_us.max() > 3_800_000  # which others may have around them
    trained = train(replace(job, paths=[clips_folder, half, mute]), Silent())
    assert [(it.path, it.reason) for it in trained.failures] == [(mute, "its sound is silence.")]


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
    with pytest.raises(TrainingError, match=r"step 3 is no number.*\.mp4") as caught:
        train(job, Silent())
    named = (job.out / "not-a-number.txt").read_text().split()
    assert len(named) == 4  # the batch
    assert {Path(name).parent for name in named} == set(job.paths)
    assert len(updates) == 2
    assert list(losses(job.out)) == [1, 2]
    assert "--resume" in caught.value.hint
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


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes. Error code 12"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    MemoryError("Unable to allocate 3.1 GiB for an array"),
]
PLACES = {
    "measuring the first batch": (AVENet, "start"),
    "the network": (AVENet, "see"),
    "the objective": (AVC, "forward"),
    "the optimizer": (torch.optim.Adam, "step"),
    "the loader": (Clips, "render"),
    "validation": (loop, "validate"),
    "timing": (beginning, "validate"),
}


@pytest.mark.parametrize("error", FULL)
def test_too_little_memory_names_a_batch_size_to_try(job, monkeypatch, error):
    monkeypatch.setattr(step, "tensors", failing(error))
    with pytest.raises(TrainingError, match="does not hold a batch of 4") as caught:
        train(job, Silent())
    assert "--batch-size 2" in caught.value.hint
    monkeypatch.undo()
    assert train(replace(job, config=replace(job.config, batch_size=2)), Silent()).steps == 4  # in the same folder


@pytest.mark.parametrize("place", PLACES)
def test_too_little_memory_is_one_sentence_wherever_it_is_missed(job, monkeypatch, place):
    monkeypatch.setattr(*PLACES[place], failing(FULL[0]))
    with pytest.raises(TrainingError, match="does not hold a batch of 4"):
        train(replace(job, steps=None, minutes=1e-6), Silent())


def test_a_run_that_has_begun_is_told_to_go_on_as_it_is(job, monkeypatch):
    train(job, Silent())
    monkeypatch.setattr(step, "tensors", failing(FULL[0]))
    with pytest.raises(TrainingError) as caught:
        train(replace(job, resume=True, steps=6), Silent())
    assert "--resume" in caught.value.hint


def test_clips_that_a_gpu_does_not_hold_are_read_from_the_cache(job, tiny_config, monkeypatch):
    run, _ = prepare(job, Silent())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 << 40, 1 << 40))
    monkeypatch.setattr(preparation.ResidentClips, "of", failing(FULL[0]))
    source = preparation._source(run.train, job.config.front_end, torch.device("cuda"))
    assert source == PinnedClips(run.train)


@pytest.mark.parametrize(
    ("rows", "world", "views", "expected"),
    [(128, 1, 1, 64), (5, 1, 1, 2), (3, 1, 1, None), (2, 1, 1, None), (24, 4, 1, 12), (20, 4, 1, 8),
     (6, 4, 1, None), (128, 1, 2, 64), (10, 1, 2, 4), (6, 1, 2, None), (36, 4, 3, 12)],
)  # fmt: skip
def test_a_batch_size_that_is_advised_is_one_that_is_accepted(rows, world, views, expected):
    assert smaller_batch(rows, world=world, views=views) == expected
    if expected is not None:
        assert expected % world == 0
        config = recipe("ave-views" if views == 2 else "ave", "small", batch_size=expected)
        assert replace(config, views=views).rows(1000) == expected


def test_no_more_than_256_rows_of_the_first_batch_are_measured(job, monkeypatch):
    measured = []
    monkeypatch.setattr(beginning, "_MEASURED_ROWS", 3)
    monkeypatch.setattr(AVENet, "start", lambda _, images, __: measured.append(len(images)))
    train(replace(job, steps=1), Silent())
    assert measured == [3]
    assert _MEASURED_ROWS == 256


@pytest.mark.parametrize("place", ["log", "board", "checkpoint", "weights", "membership"])
def test_a_full_disk_is_one_sentence_and_costs_nothing(tmp_path, job, monkeypatch, place):
    expected = train(replace(job, out=tmp_path / "whole"), Silent()).header.fingerprint
    full = OSError(errno.ENOSPC, "No space left on device")
    module, name, after = {
        "log": (RunLog, "add_step", 2),
        "board": (EventsWriter, "write_event", 5),
        "checkpoint": (checkpoint, "write_durably", 2),
        "weights": (Path, "write_bytes", 0),
        "membership": (Membership, "write", 0),
    }[place]
    original, calls = getattr(module, name), itertools.count()

    def until_full(*arguments, **options):
        if next(calls) >= after:
            raise full
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, until_full)
        with pytest.raises(TrainingError, match=r"full|No space left") as caught:
            train(job, Silent())
    assert "--resume" in caught.value.hint
    assert not list(job.out.rglob("*.part*"))
    assert train(replace(job, resume=True), Silent()).header.fingerprint == expected
    assert losses(job.out) == losses(tmp_path / "whole")


def test_a_log_that_cannot_be_shortened_stays_as_it_was(job, monkeypatch):
    train(job, Silent())
    before = (job.out / "log.jsonl").read_text()
    monkeypatch.setattr(Path, "write_text", failing(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        RunLog.open(job.out, step=2)
    assert (job.out / "log.jsonl").read_text() == before


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


def test_other_errors_of_the_device_are_not_taken_for_too_little_memory(job, monkeypatch):
    def broken(*_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(step, "tensors", broken)
    with pytest.raises(RuntimeError, match="illegal"):
        train(job, Silent())


@pytest.mark.slow
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
