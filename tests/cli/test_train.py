import json

import pytest

from tests.cli.command import avsearch, here, objects
from tests.tiny import make_film


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    for seed in range(4):
        make_film(folder / f"film{seed}.mp4", seed=seed, seconds=2)
    return folder


@pytest.mark.slow
def test_an_audit_trains_two_networks_and_tells_of_both(footage, tmp_path):
    code, out, errors = avsearch("train", footage, "--out", tmp_path / "run", "--audit", "--steps", 2)
    assert code == 0, errors
    told = json.loads((tmp_path / "run" / "audit.json").read_text())["networks"]
    assert [one["negatives_on_grid"] for one in told] == [True, False]
    lines = out.splitlines()
    for line, one in zip(lines[1:], told, strict=True):
        assert line.split()[-3:] == [f"{one[name]:.3f}" for name in ("avc_on_grid", "avc_off_grid", "ndcg")]
    assert "ave" in (tmp_path / "run" / "on-grid" / "run.json").read_text()


@pytest.mark.slow
def test_an_audit_of_a_contrast_is_refused(footage, tmp_path):
    code, _, errors = avsearch("train", footage, "--out", tmp_path / "run", "--audit", "--recipe", "ave-nce")
    assert code == 2
    assert "ave, l3" in errors


@pytest.mark.slow
def test_what_a_step_draws_can_be_set(footage, tmp_path):
    options = ("--steps", 1, "--recipe", "ave", "--pairs-per-clip", 3, "--misalign", 0.5, "--batch-size", 4)
    code, out, errors = avsearch("train", footage, "--out", tmp_path / "run", *options, "--json")
    assert code == 0, errors
    (told,) = objects(out)
    assert (told["weights"], told["steps"], told["failed"]) == (
        str(tmp_path / "run" / "encoder.safetensors"),
        1,
        [],
    )
    assert 0 <= told["avc_accuracy"] <= 1
    config = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert (config["pairs_per_clip"], config["misalignment_us"], config["batch_size"]) == (3, 500_000, 4)


@pytest.mark.slow
def test_a_run_for_some_minutes_goes_on_to_its_own_steps(footage, tmp_path):
    run, cache = tmp_path / "run", tmp_path / "cache"
    given = ("train", footage, "--out", run, "--cache", cache, "--batch-size", 2, "--minutes", 0.01)
    code, _, errors = here(*given)
    assert code == 0
    assert f"Next: avsearch index {footage} --model {run / 'encoder.safetensors'}\n" in errors
    steps = json.loads((run / "run.json").read_text())["steps"]
    assert here(*given)[0] == 1  # it holds a run
    code, _, errors = here(*given, "--resume")
    assert code == 0, errors
    assert f"goes on to its {steps} steps" in errors
    assert json.loads((run / "run.json").read_text())["steps"] == steps


@pytest.mark.parametrize("resume", [True, False])
def test_ctrl_c_tells_what_goes_on(footage, tmp_path, monkeypatch, resume):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.loop.train", interrupted)
    code, _, errors = here("train", footage, "--out", tmp_path / "run", *(["--resume"] if resume else []))
    assert code == 130
    assert ("The same command goes on" if resume else "The same command with --resume goes on") in errors


def test_both_lengths_at_once_are_refused(footage, tmp_path):
    assert here("train", footage, "--out", tmp_path / "run", "--steps", 1, "--minutes", 1)[0] == 2
