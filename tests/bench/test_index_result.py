import json
from dataclasses import asdict, replace

import pytest

from avsearch.bench.index_result import BaselinePass, IndexBenchmark, IndexRun, IndexSettings
from avsearch.bench.machine import Machine

MACHINE = Machine(
    cpu="a CPU", num_cores=2, memory_bytes=8 << 30, gpu="", system="a system", versions={"torch": "2"}, load=0.0
)
SETTINGS = IndexSettings("ave", "small", "random", None, "cpu")
RUN = IndexRun(
    num_files=10,
    num_failed=1,
    media_s=600.0,
    num_images=300,
    num_sounds=600,
    load_s=3.0,
    load_cpu_s=2.0,
    wall_s=20.0,
    decode_cpu_s=22.3,
    embed_cpu_s=10.0,
    command_s=24.0,
    command_cpu_s=40.0,
    sum_rss_bytes=900_000_000,
)


def benchmark(*runs, baseline=()):
    return IndexBenchmark("2026-01-02T03:04:05+00:00", MACHINE, SETTINGS, runs, baseline)


def figures(found):
    return {figure.key: (figure.median, figure.lowest, figure.highest) for figure in found.figures}


def test_efficiency_and_speed_by_hand():
    """32.3 CPU seconds of the 40 that two cores have in 20 s, without 2 for imports; 600 s of media in 20 s."""
    assert RUN.efficiency(2) == pytest.approx(0.85)
    assert RUN.times_real_time == pytest.approx(30.0)


def test_a_figure_is_the_median_with_its_range():
    runs = [replace(RUN, wall_s=wall) for wall in (21.0, 20.0, 24.0)]
    assert figures(benchmark(*runs))["wall_s"] == (21.0, 20.0, 24.0)


def test_the_ratio_is_taken_within_a_run_and_not_of_the_medians():
    """The machine slows down: 20/50, 30/60 and 22/100; the ratio of the medians would be 22/60."""
    runs = [replace(RUN, wall_s=wall, command_s=99.0) for wall in (20.0, 30.0, 22.0)]
    passes = tuple(BaselinePass(num_files=9, wall_s=wall, cpu_s=wall) for wall in (50.0, 60.0, 100.0))
    assert figures(benchmark(*runs, baseline=passes))["baseline_ratio"] == pytest.approx((0.4, 0.22, 0.5))


def test_without_a_baseline_nothing_is_compared():
    assert not any(key.startswith("baseline") for key in figures(benchmark(RUN)))


def test_the_record_has_everything_and_says_its_version():
    found = benchmark(RUN, baseline=(BaselinePass(9, 50.0, 60.0),))
    record = json.loads(json.dumps(found.record()))
    assert (record["schema_version"], record["benchmark"], record["date"]) == (1, "index", found.date)
    assert record["machine"] == asdict(MACHINE)
    assert record["runs"] == [asdict(RUN)]
    assert record["median"]["efficiency"] == 0.85
    assert record["median"]["baseline_ratio"] == 0.4


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_files": 0},
        {"wall_s": 0.0},
        {"num_sounds": -1},
        {"wall_s": 25.0},  # longer than the whole command
        {"decode_cpu_s": 40.0},  # more CPU than the whole command
    ],
)
def test_figures_that_cannot_be_true_are_refused(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        replace(RUN, **wrong)


def test_runs_that_made_different_moments_are_not_compared():
    with pytest.raises(ValueError, match="different moments"):
        benchmark(RUN, replace(RUN, num_images=299))


def test_a_baseline_belongs_to_every_run_or_to_none():
    with pytest.raises(ValueError, match="for each or for none"):
        benchmark(RUN, RUN, baseline=(BaselinePass(9, 50.0, 60.0),))
    with pytest.raises(ValueError, match="for each or for none"):
        benchmark()


def test_a_pass_that_took_no_time_is_refused():
    with pytest.raises(ValueError, match="some time"):
        BaselinePass(num_files=1, wall_s=0.0, cpu_s=0.0)


def test_a_machine_without_cores_is_refused():
    with pytest.raises(ValueError, match="cores"):
        replace(MACHINE, num_cores=0)
