"""benchmarks/systems.py, the script behind the table of all systems."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from tests.cli.command import here
from tests.tiny import make_film
from tests.trainer.runs import Interrupted, Recorder, losses
from trainer.config import TrainJob
from trainer.loop import train
from trainer.recipes import recipe

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "systems.py"


@pytest.fixture(scope="module")
def systems():
    spec = importlib.util.spec_from_file_location("systems", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "systems", module)  # where its dataclasses look for their annotations
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,labels,split"]
    for seed in range(4):
        make_film(folder / f"{seed}.mp4", seed=seed, seconds=2)
        rows.append(f"{seed}.mp4,,{'train' if seed < 2 else 'val'}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_with_the_same_command(systems, data, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.loop._CHECKPOINT_S", 0.0)
    system = systems.System("ave", options=("--batch-size", "2"))
    bench = systems.Bench(data, tmp_path, minutes=0.01)
    job = TrainJob(
        config=recipe("ave", "small", batch_size=2), paths=[data], manifest=data / "manifest.csv",
        out=tmp_path / system.folder(0), cache=tmp_path / "cache", minutes=bench.minutes,
    )  # fmt: skip
    with pytest.raises(Interrupted):
        train(job, Recorder(stop_at=4))
    begun = (job.out / "log.jsonl").read_text().splitlines()[:3]

    def run(*arguments):
        code, _, errors = here(*arguments)
        assert code == 0, errors
        assert "goes on to its" in errors

    monkeypatch.setattr(systems, "run", run)
    weights = bench.train(system, 0)
    assert weights.exists()
    assert (job.out / "log.jsonl").read_text().splitlines()[:3] == begun
    told = json.loads((job.out / "run.json").read_text())
    assert [it["step"] for it in told["resumed"]] == [3]
    assert len(losses(job.out)) == told["steps"]


def test_what_is_done_is_not_done_again(systems, data, tmp_path, monkeypatch):
    system = systems.System("ave")
    weights = tmp_path / system.folder(1) / "encoder.safetensors"
    weights.parent.mkdir()
    weights.touch()
    monkeypatch.setattr(systems, "run", lambda *_: pytest.fail("run again"))
    assert systems.Bench(data, tmp_path, minutes=1).train(system, 1) == weights
