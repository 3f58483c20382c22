"""What `avsearch bench search` measures: figures that add up, over sets as they were asked for."""

import json
from dataclasses import replace

import numpy as np
import pytest

from avsearch.bench import search
from avsearch.bench.search import EXACT, SearchBenchmarkJob, bench_search, bytes_a_second
from avsearch.bench.search_made import MEDIA_ROWS, made_segments
from avsearch.bench.search_result import SearchRun, Times
from avsearch.cli.bench_search import numbers
from avsearch.errors import UsageError
from avsearch.evaluation.benches import read_bench
from avsearch.moments import Modality, Silent
from avsearch.vectors.segments import fault_in_order, fault_in_vectors
from tests.cli.command import here
from tests.vectors.ann.made import together

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO


@pytest.fixture(autouse=True)
def few_queries(monkeypatch):
    monkeypatch.setattr(search, "NUM_SINGLE", 5)
    monkeypatch.setattr(search, "NUM_BATCHES", 2)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    job = SearchBenchmarkJob(
        (2000, 4000), (EXACT, "ivf", "ivf-pq"), dim=16, directory=tmp_path_factory.mktemp("made")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "NUM_SINGLE", 5)
        patch.setattr(search, "NUM_BATCHES", 2)
        return bench_search(job, Silent())


def test_each_kind_is_measured_over_each_set_or_told_to_be_left_out(result):
    assert [(run.num_rows, run.kind) for run in result.runs] == [
        (2000, "exact"), (2000, "ivf"), (4000, "exact"), (4000, "ivf"),
    ]  # fmt: skip
    assert [line.split(":")[0] for line in result.left_out] == ["2000 moments, ivf-pq", "4000 moments, ivf-pq"]
    assert (result.dim, result.source) == (16, "made")


def test_figures_add_up(result):
    for run in result.runs:
        ratios = run.ratios
        assert ratios["of_raw"] == pytest.approx(run.single.p50_ms / run.raw_single_ms)
        assert ratios["times_exact"] == pytest.approx(run.exact_single_ms / run.single.p50_ms)
        if run.kind == EXACT:
            assert run.lowest_recall == ratios["times_exact"] == ratios["times_exact_batch"] == 1.0
            assert run.memory_bytes == pytest.approx(run.num_rows * (16 * 4 + 16), rel=0.02)
        else:
            assert run.lowest_recall > 0.85
            assert run.memory_bytes == pytest.approx(run.num_rows * (16 * 4 + 8), rel=0.2)


def test_figures_that_cannot_be_true_are_refused(result):
    (run, *_) = result.runs
    for wrong in ({"recall": {"image-image": 1.2}}, {"num_rows": 0}, {"memory_bytes": 0}):
        with pytest.raises(ValueError, match="part of 1"):
            replace(run, **wrong)
    with pytest.raises(ValueError, match="takes some time"):
        Times(2.0, 1.0)
    with pytest.raises(ValueError, match="nothing was measured"):
        replace(result, runs=())
    assert isinstance(run, SearchRun)


def test_made_moments_are_segments_whose_rows_are_near_to_others_of_their_media(tmp_path):
    made = made_segments(tmp_path, 6000, 24, seed=3)
    for rows in (it for segments in made.values() for it in segments):
        assert fault_in_vectors(rows) == fault_in_order(rows) == ""
    vector, media_id, _ = together(made[IMAGE])
    assert len(vector) == 6000
    assert np.bincount(media_id).tolist() == [MEDIA_ROWS] * (6000 // MEDIA_ROWS)
    cosine = vector[:2000] @ vector[:2000].T
    same = media_id[:2000, None] == media_id[None, :2000]
    assert cosine[same].mean() > cosine[~same].mean() + 0.3
    again = made_segments(tmp_path, 6000, 24, seed=3)
    assert all(np.array_equal(a.vector, b.vector) for a, b in zip(made[AUDIO], again[AUDIO], strict=True))


def test_the_folder_of_made_moments_is_empty_afterwards(tmp_path):
    bench_search(SearchBenchmarkJob((1000,), (EXACT,), dim=8, directory=tmp_path), Silent())
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_writes_and_draws_and_a_report_takes_its_result(tmp_path):
    out, plot = tmp_path / "search.json", tmp_path / "search.png"
    words = ["--moments", "1e3", "--kinds", "exact,ivf", "--dim", "8", "--dir", tmp_path, "--recall", "0.8"]
    code, printed, errors = here("bench", "search", *words, "--out", out, "--plot", plot)
    assert code == 0, errors
    assert [line.split()[:3] for line in printed.splitlines() if line.startswith("1000 ")] == [
        ["1000", "image", "exact"], ["1000", "image", "ivf"],
    ]  # fmt: skip
    assert plot.read_bytes().startswith(b"\x89PNG")
    record = json.loads(out.read_bytes())
    assert [it["kind"] for it in record["runs"]] == ["exact", "ivf"]
    shown = read_bench(out)
    assert (shown.benchmark, len(shown.figures)) == ("search", 4)


def test_numbers_of_moments_are_read_as_people_write_them():
    assert numbers("1e4..1e7") == [10**4, 10**5, 10**6, 10**7]
    assert numbers("3e4..1e5") == [30_000]
    assert numbers("1e4,250000") == [10_000, 250_000]
    for wrong in ("many", "", "1e4..", "1e4,,1", "inf"):
        with pytest.raises(UsageError, match="--moments"):
            numbers(wrong)
    for words in (["--kinds", "lsh"], ["--moments", "10"]):
        assert here("bench", "search", *words)[0] == 2


def test_reading_memory_takes_some_time():
    assert 1e8 < bytes_a_second() < 1e13
