from dataclasses import replace

import pytest

from avsearch.errors import TrainingError
from avsearch.moments import Silent
from tests.media.clips import make_clip
from tests.trainer.runs import Interrupted, Recorder, losses
from trainer import loop
from trainer.loop import train
from trainer.recipes import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(tmp_path, job, tiny_config, name):
    job = replace(job, config=tiny_config(name, learning_rate=1e-2), steps=6)
    whole = train(replace(job, out=tmp_path / "whole"), Silent())
    with pytest.raises(Interrupted):
        train(job, Recorder(stop_at=4))
    assert not (job.out / "encoder.safetensors").exists()
    progress = Recorder()
    resumed = train(replace(job, resume=True), progress)
    assert progress.steps == 3  # of six: the interrupted fourth is done again
    assert losses(job.out) == losses(tmp_path / "whole")
    assert len(set(losses(job.out).values())) == 6  # it does learn
    assert resumed.header.fingerprint == whole.header.fingerprint
    assert resumed.validation == whole.validation


def test_resuming_a_finished_run_trains_no_further(job):
    first = train(job, Silent())
    progress = Recorder()
    again = train(replace(job, resume=True), progress)
    assert progress.steps == 0
    assert again.header.fingerprint == first.header.fingerprint
    assert again.steps == 4


def test_resuming_what_was_never_begun_begins(job):
    assert train(replace(job, resume=True), Silent()).steps == 4


def test_a_resumed_run_goes_on_to_the_steps_asked_for(job):
    train(job, Silent())
    assert train(replace(job, resume=True, steps=6), Silent()).steps == 6


def test_resuming_with_other_media_is_refused_or_keeps_the_front_end(tmp_path, job, clips_folder):
    first = train(job, Silent())
    quiet = ["-af", "volume=0.01"]
    others = [
        make_clip(tmp_path / f"{number}.mp4", frames=60 + number, seconds=2.6, size=(64, 64), options=quiet)
        for number in range(4)
    ]
    try:
        resumed = train(replace(job, resume=True, paths=others), Silent())
    except TrainingError:
        return
    assert resumed.header.front_end == first.header.front_end


def test_resuming_by_another_recipe_is_refused(job):
    train(job, Silent())
    with pytest.raises(TrainingError, match="another recipe") as caught:
        train(replace(job, resume=True, config=replace(job.config, learning_rate=0.5)), Silent())
    assert "run.json" in caught.value.hint


def test_a_run_killed_before_its_first_validation_goes_on_with_its_step_count(tmp_path, job, monkeypatch):
    monkeypatch.setattr(loop, "_CHECKPOINT_S", 0.0)
    job = replace(job, steps=40, config=replace(job.config, learning_rate=1e-2))
    whole = train(replace(job, out=tmp_path / "whole"), Silent())
    with pytest.raises(Interrupted):
        train(job, Recorder(stop_at=3))  # the first validation is that of step 4
    assert {path.name for path in (job.out / "checkpoints").iterdir()} == {"last.safetensors"}
    progress = Recorder()
    resumed = train(replace(job, resume=True, steps=None, minutes=5), progress)
    assert progress.steps == 38
    assert losses(job.out) == losses(tmp_path / "whole")
    assert resumed.header.fingerprint == whole.header.fingerprint


def test_a_folder_that_holds_a_run_is_not_overwritten(job):
    train(job, Silent())
    before = (job.out / "encoder.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="another training run") as caught:
        train(job, Silent())
    assert "--resume" in caught.value.hint
    assert (job.out / "encoder.safetensors").read_bytes() == before


def test_a_damaged_checkpoint_is_one_sentence(job):
    train(job, Silent())
    (job.out / "checkpoints" / "last.safetensors").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="cannot be resumed"):
        train(replace(job, resume=True), Silent())
