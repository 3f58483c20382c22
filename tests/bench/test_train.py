import json
import time
from dataclasses import replace

import pytest

from avsearch.bench import steps
from avsearch.bench.train import TrainBenchmarkJob, TrainRun, bench_train
from avsearch.errors import TrainingError
from avsearch.moments import Silent
from tests.cli.command import avsearch
from tests.models import tiny
from tests.tiny import make_film
from trainer.dataset import Clips
from trainer.recipes import recipe


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for seed in range(6):
        make_film(folder / f"{seed}.mp4", seed=seed, seconds=3)
    (folder / "bad.mp4").write_text("words")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def job(films, cache):
    config = replace(recipe("ave-nce", "small", batch_size=2), widths=tiny.WIDTHS, front_end=tiny.FRONT_END)
    return TrainBenchmarkJob([films], config, num_runs=2, steps=2, cache=cache, device="cpu")


@pytest.mark.slow
def test_every_run_has_its_figures_and_what_was_left_out_is_told(job):
    result = bench_train(job, Silent())
    assert (len(result.runs), result.rows) == (2, 2)
    assert result.num_clips == 4  # two are held out
    assert [it.path.name for it in result.failures] == ["bad.mp4"]
    told = result.record()["median"]
    middle = sorted(2 / run.step_s for run in result.runs)
    assert told["pairs_per_s"] == pytest.approx(sum(middle) / 2, rel=1e-3)
    assert set(told) == {"step_s", "computing_s", "loading_percent", "making_s", "pairs_per_s"}


@pytest.mark.slow
def test_what_loading_costs_shows_in_its_share(job, monkeypatch):
    """A batch that takes a fifth of a second to make, before a step that takes next to nothing."""
    render = Clips.render

    def slowly(self, draws, config):
        time.sleep(0.2)
        return render(self, draws, config)

    monkeypatch.setattr(Clips, "render", slowly)
    monkeypatch.setattr(steps, "update", lambda *_, **__: time.sleep(0.01))
    result = bench_train(replace(job, num_runs=1, steps=4), Silent())
    [run] = result.runs
    assert run.making_s >= 0.2
    assert run.step_s >= 0.19
    assert run.loading_share > 0.5


def test_the_share_is_what_a_step_takes_longer_than_without():
    assert TrainRun(step_s=0.5, computing_s=0.4, making_s=0.2).loading_share == pytest.approx(0.2)
    with pytest.raises(ValueError, match="some time"):
        TrainRun(step_s=0.0, computing_s=0.4, making_s=0.2)


def test_too_few_videos_are_refused(job, films):
    with pytest.raises(TrainingError, match="usable videos"):
        bench_train(replace(job, paths=[films / "0.mp4"]), Silent())


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_json(films, cache, tmp_path):
    given = ("--batch-size", 2, "--steps", 1, "--runs", 1, "--cache", cache, "--device", "cpu")
    code, out, errors = avsearch("bench", "train", films, *given, "--out", tmp_path / "f")
    assert code == 3, errors
    assert "bad.mp4" in errors
    told = json.loads((tmp_path / "f").read_text())
    [run] = told["runs"]
    share = 100 * (run["step_s"] - run["computing_s"]) / run["step_s"]
    assert told["median"]["loading_percent"] == pytest.approx(share, abs=1e-3)
    assert "share of data loading, %" in out
