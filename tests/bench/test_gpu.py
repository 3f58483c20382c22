import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avsearch.bench.gpu import bench_gpu
from avsearch.bench.gpu_result import GpuBenchmarkJob, rate
from avsearch.bench.gpu_training import TrainingBenchmark
from avsearch.bench.made_clips import made_clips
from avsearch.errors import TrainingError, UsageError
from avsearch.front_end import SMALL_FRONT_END
from avsearch.moments import Silent
from tests.cli.command import avsearch

TINY = GpuBenchmarkJob(
    size="small", batch_size=4, steps=2, curve_steps=2, curve_batch=4, num_clips=4, encoder_batch=2, device="cpu",
    compiled=False,
)  # fmt: skip
ROOT = Path(__file__).parents[2]
ALONE = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ImportError(f"{{name}} is not installed")

sys.meta_path.insert(0, Nothing())
sys.argv = ["gpu", *"{arguments}".split()]
import runpy
runpy.run_module("avsearch.bench.gpu", run_name="__main__")
"""
OTHERS = {
    "faiss", "sqlalchemy", "alembic", "typer", "rich", "ffmpeg", "safetensors", "xxhash", "platformdirs", "PIL",
    "scipy", "matplotlib", "tensorboardX", "cv2",
}  # fmt: skip


def test_every_figure_is_there_and_positive():
    found = {it.name: it for it in bench_gpu(TINY, Silent()).figures}
    assert {
        "ave: training",
        "ave-nce: training",
        "60 M pairs by ave",
        "encoding pictures",
        "encoding sounds",
    } <= set(found)
    assert all(it.value > 0 for it in found.values())
    training = found["ave: training"]
    assert training.lowest <= training.value <= training.highest
    assert found["60 M pairs by ave"].value == pytest.approx(60e6 / training.value / 3600)
    assert found["ave: a step"].value == 4


def test_torch_and_numpy_are_enough(tmp_path):
    arguments = "--size small --batch-size 2 --steps 1 --curve-steps 1 --curve-batch 2 --num-clips 2"
    arguments += f" --encoder-batch 1 --device cpu --no-compile --out {tmp_path / 'gpu.json'}"
    code = ALONE.format(refused=OTHERS, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert [line.split("  ")[0] for line in done.stdout.splitlines()[2:]] == [it["name"] for it in told["figures"]]


def test_a_batch_that_the_memory_does_not_hold_is_halved(monkeypatch):
    tried = []

    def timed(self, config, *, compiled):
        tried.append(config.batch_size)
        if config.batch_size > 8:
            raise TrainingError("the memory does not hold it")
        return [0.5]

    monkeypatch.setattr(TrainingBenchmark, "_timed_steps", timed)
    training = TrainingBenchmark(GpuBenchmarkJob(batch_size=64, num_clips=4), None, torch.device("cpu"))
    assert training._largest_timed("ave") == (8, [0.5])
    assert tried == [64, 32, 16, 8]
    monkeypatch.setattr(
        TrainingBenchmark, "_timed_steps", lambda *_, **__: (_ for _ in ()).throw(TrainingError("no"))
    )
    with pytest.raises(TrainingError):
        training._largest_timed("ave")


def test_a_rate_is_the_median_between_the_slowest_and_the_fastest():
    it = rate("x", 10, [1.0, 5.0, 2.0], "1/s")
    assert (it.value, it.lowest, it.highest) == (5.0, 2.0, 10.0)


def test_made_clips_have_a_colour_and_a_pitch_of_their_kind():
    clips = list(made_clips(16, SMALL_FRONT_END))
    colours = np.array([clip.frames.mean(axis=(0, 1, 2)) for clip in clips])
    pitches = [np.abs(np.fft.rfft(clip.sound[:48_000])).argmax() for clip in clips]
    assert np.abs(colours[:8] - colours[8:]).max() < 10
    assert np.ptp(colours[:8], axis=0).min() > 100
    np.testing.assert_allclose(pitches[:8], pitches[8:], rtol=0.11)
    assert pitches[:8] == sorted(pitches[:8])


def test_an_unknown_size_is_refused():
    with pytest.raises(UsageError, match="giant"):
        bench_gpu(GpuBenchmarkJob(size="giant", device="cpu"), Silent())


def test_the_command_prints_a_table_or_json(tmp_path):
    options = (
        "--size",
        "small",
        "--batch-size",
        2,
        "--steps",
        1,
        "--curve-steps",
        1,
        "--clips",
        2,
        "--moments",
        1,
        "--curve-batch",
        3,
    )
    code, out, errors = avsearch(
        "bench", "gpu", *options, "--no-compile", "--device", "cpu", "--out", tmp_path / "f"
    )
    assert code == 0, errors
    told = json.loads((tmp_path / "f").read_text())
    assert all(it["name"] in out for it in told["figures"])
    assert told["job"]["compiled"] is False
    assert told["job"]["curve_batch"] == 3
