"""Search inside a filter, mapped and in memory, against the ranking of a naive scan with the rest struck out."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avsearch.vectors import Rows, parts, ranking, rows_of_media
from avsearch.vectors.exact import nearest
from avsearch.vectors.ranges import Ranges, ranges_of_media
from avsearch.vectors.resident import Resident

GATHER, IN_PLACE = 1.0, 0.0


def ranked(segments, queries, k, allowed):
    """All rows, by score, then by media and time; those of other media struck out; the first k."""
    vector, media_id, start_us = (
        np.concatenate([getattr(rows, name) for rows in segments]) for name in ("vector", "media_id", "start_us")
    )
    wanted = set(allowed.tolist())
    scores = np.array(
        [[np.float32(np.dot(row, query)) for row in vector.astype(float)] for query in queries.astype(float)]
    )
    found = []
    for of_query in scores.reshape(len(queries), len(vector)):
        order = np.lexsort((start_us, media_id, -of_query))
        found.append([(of_query[row], row) for row in order if media_id[row] in wanted][:k])
    return found


def agree(found, truth):
    assert [
        list(zip(*both, strict=True)) for both in zip(found.scores.tolist(), found.row.tolist(), strict=True)
    ] == truth


@st.composite
def cases(draw):
    """Segments of media with one to four moments, of few or many different vectors; a filter; a number."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    num_media, dim = draw(st.integers(1, 120)), draw(st.sampled_from([2, 8, 33]))
    counts = rng.integers(1, 5, num_media)
    media_id = np.repeat(np.sort(rng.choice(1000, num_media, replace=False)), counts)
    start_us = np.concatenate([np.arange(count) * 10 for count in counts])
    directions = rng.standard_normal((draw(st.sampled_from([1, 3, 1000])), dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    vector = directions[rng.integers(0, len(directions), len(media_id))].astype(draw(st.sampled_from(["f4", "f2"])))
    part = rng.integers(0, draw(st.integers(1, 4)), len(media_id))  # a media may lie in several segments
    segments = [
        Rows(vector[here], media_id[here], start_us[here]) for here in (part == number for number in range(5))
    ]
    queries = directions[rng.integers(0, len(directions), draw(st.sampled_from([1, 2, 25])))].astype(np.float32)
    allowed = np.flatnonzero(rng.random(1010) < draw(st.sampled_from([0, 0.001, 0.02, 0.3, 0.9, 1])))
    return segments, queries, draw(st.sampled_from([1, 3, 20, 64, 500])), allowed


@pytest.mark.slow
@pytest.mark.parametrize("share", [GATHER, IN_PLACE, None], ids=["gathered", "in place", "as measured"])
def test_what_is_found_in_a_filter_is_what_a_naive_scan_finds(monkeypatch, share):
    monkeypatch.setattr(parts, "BLOCK_ROWS", 64)
    monkeypatch.setattr(ranking, "MARGIN", 2)
    if share is not None:
        monkeypatch.setattr(parts, "_GATHERED_SHARE", share)
        monkeypatch.setattr(parts, "_MOST_GATHERED_SHARE", share)

    @given(cases())
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    def agrees(case):
        segments, queries, k, allowed = case
        truth = ranked(segments, queries, k, allowed)
        agree(nearest(segments, queries, k, allowed=allowed), truth)
        agree(Resident(segments).nearest(queries, k, allowed=allowed), truth)

    agrees()


@pytest.mark.parametrize("num_queries", [1, 32])
@pytest.mark.parametrize("num_allowed", [0, 1, 3, 100, 2_000, 9_999, 10_000])
def test_of_ten_thousand_media_any_share_is_found_down_to_one(num_allowed, num_queries):
    rng = np.random.default_rng(num_allowed)
    vector = rng.standard_normal((30_000, 16)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    vector[rng.integers(0, 30_000, 6_000)] = vector[:6_000]  # ties
    row = np.arange(30_000)
    segments = [Rows(vector[at], row[at] // 3, row[at] % 3) for at in np.split(row, [9_000, 9_003, 24_000])]
    allowed = np.sort(rng.choice(10_000, num_allowed, replace=False))
    queries = vector[rng.integers(0, 30_000, num_queries)]
    scores = (queries.astype(float) @ vector.astype(float).T).astype(np.float32)
    scores[:, ~np.isin(row // 3, allowed)] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, : min(40, 3 * num_allowed)]
    resident = Resident(segments)
    for found in (nearest(segments, queries, 40, allowed=allowed), resident.nearest(queries, 40, allowed=allowed)):
        assert np.array_equal(found.row, order)
        assert np.array_equal(found.scores, np.take_along_axis(scores, order, axis=1))
        assert np.array_equal(found.media_id, order // 3)
        assert np.array_equal(found.start_us, order % 3)


def test_a_filter_against_all_that_answers_best_is_no_worse(monkeypatch):
    """What would be fetched first is just what does not count."""
    rng = np.random.default_rng(3)
    query = np.eye(1, 8, dtype=np.float32)
    vector = rng.standard_normal((4_000, 8)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    vector = vector[np.argsort(-vector[:, 0])]
    rows = Rows(vector, np.arange(4_000), np.zeros(4_000, np.int64))
    allowed = np.arange(2_000, 4_000)
    asked = []
    monkeypatch.setattr(ranking, "highest_products", counting(ranking.highest_products, asked))
    assert Resident([rows]).nearest(query, 5, allowed=allowed).row.tolist() == [[2000, 2001, 2002, 2003, 2004]]
    assert len(asked) == 1


def counting(function, calls):
    def counted(*given):
        calls.append(given)
        return function(*given)

    return counted


def test_media_that_do_not_ascend_are_refused():
    rows = [Rows(np.eye(3, dtype=np.float32), np.arange(3), np.zeros(3, np.int64))]
    for wrong in (np.array([2, 1]), np.array([1, 1]), np.array([1.0]), np.array([[1]])):
        with pytest.raises(ValueError, match="ascend"):
            nearest(rows, np.ones((1, 3), np.float32), 1, allowed=wrong)


@given(st.sets(st.integers(0, 30)), st.lists(st.integers(0, 30), min_size=1).map(sorted))
@settings(deadline=None)
def test_ranges_hold_the_rows_of_the_media(wanted, media_ids):
    ranges = ranges_of_media(np.array(media_ids), np.array(sorted(wanted), np.int64))
    truth = [row for row, media_id in enumerate(media_ids) if media_id in wanted]
    assert ranges.rows().tolist() == truth
    assert ranges.num_rows == len(truth)
    assert np.flatnonzero(ranges.mask(len(media_ids))).tolist() == truth


def test_ranges_may_touch():
    ranges = Ranges(np.array([0, 2, 5]), np.array([2, 4, 6]))
    assert ranges.mask(7).tolist() == [True, True, True, True, False, True, False]


def test_the_rows_of_media_come_sorted_wherever_they_lie():
    segments = [
        Rows(np.eye(4, dtype=np.float32), np.array([1, 5, 5, 9]), np.array([0, 10, 30, 0])),
        Rows(np.eye(4, dtype=np.float32)[:0], np.empty(0, np.int64), np.empty(0, np.int64)),
        Rows(-np.eye(4, dtype=np.float32)[:3], np.array([2, 5, 9]), np.array([7, 20, 8])),
    ]
    found = rows_of_media(segments, np.array([2, 4, 5]))
    assert list(zip(found.media_id, found.start_us, strict=True)) == [(2, 7), (5, 10), (5, 20), (5, 30)]
    assert found.vector.argmax(axis=1).tolist() == [1, 1, 0, 2]
    assert len(rows_of_media([], np.array([1]))) == 0
