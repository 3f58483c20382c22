import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest

from avsearch.catalog import State
from avsearch.cli.demo import demo
from avsearch.demo import job
from avsearch.demo.job import FULL_MINUTES, DemoJob, stages_of, train_both
from indexer.events import Committed, FileDone, Found, Walking


class Written:
    """A `Progress` that writes down what it is told."""

    def __init__(self):
        self.told = []

    def stage(self, name, total, unit):
        self.told.append((name, total, unit))

    def advance(self, amount=1, note=""):
        self.told.append((amount, note))


def test_indexing_is_a_stage_of_the_demo_that_counts_its_files_and_failures():
    progress = Written()
    tell = stages_of(progress)
    tell(Walking(2))
    tell(Found(2, 10, 0, 0, 0))
    tell(FileDone(Path("a"), 5, State.INDEXED))
    tell(FileDone(Path("b"), 5, State.FAILED, reason="is empty"))
    tell(Committed(2))
    assert progress.told == [("index", 2, "file"), (1, ""), (1, "1 failed")]


@pytest.fixture
def trained(monkeypatch):
    """What was trained, instead of training: jobs, each with a weights file."""
    jobs = []

    def train(one, progress):
        jobs.append(one)
        one.out.mkdir(parents=True)
        (one.out / "encoder.safetensors").write_bytes(b"weights")
        return SimpleNamespace(weights=one.out / "encoder.safetensors")

    monkeypatch.setattr(job, "train", train)
    return jobs


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(6.0, (4.0, 2.0)), (12.0, (8.0, 4.0)), (3.0, (2.5, 0.5)), (1.0, (17 / 18, 1 / 18))],
)
def test_the_minutes_are_divided_and_of_few_the_encoder_gets_nearly_all(trained, tmp_path, minutes, expected):
    weights = train_both(
        DemoJob(tmp_path, minutes=minutes, clips_per_kind=10), tmp_path / "manifest.csv", Written()
    )
    assert [one.minutes for one in trained] == pytest.approx(expected)
    assert sum(one.minutes for one in trained) == pytest.approx(minutes)
    assert [one.config.name for one in trained] == ["ave-nce", "avol-nce"]
    assert weights == tuple(one.out / "encoder.safetensors" for one in trained)
    assert len({one.cache for one in trained}) == 1


def test_what_is_trained_already_is_used_again(trained, tmp_path):
    of_two = DemoJob(tmp_path, minutes=6.0, clips_per_kind=10)
    first = train_both(of_two, tmp_path / "manifest.csv", Written())
    (tmp_path / "run-localizer" / "encoder.safetensors").unlink()
    (tmp_path / "run-localizer").rmdir()
    assert train_both(of_two, tmp_path / "manifest.csv", Written()) == first
    assert [one.config.name for one in trained] == ["ave-nce", "avol-nce", "avol-nce"]


def test_the_command_trains_as_long_as_gives_the_localizer_its_share():
    assert inspect.signature(demo).parameters["minutes"].default == FULL_MINUTES
