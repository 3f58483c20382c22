from dataclasses import replace
from types import SimpleNamespace

import pytest

from avsearch.moments import Silent
from tests.trainer.runs import Recorder, losses
from trainer import beginning
from trainer.loop import train


@pytest.mark.slow
def test_minutes_fix_the_number_of_steps_before_the_first_one(tmp_path, job, monkeypatch):
    ticks = iter(range(10**6))
    monkeypatch.setattr(beginning, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 4))  # all takes 0.25 s
    progress = Recorder()
    unread = replace(job, cache=tmp_path / "cache", steps=None, minutes=0.2)
    trained = train(unread, progress)  # 12 s: 48 of the quarters at most
    _, (_, files, _), (_, steps, _) = progress.told
    assert progress.told == [("look", files, "file"), ("decode", files, "file"), ("train", steps, "step")]
    assert files == 8
    assert 20 <= steps <= 48
    assert progress.steps == trained.steps == steps
    assert progress.notes[-1] == f"loss {losses(job.out)[steps]:.3f}"


@pytest.mark.slow
def test_minutes_hold_where_reading_clips_is_slower_than_training_on_them(job, monkeypatch):
    clock = SimpleNamespace(now=0.0)

    def monotonic():
        clock.now += 0.25
        return clock.now

    def slow_batches(*arguments, **options):
        for batch in original(*arguments, **options):
            clock.now += 1.0
            yield batch

    original = beginning.training_batches
    monkeypatch.setattr(beginning, "training_batches", slow_batches)
    monkeypatch.setattr(beginning, "time", SimpleNamespace(monotonic=monotonic))
    train(replace(job, steps=None, minutes=0.5), Silent())
    assert clock.now <= 30 * 1.1


def test_timing_the_steps_teaches_nothing(tmp_path, job):
    timed = train(replace(job, steps=None, minutes=1e-6, out=tmp_path / "timed"), Silent())
    assert timed.steps == beginning.EVALUATIONS  # the least there is
    counted = train(replace(job, steps=timed.steps), Silent())
    assert losses(job.out) == losses(tmp_path / "timed")
    assert counted.header.fingerprint == timed.header.fingerprint
