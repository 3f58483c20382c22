"""Two processes over gloo must do what one does with the whole batch."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from avsearch.errors import TrainingError
from avsearch.moments import Silent
from tests.trainer.runs import Interrupted, Recorder, losses
from trainer import step, validation
from trainer.distributed import Ranks
from trainer.loop import train

ROOT = Path(__file__).parents[2]
PROGRAM = """
import pickle, sys, torch
from avsearch.moments import Silent
from trainer import step, validation
from trainer.loop import train
torch.set_num_threads(1)
step.fast_bfloat16 = validation.fast_bfloat16 = lambda _: False
train(pickle.loads(open(sys.argv[1], "rb").read()), Silent())
"""


def run_in_two_processes(*arguments):
    """As torchrun starts them; returns what they print."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return run([*launcher, *arguments])


def run(command):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def slow(*names):
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ave", *slow("ave-nce", "ave-views", "l3", "avol-nce", "avol-attention", "ave-mf", "ave-of")]
)
def test_two_ranks_take_the_very_steps_of_one_process(name):
    both = run_in_two_processes("-m", "tests.trainer.two_ranks", name)
    alone = run([sys.executable, "-m", "tests.trainer.two_ranks", name])
    assert [float(loss) for loss in both.split()] == pytest.approx(list(map(float, alone.split())), abs=1e-9)
    assert len(set(alone.split())) == 6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ave-nce", *slow("ave", "ave-of")])
def test_two_ranks_train_on_the_same_batches_as_one_process(tmp_path, job, tiny_config, name, monkeypatch):
    for module in (step, validation):  # rounded to eight bits, sums depend on how rows are grouped
        monkeypatch.setattr(module, "fast_bfloat16", lambda _: False)
    job = replace(job, config=tiny_config(name, learning_rate=1e-4, batch_size=6, warmup=0.0), steps=5)
    before = first_weights(job, tmp_path / "first")
    alone = train(job, Silent())
    both = replace(job, out=tmp_path / "both")
    (tmp_path / "job").write_bytes(pickle.dumps(both))
    (tmp_path / "program.py").write_text(PROGRAM)
    run_in_two_processes(tmp_path / "program.py", tmp_path / "job")
    assert losses(both.out) == pytest.approx(losses(job.out), rel=1e-4)
    assert max(losses(job.out).values()) - min(losses(job.out).values()) > 0.01  # they are different batches
    assert json.loads((both.out / "run.json").read_text())["processes"] == 2
    one, two = load_file(alone.weights), load_file(both.out / "encoder.safetensors")
    assert one.keys() == two.keys() == before.keys()
    moved = sum(float((one[key] - before[key]).abs().double().sum()) for key in one)
    apart = sum(float((two[key] - one[key]).abs().double().sum()) for key in one)
    assert moved > 0
    assert apart < 0.01 * moved  # Adam divides by slopes, so the smallest ones come out differently


def first_weights(job, out):
    """What training begins with."""
    stopped = Recorder(stop_at=1)
    with pytest.raises(Interrupted):
        train(replace(job, out=out), stopped)
    return {
        name.removeprefix("network."): tensor
        for name, tensor in load_file(out / "checkpoints" / "last.safetensors").items()
        if name.startswith("network.")
    }


@pytest.mark.slow
def test_torchrun_starts_the_command_as_the_documentation_says(tmp_path, clips_folder, shared_cache):
    options = ("--steps", 3, "--batch-size", 4, "--cache", shared_cache, "--device", "cpu", "--recipe", "ave-views")
    words = ("-m", "avsearch", "train", clips_folder, "--out", tmp_path / "run", *options)
    printed = run_in_two_processes(*words)
    assert printed.split() == [str(tmp_path / "run" / "encoder.safetensors")]  # one of them tells
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (told["processes"], told["steps"], told["config"]["name"]) == (2, 3, "ave-views")
    assert told["command"][:2] == ["avsearch", "train"]
    printed = run_in_two_processes(*words, "--resume", "--steps", 4)
    assert list(losses(tmp_path / "run")) == [1, 2, 3, 4]


def test_a_batch_that_cannot_be_dealt_out_evenly_is_refused():
    assert Ranks(1, 2).share(6) == 3
    with pytest.raises(TrainingError, match="6 cannot be dealt out evenly to 4") as caught:
        Ranks(0, 4).share(6)
    assert "--batch-size" in caught.value.hint
