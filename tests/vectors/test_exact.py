"""Exact search against a naive loop, ties, block borders and float16 included."""

import subprocess
import sys

import numpy as np
import pytest

from avsearch.vectors import Rows, parts, rows_at
from avsearch.vectors.exact import nearest


def rows_of(vector, *, first_media=0):
    """Rows of media with three moments each, sorted as in a segment."""
    row = np.arange(len(vector)) + first_media
    return Rows(vector, row // 3, row % 3)


def unit(rng, num_rows, dim):
    vector = rng.standard_normal((num_rows, dim)).astype(np.float32)
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


def naive(segments, queries, k):
    """Score every row with Python's own arithmetic, sort by score, then by media and time."""
    every = [row for segment in segments for row in segment.vector.astype(np.float64)]
    moments = [(media, at) for rows in segments for media, at in zip(rows.media_id, rows.start_us, strict=True)]
    scores, rows = [], []
    for query in queries.astype(np.float64):
        ranked = sorted((-np.float32(np.dot(query, row)), moments[index], index) for index, row in enumerate(every))
        scores.append([-score for score, _, _ in ranked[:k]])
        rows.append([index for _, _, index in ranked[:k]])
    return np.array(scores, np.float32), np.array(rows)


def scattered(segments):
    """The same moments, dealt out to segments of other lengths in another order."""
    vector, media_id, start_us = (
        np.concatenate([getattr(rows, name) for rows in segments]) for name in ("vector", "media_id", "start_us")
    )
    parts = np.array_split(np.random.default_rng(9).permutation(len(vector)), 5)
    parts = [part[np.lexsort((start_us[part], media_id[part]))] for part in parts]
    return [Rows(vector[part], media_id[part], start_us[part]) for part in parts]


def moments_at(segments, row):
    found = rows_at(segments, row.ravel())
    return list(zip(found.media_id.tolist(), found.start_us.tolist(), strict=True))


def agree(segments, queries, k):
    found = nearest(segments, queries, k)
    scores, rows = naive(segments, queries, k)
    assert np.array_equal(found.row, rows)
    assert np.array_equal(found.scores, scores)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(parts, "BLOCK_ROWS", 64)


@pytest.mark.parametrize("num_queries", [1, 33])
@pytest.mark.parametrize("k", [1, 10, 63, 64, 65, 150])
def test_the_best_rows_are_those_of_a_naive_loop(small_blocks, num_queries, k):
    rng = np.random.default_rng(k)
    segments = [rows_of(unit(rng, num_rows, 8)) for num_rows in (1, 64, 65, 200)]
    agree(segments, unit(rng, num_queries, 8), k)


@pytest.mark.parametrize("num_queries", [1, 25])
@pytest.mark.parametrize("k", [1, 5, 100, 130])
def test_of_equal_scores_the_lower_media_comes_first_wherever_it_lies(small_blocks, num_queries, k):
    rng = np.random.default_rng(1)
    few = unit(rng, 4, 128)
    places = [(300, 1500), (7, 0), (150, 600)]
    segments = [rows_of(few[rng.integers(0, 4, count)], first_media=first) for count, first in places]
    agree(segments, np.repeat(few[:1], num_queries, axis=0), k)


@pytest.mark.parametrize("k", [1, 20, 90, 400])
def test_how_moments_lie_in_segments_changes_nothing_in_the_answer(small_blocks, k):
    """Compacting a library puts them elsewhere; many score equally here."""
    rng = np.random.default_rng(7)
    few = unit(rng, 30, 16)
    segments = [rows_of(few[rng.integers(0, 30, 200)], first_media=first) for first in (900, 0, 300)]
    elsewhere = scattered(segments)
    before, after = nearest(segments, few, k), nearest(elsewhere, few, k)
    assert np.array_equal(before.scores, after.scores)
    assert moments_at(segments, before.row) == moments_at(elsewhere, after.row)


def test_a_tie_at_the_last_place_is_decided_in_favour_of_the_lower_media(small_blocks):
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
