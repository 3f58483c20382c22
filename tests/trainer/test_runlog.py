import json
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash
from PIL import Image

from trainer.board import Board
from trainer.cache import CachedClip
from trainer.dataset import Clips
from trainer.runlog import RunLog, provenance
from trainer.validation import Validation


@pytest.fixture(autouse=True)
def every_log_is_closed(monkeypatch):
    opened, original = [], Board.open
    monkeypatch.setattr(Board, "open", lambda *a, **o: opened.append(original(*a, **o)) or opened[-1])
    yield
    for board in opened:
        board.close()


def lines(log):
    return [json.loads(line) for line in log.path.read_text().splitlines()]


def test_each_step_and_each_validation_is_a_line(tmp_path):
    log = RunLog.open(tmp_path, step=0)
    log.add_step(0, 0.69314718, 1e-3)
    log.add_validation(1, Validation(avc_accuracy=0.5, nearer=0.625, ndcg=0.25))
    assert lines(log) == [
        {"step": 1, "loss": 0.693147, "learning_rate": 1e-3},
        {"step": 1, "avc_accuracy": 0.5, "nearer": 0.625, "ndcg": 0.25},
    ]
    assert log.path == tmp_path / "log.jsonl"


def test_a_resumed_run_writes_on_and_a_new_one_begins_anew(tmp_path):
    RunLog.open(tmp_path, step=0).add_step(0, 1.0, 1e-3)
    assert len(lines(RunLog.open(tmp_path, step=1))) == 1
    assert lines(RunLog.open(tmp_path, step=0)) == []


def test_what_was_told_of_steps_that_are_done_again_is_forgotten(tmp_path):
    log = RunLog.open(tmp_path, step=0)
    for step in range(5):
        log.add_step(step, 1.0, 1e-3)
    log.add_validation(5, Validation(0.5, 0.5, 0.5))
    assert [line["step"] for line in lines(RunLog.open(tmp_path, step=3))] == [1, 2, 3]


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_the_curve_is_a_picture(tmp_path, steps):
    log = RunLog.open(tmp_path, step=0)
    for step in range(steps):
        log.add_step(step, 1 / (step + 1), 1e-3)
    log.add_validation(steps, Validation(0.7, 0.8, 0.3))
    curve = log.draw_curve()
    assert curve == tmp_path / "curve.png"
    with Image.open(curve) as picture:
        assert picture.format == "PNG"
        assert picture.width > 500


def test_a_line_cut_short_does_not_cost_the_curve(tmp_path):
    log = RunLog.open(tmp_path, step=0)
    log.add_step(0, 1.0, 1e-3)
    with log.path.open("a") as file:
        file.write('{"step": 2, "lo')
    log = RunLog.open(tmp_path, step=1)
    log.add_step(1, 0.9, 1e-3)
    assert log.draw_curve().exists()


def test_provenance_tells_the_media_by_one_number_whatever_their_order():
    clip = CachedClip(Path("a-00.safetensors"), Path("a.mp4"), "aa")
    other = replace(clip, content_hash="bb")
    told = provenance(Clips.of([other, clip, clip]), seed=7)
    assert (told["training_media"], told["training_clips"], told["seed"]) == (2, 3, 7)
    assert told["data_fingerprint"] == xxhash.xxh3_128(b"aabb").hexdigest()
    assert told["torch"].startswith("2.")
    json.dumps(told)


@pytest.mark.parametrize("program", ["/somewhere/bin/avsearch", "/somewhere/avsearch/__main__.py"])
def test_the_command_is_what_was_typed_however_it_was_started(monkeypatch, program):
    monkeypatch.setattr("sys.argv", [program, "train", "footage", "--out", "run"])
    one = CachedClip(None, Path("a.mp4"), "a")
    assert provenance(Clips.of([one]), seed=0)["command"] == ["avsearch", "train", "footage", "--out", "run"]
