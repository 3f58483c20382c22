"""Rows in memory answer as mapped ones do."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.query.ranking import Mapped
from avsearch.vectors import Rows, blocks, ranking, rows_at
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


@pytest.fixture
def small_blocks(monkeypatch):
    """Room for a hundred rows."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 100 * 24 * 4)


def named(segments, names):
    return {"segments": [segments[name] for name in names], "names": names}


def test_what_is_held_is_not_read_again(small_blocks):
    """Each segment is copied once, however many states of the library come and go."""
    segments = segments_of(np.random.default_rng(0), 30, 40, 20, 500, 10, 7, 60, dtype=np.float16)
    read = []
    watched = [Watched(rows, at, read) for at, rows in enumerate(segments)]
    resident = None
    for count in range(8):
        read.clear()
        resident = Resident(watched[:count], names=range(count), before=resident)
        assert len(resident) == sum(map(len, segments[:count]))
        equal(resident.nearest(QUERIES, 30), nearest(segments[:count], QUERIES, 30))
        assert set(read) == {count - 1} - {-1}


class Watched(Rows):
    """Rows that remember that their vectors were read."""

    def __init__(self, rows, number, read):
        self.__dict__.update(media_id=rows.media_id, start_us=rows.start_us, known=rows, number=number, read=read)

    def __len__(self):
        return len(self.known)

    @property
    def dim(self):
        return self.known.dim

    @property
    def vector(self):
        self.read.append(self.number)
        return self.known.vector


QUERIES = np.random.default_rng(1).standard_normal((3, 24)).astype(np.float32)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_whatever_comes_and_goes_the_answer_is_that_of_the_segments(seed):
    rng = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", int(rng.integers(1, 300)) * 24 * 4)
        segments = segments_of(rng, *rng.integers(0, 120, 12), dtype=np.float16 if seed % 2 else np.float32)
        allowed = np.flatnonzero(rng.random(400) < 0.5)
        states = []
        for _ in range(6):
            names = sorted(rng.choice(12, int(rng.integers(0, 13)), replace=False).tolist())
            before = states[int(rng.integers(0, len(states)))][1] if states else None
            states.append((names, Resident(**named(segments, names), before=before)))
        for names, resident in states:
            now = [segments[name] for name in names]
            for chosen in (None, allowed):
                found, truth = (it.nearest(QUERIES, 25, allowed=chosen) for it in (resident, Mapped(now)))
                equal(found, truth)
                assert np.array_equal(found.row, truth.row)
            assert [rows.start_us.tolist() for rows in resident.segments] == [it.start_us.tolist() for it in now]


def test_two_states_that_follow_the_same_one_do_not_write_into_each_other(small_blocks):
    segments = segments_of(np.random.default_rng(0), 30, 20, 25)
    before = Resident(**named(segments, [0]), before=Resident(**named(segments, [])))
    one = Resident(**named(segments, [0, 1]), before=before)
    other = Resident(**named(segments, [0, 2]), before=before)
    for resident, names in ((before, [0]), (one, [0, 1]), (other, [0, 2])):
        equal(resident.nearest(QUERIES, 99), nearest([segments[name] for name in names], QUERIES, 99))


def test_what_comes_after_shares_the_memory_of_what_was_before():
    segments = segments_of(np.random.default_rng(0), 900, 50, 30, dtype=np.float16)
    before = Resident(segments[:2])
    after = Resident(segments, before=before)
    assert all(
        np.shares_memory(one.vector, other.vector)
        for one, other in zip(before.segments, after.segments, strict=False)
    )
    assert after.num_bytes - before.num_bytes == resident_bytes(segments[2:]) + 6 * 24


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
