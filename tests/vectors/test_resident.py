"""Rows in memory answer as mapped ones do."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from avsearch.vectors import Rows, ranking, rows_at
from avsearch.vectors.exact import nearest
from avsearch.vectors.resident import Resident, resident_bytes


def segments_of(rng, *lengths, dtype=np.float32, distinct=10_000, dim=24):
    vector = rng.standard_normal((distinct, dim))
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    made, first = [], 0
    for length in lengths:
        row = np.arange(first, first + length)
        made.append(Rows(vector[rng.integers(0, distinct, length)].astype(dtype), row // 5, row % 5))
        first += length
    return made


def equal(one, other):
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.media_id, other.media_id)
    assert np.array_equal(one.start_us, other.start_us)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("distinct", [7, 10_000])
@pytest.mark.parametrize("k", [1, 30, 999, 5000])
def test_the_answer_is_that_of_the_mapped_segments(dtype, distinct, k):
    rng = np.random.default_rng(k)
    segments = segments_of(rng, 700, 0, 1, 2300, dtype=dtype, distinct=distinct)
    resident = Resident(segments)
    queries = segments[3].vector[:21].astype(np.float32)
    for allowed in (None, np.arange(0, 600, 7), np.arange(600)):
        mapped = nearest(segments, queries, k, allowed=allowed)
        found = resident.nearest(queries, k, allowed=allowed)
        equal(found, mapped)
        assert np.array_equal(found.row, mapped.row)


def test_its_own_segments_hold_the_same_moments():
    segments = segments_of(np.random.default_rng(0), 10, 0, 25, dtype=np.float16)
    resident = Resident(segments)
    row = np.arange(35)
    held, mapped = rows_at(resident.segments, row), rows_at(segments, row)
    assert held.vector.dtype == np.float32
    assert np.array_equal(held.vector, mapped.vector.astype(np.float32))
    assert np.array_equal(held.media_id, mapped.media_id)
    assert np.array_equal(held.start_us, mapped.start_us)
    assert [len(rows) for rows in resident.segments] == [10, 0, 25]


def test_one_float32_segment_is_not_copied():
    (segment,) = segments_of(np.random.default_rng(0), 100)
    assert np.shares_memory(Resident([segment]).segments[0].vector, segment.vector)


def test_what_it_takes_is_known_beforehand():
    segments = segments_of(np.random.default_rng(0), 1000, 3000, dtype=np.float16)
    assert resident_bytes(segments) == 4000 * (4 * 24 + 16)
    assert Resident(segments).num_bytes == resident_bytes(segments) + 800 * 24


def test_nothing_is_found_in_nothing():
    queries = np.ones((2, 24), np.float32)
    assert Resident([]).nearest(queries, 3).row.shape == (2, 0)
    assert Resident(segments_of(np.random.default_rng(0), 0)).nearest(queries, 3).row.shape == (2, 0)
    one = Resident(segments_of(np.random.default_rng(0), 9))
    assert one.nearest(queries, 3, allowed=np.empty(0, np.int64)).row.shape == (2, 0)
    assert one.nearest(queries[:0], 3).row.shape == (0, 3)
    assert len(one) == 9


def test_ties_beyond_what_was_fetched_are_looked_at_as_a_whole(monkeypatch):
    """Copies of one frame by the thousand: the lowest media must come first, whichever faiss gave."""
    monkeypatch.setattr(ranking, "_EXACT_ELEMENTS", 1000)
    segments = segments_of(np.random.default_rng(5), 3000, 3000, distinct=1)
    order = segments[::-1]
    found = Resident(order).nearest(order[0].vector[:1], 20)
    assert found.media_id[0].tolist() == sorted([0, 1, 2, 3] * 5)
    assert found.row[0].tolist() == list(range(3000, 3020))


def test_many_may_ask_at_once():
    rng = np.random.default_rng(6)
    segments = segments_of(rng, 5000, 5000)
    resident = Resident(segments)
    asked = [(rows.vector[at : at + 1], rng.permutation(2000)[:500]) for rows in segments for at in range(20)]
    asked = [(query, np.sort(allowed)) for query, allowed in asked]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda it: resident.nearest(it[0], 9, allowed=it[1]), asked))
    for (query, allowed), one in zip(asked, found, strict=True):
        equal(one, nearest(segments, query, 9, allowed=allowed))
