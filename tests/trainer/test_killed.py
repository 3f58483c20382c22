"""`avsearch train`, killed at several instants by SIGKILL: resumed, it gives the same bits as undisturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tiny import make_film
from tests.trainer.runs import losses

ROOT = Path(__file__).parents[2]
STEPS = 40
PROGRAM = """
import os, sys
import torch
from avsearch import cli
from tests.models import tiny
from trainer import loop, recipes

torch.set_num_threads(1)
loop._CHECKPOINT_S = 0.0  # one after each step
widths, front_end = tiny.WIDTHS, tiny.FRONT_END
recipes.SIZES["small"] = (widths, front_end)
moment = os.environ.get("DIES_BEFORE", "")
if moment:
    name, count = moment.split(":")
    original, calls = getattr(os, name), iter(range(10**6))

    def dies(*arguments):
        if next(calls) == int(count):
            os.kill(os.getpid(), 9)
        return original(*arguments)

    setattr(os, name, dies)
sys.argv[0] = "avsearch"
cli.main()
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for seed in range(6):
        make_film(folder / f"{seed}.mp4", seed=seed, seconds=2)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def start(films, cache):
    """Begin a run in a process of its own."""

    def begin(out, *options, dies_before=""):
        words = ["train", films, "--out", out, "--cache", cache, "--steps", STEPS, "--batch-size", 4, *options]
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, words), "--device", "cpu"],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "DIES_BEFORE": dies_before},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    return begin


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(start(out))
    return out


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def killed(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors


def kill_after(process, out, *, steps):
    """Kill a run when its log tells of so many steps."""
    until = time.monotonic() + 100
    log = out / "log.jsonl"
    while not log.exists() or log.read_text().count('"loss"') < steps:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.001)
    process.kill()
    killed(process)


def fingerprint(out):
    data = (out / "encoder.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["avsearch"]
    return json.loads(header)["fingerprint"]


@pytest.mark.slow
def test_a_run_killed_again_and_again_is_the_undisturbed_one(start, undisturbed, tmp_path):
    out = tmp_path / "run"
    kill_after(start(out), out, steps=5)
    # in the midst of a checkpoint: it is written and not yet synced, synced and not yet renamed, or renamed
    for moment in ("fsync:6", "replace:9", "fsync:13"):
        killed(start(out, "--resume", dies_before=moment))
    kill_after(start(out, "--resume"), out, steps=25)
    finish(start(out, "--resume"))
    assert losses(out) == losses(undisturbed)
    assert len(losses(out)) == STEPS
    assert fingerprint(out) == fingerprint(undisturbed)
    assert not list(out.rglob("*.partial"))
    assert len(json.loads((out / "run.json").read_text())["resumed"]) == 5
