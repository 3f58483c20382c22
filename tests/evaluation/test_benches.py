"""Truth here: what the benchmarks themselves write."""

import json

import pytest

from avsearch.bench.figure import figure
from avsearch.bench.gpu_result import GpuBenchmark, GpuBenchmarkJob, rate
from avsearch.bench.index_result import IndexBenchmark, IndexRun, IndexSettings
from avsearch.bench.machine import this_machine
from avsearch.errors import AvsearchError, UsageError
from avsearch.evaluation.benches import read_bench


def test_the_figures_of_bench_gpu_come_back_with_their_units(tmp_path):
    result = GpuBenchmark(
        "2026-11-27", "a card", "torch", GpuBenchmarkJob(), [rate("trained", 100, [1, 2, 4], "pairs/s")]
    )
    path = tmp_path / "gpu.json"
    path.write_text(json.dumps(result.record()), encoding="utf-8")
    bench = read_bench(path)
    assert (bench.benchmark, bench.date, bench.machine) == ("gpu", "2026-11-27", "a card")
    [found] = bench.figures
    assert (found.name, found.median, found.lowest, found.highest) == ("trained, pairs/s", 50, 25, 100)


def test_the_figures_of_bench_index_come_back_with_their_machine(tmp_path):
    runs = tuple(
        IndexRun(2, 0, 60.0, 30, 60, 1.0, 1.0, wall, 1.0, 0.5, wall + 2, 4.0, 10**8) for wall in (2.0, 3.0, 7.0)
    )
    settings = IndexSettings("ave", "small", "random", None, "cpu")
    result = IndexBenchmark("2026-11-27T10:00:00+00:00", this_machine(), settings, runs)
    path = tmp_path / "index.json"
    path.write_text(json.dumps(result.record()), encoding="utf-8")
    bench = read_bench(path)
    assert bench.machine == str(this_machine())
    walls = next(it for it in bench.figures if it.name == "wall, s")
    assert (walls.median, walls.lowest, walls.highest) == (3.0, 2.0, 7.0)
    assert len(bench.figures) == len(result.figures)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"benchmark": "x"}', '{"benchmark":"x","date":"","measured_on":"","figures":[{}]}']
)
def test_what_is_no_result_is_wrong_usage(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is no result of `avsearch bench`"):
        read_bench(path)
    with pytest.raises(AvsearchError, match="there is no such file"):
        read_bench(tmp_path / "missing.json")


def test_a_figure_is_rounded_to_what_was_measured():
    assert figure("wall, s", "wall_s", [1.23456789, 2.0, 3.0]).record()["lowest"] == 1.2346
