import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avsearch.bench import gpu_search, gpu_ways
from avsearch.bench.gpu import bench_gpu
from avsearch.bench.gpu_result import GpuBenchmarkJob, GpuFigure, rate
from avsearch.bench.gpu_training import TrainingBenchmark
from avsearch.bench.made_clips import made_clips
from avsearch.errors import TrainingError, UsageError
from avsearch.front_end import SMALL_FRONT_END
from avsearch.moments import Silent
from tests.cli.command import avsearch

TINY = GpuBenchmarkJob(
    size="small", batch_size=4, steps=2, curve_steps=2, curve_batch=4, num_clips=4, encoder_batch=2, device="cpu",
    compiled=False, search_rows=3000, search_dim=16,
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_torch_and_numpy_are_enough(tmp_path):
    arguments = "--size small --batch-size 2 --steps 1 --curve-steps 1 --curve-batch 2 --clips 2"
    arguments += " --encoder-batch 1 --search-moments 2000 --search-dim 8"
    arguments += f" --device cpu --no-compile --out {tmp_path / 'gpu.json'}"
    code = ALONE.format(refused=OTHERS, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "gpu.json").read_text())
    lines = done.stdout.splitlines()[2:]
    names = [it["name"] for it in told["figures"]]
    assert [line.split("  ")[0] for line in lines[: len(names)]] == names
    assert lines[len(names) :] == told["notes"]
    assert "search, torch: one query" in names
    assert told["notes"][0].startswith("avsearch's own search was not measured: ")
    assert told["notes"][0].endswith(" is not installed.")


@pytest.mark.slow
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


@pytest.mark.slow
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
        "--encoder-batch",
        1,
        "--curve-batch",
        3,
        "--search-moments",
        1500,
    )
    code, out, errors = avsearch(
        "bench", "gpu", *options, "--no-compile", "--device", "cpu", "--out", tmp_path / "f"
    )
    assert code == 0, errors
    told = json.loads((tmp_path / "f").read_text())
    assert all(it["name"] in out for it in told["figures"])
    assert told["job"]["compiled"] is False
    assert told["job"]["curve_batch"] == 3


def test_what_torch_finds_is_what_a_plain_scan_finds():
    made = gpu_search.made_rows(5000, 16, torch.device("cpu"))
    assert made.vector.dtype == torch.float16
    vector = made.vector.numpy().astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1), 1, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(made.queries, axis=1), 1, atol=1e-5)
    scores, row = gpu_search.torch_best(made.vector, made.queries[:5], 9)
    truth = made.queries[:5].astype(np.float64) @ vector.T
    np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :9], atol=3e-3)
    np.testing.assert_allclose(np.take_along_axis(truth, row, axis=1), scores, atol=3e-3)


def test_chunks_of_rows_are_joined(monkeypatch):
    monkeypatch.setattr(gpu_search, "_CHUNK_ROWS", 50)
    made = gpu_search.made_rows(4000, 16, torch.device("cpu"))
    _, row = gpu_search.torch_best(made.vector, made.queries[:3], 5)
    truth = np.argsort(-(made.queries[:3].astype(np.float64) @ made.vector.numpy().astype(np.float64).T), axis=1)
    assert all(len(set(one) & set(other[:8])) == 5 for one, other in zip(row.tolist(), truth.tolist(), strict=True))


def test_a_share_is_bytes_by_time_by_bandwidth():
    figures = [GpuFigure("x: one query", 2.0, "ms")]
    assert gpu_ways.share_figure("x", figures, 5_000_000, 1e10).value == pytest.approx(0.25)


@pytest.mark.slow
def test_without_a_gpu_one_sentence_says_so():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UsageError, match="There is no GPU here that torch can use"):
        bench_gpu(GpuBenchmarkJob(), Silent())
    code, out, errors = avsearch("bench", "gpu")
    assert (code, out) == (2, "")
    assert errors.splitlines()[0] == (
        "error: There is no GPU here that torch can use, so there is nothing to measure."
    )


@pytest.mark.slow
def test_no_search_where_none_is_wanted():
    names = [it.name for it in bench_gpu(replace(TINY, search_rows=0), Silent()).figures]
    assert not [name for name in names if "search" in name]


def test_avsearchs_own_search_is_measured_on_the_gpu_with_recall_1(gpus, monkeypatch):
    """On a stand-in for one: names, units and recall are true, times mean nothing."""
    from avsearch.bench.gpu_faiss import faiss_figures
    from avsearch.vectors.gpu import exact

    gpus(cuvs=True)
    monkeypatch.setattr(exact, "FEW_ROWS", 100)
    monkeypatch.setattr(gpu_ways, "_ROUNDS", 2)
    made = gpu_search.made_rows(12_000, 16, torch.device("cpu"))
    figures, notes = faiss_figures(made.vector.numpy(), made.queries, torch.device("cuda:0"), 1e10)
    found = {it.name: it.value for it in figures}
    assert notes == []
    assert found["search, float16: recall@30"] == 1.0
    assert {"search, ivf-sq8: recall@30", "search, cagra: one query", "search, ivf: building"} <= set(found)
    assert found["search, cagra: recall@30"] > 0.8
    share = 12_000 * 16 * 2 / (found["search, float16: one query"] / 1e3) / 1e10
    assert found["search, float16: of the bandwidth, by one query"] == pytest.approx(share)


def test_what_the_gpu_has_no_room_for_is_a_note(gpus, monkeypatch):
    from avsearch.bench import gpu_faiss
    from avsearch.vectors.gpu.cards import NoGpu

    def full(*_, **__):
        raise NoGpu("The memory of GPU 0 is full.")

    gpus()
    monkeypatch.setattr(gpu_ways, "_ROUNDS", 2)
    monkeypatch.setattr(gpu_faiss, "build_on_gpu", full)
    made = gpu_search.made_rows(3000, 16, torch.device("cpu"))
    figures, notes = gpu_faiss.faiss_figures(made.vector.numpy(), made.queries, torch.device("cuda"), 1e10)
    assert {it.name.split(":")[0] for it in figures} == {"search, float16", "search, float16, the GPU alone"}
    assert [note.split(":")[0] for note in notes] == [
        "ivf-sq8 was not measured",
        "ivf was not measured",
        "CAGRA was not measured",
    ]
