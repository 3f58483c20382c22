import json
import os
import platform
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from avsearch.bench.index import IndexBenchmarkJob, bench_index
from avsearch.bench.machine import this_machine
from avsearch.bench.weights import save_random_weights
from avsearch.encoder import load_encoder
from avsearch.errors import AvsearchError, UsageError
from avsearch.moments import Silent
from tests.cli.command import here
from tests.tiny import make_film, tiny_weights


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three films of 8 s, one of them twice, and a file that is no film."""
    folder = tmp_path_factory.mktemp("films")
    for seed in range(3):
        make_film(folder / f"{seed}.mp4", seed=seed, seconds=8)
    shutil.copy(folder / "0.mp4", folder / "copy.mp4")
    (folder / "bad.mp4").write_text("words")
    return folder


@pytest.fixture(scope="module")
def result(films, tmp_path_factory):
    weights = tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")
    job = IndexBenchmarkJob(paths=[films], model=weights, num_runs=2, num_workers=1, device="cpu", baseline=True)
    return bench_index(job, Silent())


def test_each_run_indexes_everything_anew(result):
    assert len(result.runs) == len(result.baseline) == 2
    for run in result.runs:
        assert (run.num_files, run.num_failed) == (4, 1)
        assert run.media_s == pytest.approx(24.0, rel=0.05)
        assert run.num_sounds == 24
        assert run.num_images >= 3


def test_the_parts_of_a_run_fit_into_it(result):
    """Independent clocks: the command's own, and those of the process that waits for it."""
    for run in result.runs:
        assert run.decode_cpu_s > 0
        assert run.embed_cpu_s > 0
        assert 0 < run.load_s < run.command_s
        assert 0 < run.efficiency(result.machine.num_cores) <= 1
        assert run.sum_rss_bytes > 100_000_000  # torch alone is more


def test_ffmpeg_alone_decodes_what_was_decoded_and_no_copy_or_failure(result):
    assert [alone.num_files for alone in result.baseline] == [3, 3]


def test_nothing_is_left_behind(result):
    assert not list(Path(tempfile.gettempdir()).glob("avsearch-bench-*"))


@pytest.mark.slow
def test_files_of_which_none_can_be_indexed_are_an_error(tmp_path):
    (tmp_path / "bad.mp4").write_text("words")
    job = IndexBenchmarkJob(paths=[tmp_path], model=tiny_weights(tmp_path / "encoder.safetensors"), num_runs=1)
    with pytest.raises(AvsearchError, match="None of the files"):
        bench_index(job, Silent())


@pytest.mark.slow
def test_what_the_command_says_when_it_fails_is_passed_on(films, tmp_path):
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    job = IndexBenchmarkJob(paths=[films], model=weights, num_runs=1, device="nonsense")
    with pytest.raises(AvsearchError, match="There is no device nonsense here"):
        bench_index(job, Silent())


@pytest.mark.parametrize("size", ["small", "paper"])
def test_random_weights_make_a_working_encoder_of_the_size_asked_for(size, tmp_path):
    first, second = (save_random_weights(tmp_path / f"{number}.safetensors", size) for number in range(2))
    assert (first.size, first.fingerprint) == (size, second.fingerprint)
    encoder = load_encoder(tmp_path / "0.safetensors", "cpu")
    side = encoder.front_end.image_side
    vectors = encoder.encode_images(np.zeros((2, side, side, 3), np.uint8))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)


def test_a_size_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UsageError, match="huge"):
        save_random_weights(tmp_path / "encoder.safetensors", "huge")


def test_the_machine_is_this_one():
    machine = this_machine()
    assert machine.num_cores == len(os.sched_getaffinity(0))
    total_kb = int(Path("/proc/meminfo").read_text().split()[1])
    assert machine.memory_bytes == pytest.approx(total_kb * 1024, rel=0.01)
    assert machine.versions["torch"] == version("torch")
    assert machine.versions["python"] == platform.python_version()
    assert platform.release() in machine.system


@pytest.mark.slow
def test_the_command_prints_a_table_or_the_record_and_writes_a_file(films, tmp_path):
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    out = tmp_path / "bench.json"
    words = ["bench", "index", films / "0.mp4", "--model", weights, "--runs", "1", "--device", "cpu"]
    code, table, errors = here(*words, "--out", out)
    assert code == 0, errors
    record = json.loads(out.read_text())
    for name in ("files", "hours of media", "image moments", "audio moments", "wall, s", "times real time",
                 "decode CPU, s", "embed CPU, s", "efficiency", "peak memory", "whole command, s"):  # fmt: skip
        assert any(line.startswith(name) for line in table.splitlines()), name
    assert record["machine"]["cpu"] in table
    code, printed, _ = here(*words, "--json")
    assert json.loads(printed).keys() == record.keys()


def test_a_model_and_a_size_contradict_each_other(films):
    code, _, errors = here("bench", "index", films, "--model", "a.safetensors", "--size", "small")
    assert (code, "not both" in errors) == (2, True)
