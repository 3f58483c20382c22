import json
from dataclasses import replace

import pytest

from avsearch.errors import TrainingError
from avsearch.media import content_hash
from avsearch.moments import Silent
from tests.media.clips import make_clip
from tests.trainer.runs import Interrupted, Recorder, losses
from trainer import loop
from trainer.loop import train
from trainer.membership import read_membership
from trainer.recipes import RECIPES


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_resuming_with_other_media_is_refused(tmp_path, job):
    train(job, Silent())
    others = [make_clip(tmp_path / f"{n}.mp4", frames=60 + n, seconds=2.6, size=(64, 64)) for n in range(4)]
    with pytest.raises(TrainingError, match="other media"):
        train(replace(job, resume=True, paths=others), Silent())


def test_resuming_without_some_of_the_media_keeps_splits_and_front_end_and_is_told(job, clips_folder):
    """The way on where a file makes the loss no number."""
    first = train(job, Silent())
    before = read_membership(job)
    paths = {content_hash(path): path for path in sorted(clips_folder.glob("*.mp4"))}
    gone = sorted(before.train)[0]
    progress = Recorder()
    left = [path for content, path in paths.items() if content != gone]
    resumed = train(replace(job, resume=True, steps=6, paths=left), progress)
    assert any("without 1 of the media" in it for it in progress.said)
    assert resumed.header.front_end == first.header.front_end
    assert resumed.header.provenance["training_media"] == len(before.train) - 1  # the held out ones are the same
    told = json.loads((job.out / "run.json").read_text())
    assert [(it["step"], it["media_missing"]) for it in told["resumed"]] == [(4, 1)]
    assert list(losses(job.out)) == [1, 2, 3, 4, 5, 6]


def test_resuming_with_another_seed_is_refused(job):
    train(job, Silent())
    with pytest.raises(TrainingError, match="seed 0") as caught:
        train(replace(job, resume=True, seed=1), Silent())
    assert "--seed 0" in caught.value.hint


def test_run_json_keeps_the_first_command_and_those_that_went_on(job, monkeypatch):
    for number, options in enumerate([{}, {"resume": True, "steps": 5}, {"resume": True, "steps": 6}]):
        monkeypatch.setattr("sys.argv", ["/bin/avsearch", "train", str(number)])
        header = train(replace(job, **options), Silent()).header
    told = json.loads((job.out / "run.json").read_text())
    assert told["command"] == header.provenance["command"] == ["avsearch", "train", "0"]
    assert [(it["step"], it["command"][-1]) for it in told["resumed"]] == [(4, "1"), (5, "2")]
    assert header.provenance["resumed"] == told["resumed"]


def test_a_resumed_run_says_what_it_goes_on_to(job):
    with pytest.raises(Interrupted):
        train(job, Recorder(stop_at=1))
    progress = Recorder()
    train(replace(job, resume=True, steps=None, minutes=1), progress)
    assert any("goes on to its 4 steps" in it for it in progress.said)


def test_a_run_of_first_weights_alone_may_begin_anew_with_other_settings(job):
    """What a hint tells to do where the memory does not hold the first batch."""
    for resume in (False, True):
        with pytest.raises(Interrupted):
            train(job, Recorder(stop_at=1))
        job = replace(job, resume=resume, config=replace(job.config, batch_size=job.config.batch_size - 1), seed=7)
    assert train(job, Silent()).header.recipe["batch_size"] == 2


def test_resuming_by_another_recipe_is_refused(job):
    train(job, Silent())
    with pytest.raises(TrainingError, match="another recipe") as caught:
        train(replace(job, resume=True, config=replace(job.config, learning_rate=0.5)), Silent())
    assert "run.json" in caught.value.hint


@pytest.mark.slow
def test_a_run_killed_before_its_first_validation_goes_on_with_its_step_count(tmp_path, job, monkeypatch):
    monkeypatch.setattr(loop, "_CHECKPOINT_S", 0.0)
    job = replace(job, steps=40, config=replace(job.config, learning_rate=1e-2))
    whole = train(replace(job, out=tmp_path / "whole"), Silent())
    with pytest.raises(Interrupted):
        train(job, Recorder(stop_at=3))  # the first validation is that of step 4
    assert {path.name for path in (job.out / "checkpoints").iterdir()} == {
        "last.safetensors", "media.json"
    }  # fmt: skip
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
