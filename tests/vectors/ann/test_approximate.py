"""Search by an index: what it finds is true, and never fewer than there are. Truth: a plain float64 scan."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.vectors.ann import approximate as module
from avsearch.vectors.ann.approximate import GONE, Approximate, Held
from avsearch.vectors.ann.choosing import num_media_of, over
from avsearch.vectors.ann.record import Tuning
from avsearch.vectors.exact import nearest
from tests.vectors.ann.made import (
    assert_honest,
    clustered,
    naive,
    recall,
    segments_of,
    structure_of,
)

EVERYTHING = 1 << 20


@pytest.fixture(scope="module")
def segments():
    return segments_of(np.random.default_rng(0), 1500, 1, 2500, 0, 998)


@pytest.fixture(scope="module")
def structure(segments):
    return structure_of(segments)


@pytest.fixture(scope="module")
def queries():
    rng = np.random.default_rng(0)
    return clustered(rng, 1500)[:25]


def changed(structure, segments, now, *, effort=6, overfetch=1):
    """A search over segments of another time: those of before are known by identity."""
    place = {id(rows): at for at, rows in enumerate(now)}
    held = [Held(len(rows), place.get(id(rows), GONE)) for rows in segments]
    return Approximate(structure, Tuning(effort, overfetch), now, held, num_media_of(segments))


@pytest.mark.parametrize(
    ("name", "tuning", "least"),
    [
        ("ivf", Tuning(20, 1), 0.95),
        ("ivf-sq8", Tuning(20, 2), 0.95),
        ("hnsw", Tuning(64, 1), 0.95),
        ("hnsw-sq8", Tuning(64, 2), 0.95),
    ],
)
def test_each_kind_finds_most_of_the_best_rows_and_scores_them_exactly(segments, queries, name, tuning, least):
    found = over(structure_of(segments, name), tuning, segments).nearest(queries, 30)
    assert found.row.shape == (25, 30)
    assert_honest(found, segments, queries)
    assert recall(found, naive(segments, queries, 30)) >= least


@pytest.mark.slow
def test_codes_of_a_few_bytes_find_most_of_the_best_rows_since_rows_themselves_decide():
    segments = segments_of(np.random.default_rng(1), 7000, 5000, dtype=np.float16)
    queries = segments[0].vector[:20].astype(np.float32)
    structure = structure_of(segments, "ivf-pq")
    truth = naive(segments, queries, 20)
    rough, fine = (over(structure, Tuning(40, overfetch), segments).nearest(queries, 20) for overfetch in (1, 16))
    assert_honest(fine, segments, queries)
    assert recall(fine, truth) >= 0.95
    assert recall(fine, truth) > recall(rough, truth)


@pytest.mark.parametrize("k", [1, 7, 100, 2000, 6000])
def test_with_every_list_read_the_answer_is_the_exact_one(segments, structure, queries, k):
    found = over(structure, Tuning(EVERYTHING, 1), segments).nearest(queries, k)
    truth = nearest(segments, queries, k)
    assert np.array_equal(found.row, truth.row)
    assert np.array_equal(found.scores, truth.scores)


def test_more_effort_finds_no_less(segments, structure, queries):
    truth = naive(segments, queries, 30)
    found = [recall(over(structure, Tuning(it, 1), segments).nearest(queries, 30), truth) for it in (1, 4, 16, 64)]
    assert found == sorted(found)
    assert found[0] < found[-1]


@pytest.mark.parametrize("num_allowed", [0, 1, 3, 15, 60, 400, 700, 999, 1000])
@pytest.mark.parametrize("k", [1, 30])
def test_a_filter_gives_as_many_as_there_are_and_only_what_it_allows(segments, structure, queries, num_allowed, k):
    allowed = np.sort(np.random.default_rng(num_allowed).choice(1000, num_allowed, replace=False))
    truth = naive(segments, queries, k, allowed)
    found = over(structure, Tuning(8, 2), segments).nearest(queries, k, allowed=allowed)
    assert found.row.shape == (len(queries), len(truth[0][1]))
    if num_allowed:
        assert np.isin(found.media_id, allowed).all()
        assert_honest(found, segments, queries)
        assert recall(found, truth) >= (1.0 if num_allowed < 20 else 0.9)


def test_a_filter_against_all_that_is_near_still_finds_the_best_of_the_rest(segments, structure, queries):
    """What the index names first is just what does not count."""
    for query in queries[:5]:
        near = naive(segments, query[None], 2500)[0][1]
        media = np.unique(np.concatenate([it.media_id for it in segments])[near])
        allowed = np.setdiff1d(np.arange(1000), media)
        assert len(allowed) > 20
        found = over(structure, Tuning(4, 1), segments).nearest(query[None], 10, allowed=allowed)
        assert np.array_equal(found.row[0], naive(segments, query[None], 10, allowed)[0][1])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.01, 0.05, 0.3, 0.6, 0.95]), st.integers(1, 400))
def test_fewer_than_asked_for_are_found_only_where_there_are_no_more(seed, share, k):
    rng = np.random.default_rng(seed)
    segments = CASE["segments"]
    now = [it for it in segments if rng.random() < 0.7] + segments_of(rng, int(rng.integers(0, 30)), first=9000)
    rng.shuffle(now)
    search = changed(
        CASE["structure"], segments, now, effort=int(rng.integers(1, 9)), overfetch=int(rng.integers(1, 4))
    )
    allowed = np.flatnonzero(rng.random(2000) < share)
    queries = clustered(rng, int(rng.integers(1, 5)))
    truth = naive(now, queries, k, allowed) if now else [((), ())] * len(queries)
    found = search.nearest(queries, k, allowed=allowed)
    assert found.row.shape == (len(queries), len(truth[0][1]))
    if found.row.size:
        assert np.isin(found.media_id, allowed).all()
        assert_honest(found, now, queries)


CASE = {"segments": segments_of(np.random.default_rng(7), 900, 300, 1200)}
CASE["structure"] = structure_of(CASE["segments"])


def test_rows_of_segments_that_are_gone_are_found_no_more(segments, structure, queries):
    now = [segments[4], segments[2]]
    found = changed(structure, segments, now, effort=30).nearest(queries, 30)
    assert_honest(found, now, queries)
    assert recall(found, naive(now, queries, 30)) >= 0.9


def test_of_segments_that_came_later_every_row_is_looked_at(segments, structure, queries):
    rng = np.random.default_rng(8)
    new = segments_of(rng, 40, 25, first=5000)
    queries = clustered(rng, 25)
    new[1].vector[:5] = queries[:5]
    now = [new[0], *segments, new[1]]
    found = changed(structure, segments, now, effort=20).nearest(queries, 30)
    truth = naive(now, queries, 30)
    assert_honest(found, now, queries)
    first_new = sum(map(len, now)) - len(new[1])
    assert found.row[:5, 0].tolist() == list(range(first_new, first_new + 5))
    is_new = [set(np.flatnonzero((row < 40) | (row >= first_new)).tolist()) for row in found.row]
    assert sum(map(len, is_new)) > 5
    for row, (_, right) in zip(found.row, truth, strict=True):
        wanted = {it for it in right.tolist() if it < 40 or it >= first_new}
        assert wanted <= set(row.tolist())


def test_when_nothing_of_it_is_left_the_answer_is_exact(segments, structure, queries):
    now = segments_of(np.random.default_rng(9), 300)
    found = changed(structure, segments, now).nearest(queries, 30)
    assert np.array_equal(found.row, nearest(now, queries, 30).row)


def test_a_query_alone_finds_what_it_finds_among_others(segments, structure, queries):
    search = over(structure, Tuning(5, 1), segments)
    allowed = np.arange(0, 1000, 3)
    together = search.nearest(queries, 20, allowed=allowed)
    for at in range(len(queries)):
        alone = search.nearest(queries[at : at + 1], 20, allowed=allowed)
        assert np.array_equal(alone.row[0], together.row[at])


def test_it_is_asked_for_more_than_all_rows_at_once_never(segments, structure, queries, monkeypatch):
    """Over-fetching has a bound: beyond it all rows are looked at, in one pass."""
    fetched = []
    search = over(structure, Tuning(1, 1), segments)
    real = structure.search
    monkeypatch.setattr(structure, "search", lambda *asked: fetched.append(asked[1]) or real(*asked))
    search.nearest(queries, 300)
    search.nearest(queries, 400)
    assert fetched == [300]
    assert module._MOST_SHARE * len(structure) < 400


def test_queries_that_mean_nothing_are_refused_and_none_at_all_find_nothing(segments, structure):
    search = over(structure, Tuning(1, 1), segments)
    with pytest.raises(ValueError, match="finite"):
        search.nearest(np.full((1, 16), np.nan, np.float32), 1)
    assert len(search.nearest(np.empty((0, 16), np.float32), 3).row) == 0


def test_many_may_ask_at_once(segments, structure, queries):
    search = over(structure, Tuning(6, 1), segments)
    asked = [(query[None], np.arange(at, 1000, 1 + at % 7)) for at, query in enumerate(queries)] * 3
    alone = [search.nearest(query, 9, allowed=allowed).row for query, allowed in asked]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda it: search.nearest(it[0], 9, allowed=it[1]).row, asked))
    assert all(np.array_equal(*both) for both in zip(alone, found, strict=True))
