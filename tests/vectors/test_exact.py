"""Exact search against a naive loop, ties, block borders and float16 included."""

import subprocess
import sys

import numpy as np
import pytest

from avsearch.vectors import Rows, exact
from avsearch.vectors.exact import nearest


def rows_of(vector):
    return Rows(vector, np.arange(len(vector)), np.zeros(len(vector), np.int64))


def unit(rng, num_rows, dim):
    vector = rng.standard_normal((num_rows, dim)).astype(np.float32)
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


def naive(segments, queries, k):
    """Score every row with Python's own arithmetic, sort by score and then by row."""
    every = [row for segment in segments for row in segment.vector.astype(np.float64)]
    scores, rows = [], []
    for query in queries.astype(np.float64):
        ranked = sorted((-np.float32(np.dot(query, row)), index) for index, row in enumerate(every))[:k]
        scores.append([-score for score, _ in ranked])
        rows.append([index for _, index in ranked])
    return np.array(scores, np.float32), np.array(rows)


def agree(segments, queries, k):
    found = nearest(segments, queries, k)
    scores, rows = naive(segments, queries, k)
    assert np.array_equal(found.row, rows)
    assert np.array_equal(found.scores, scores)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(exact, "BLOCK_ROWS", 64)


@pytest.mark.parametrize("num_queries", [1, 33])
@pytest.mark.parametrize("k", [1, 10, 63, 64, 65, 150])
def test_the_best_rows_are_those_of_a_naive_loop(small_blocks, num_queries, k):
    rng = np.random.default_rng(k)
    segments = [rows_of(unit(rng, num_rows, 8)) for num_rows in (1, 64, 65, 200)]
    agree(segments, unit(rng, num_queries, 8), k)


@pytest.mark.parametrize("num_queries", [1, 25])
@pytest.mark.parametrize("k", [1, 5, 100, 130])
def test_of_equal_scores_the_lower_row_comes_first_wherever_it_lies(small_blocks, num_queries, k):
    rng = np.random.default_rng(1)
    few = unit(rng, 4, 128)
    segments = [rows_of(few[rng.integers(0, 4, num_rows)]) for num_rows in (300, 7, 150)]
    agree(segments, np.repeat(few[:1], num_queries, axis=0), k)


def test_a_tie_at_the_last_place_is_decided_in_favour_of_the_lower_row(small_blocks):
    rng = np.random.default_rng(2)
    vector = unit(rng, 60, 128)
    vector[20:50] = vector[20]
    agree([rows_of(vector)], unit(rng, 3, 128) + vector[20], 10)


def test_float16_rows_are_compared_as_the_numbers_they_hold(small_blocks):
    rng = np.random.default_rng(3)
    segments = [rows_of(unit(rng, 150, 16).astype(np.float16)), rows_of(unit(rng, 150, 16))]
    agree(segments, unit(rng, 20, 16), 30)


def test_a_row_finds_itself_with_score_one():
    vector = unit(np.random.default_rng(4), 500, 128)
    found = nearest([rows_of(vector)], vector[:50], 1)
    assert found.row[:, 0].tolist() == list(range(50))
    assert np.abs(found.scores - 1).max() < 1e-6


def test_more_than_there_are_gives_what_there_is():
    rng = np.random.default_rng(5)
    found = nearest([rows_of(unit(rng, 3, 4)), rows_of(unit(rng, 2, 4))], unit(rng, 2, 4), 30)
    assert found.row.shape == found.scores.shape == (2, 5)
    assert nearest([], unit(rng, 2, 4), 30).row.shape == (2, 0)
    assert nearest([rows_of(unit(rng, 3, 4))], np.empty((0, 4), np.float32), 2).row.shape == (0, 2)


def test_queries_that_mean_nothing_are_refused():
    rows = [rows_of(unit(np.random.default_rng(6), 3, 4))]
    with pytest.raises(ValueError, match="finite"):
        nearest(rows, np.full((1, 4), np.nan, np.float32), 1)
    with pytest.raises(ValueError, match="at least 1"):
        nearest(rows, np.ones((1, 4), np.float32), 0)


def test_looking_at_segments_loads_neither_torch_nor_faiss():
    program = "import sys, avsearch.vectors.exact; print({'torch', 'faiss'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"
