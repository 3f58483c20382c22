"""Searches that are taken together answer as each alone does."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from avsearch.vectors import Rows
from avsearch.vectors.resident import Resident
from avsearch.web.gathering import MOST_QUERIES, Gathering

NUM_ROWS = 2000


def unit(count, seed):
    vector = np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32)
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


class Watched:
    """Rows that can be made to wait, and that know what was asked of them."""

    def __init__(self):
        row = np.arange(NUM_ROWS)
        self.rows = Resident([Rows(unit(NUM_ROWS, 0), row // 10, row % 10)])
        self.free = threading.Event()
        self.begun = threading.Event()
        self.num_queries = []

    def nearest(self, queries, k, *, allowed=None):
        self.begun.set()
        assert self.free.wait(30)
        self.num_queries.append(len(queries))
        return self.rows.nearest(queries, k, allowed=allowed)


@pytest.fixture
def watched():
    return Watched()


def ask_at_once(watched, gathering, asked):
    """What each will get, all asked, in this order, while the first search was under way."""
    pool = ThreadPoolExecutor(len(asked) + 1)
    first = pool.submit(gathering.nearest, unit(1, 1), 5)
    assert watched.begun.wait(30)
    others = []
    for count, (queries, k, allowed) in enumerate(asked, start=1):
        others.append(pool.submit(gathering.nearest, queries, k, allowed=allowed))
        while len(gathering._waiting) < count:
            threading.Event().wait(0.01)
    watched.free.set()
    first.result(30)
    pool.shutdown(wait=False)
    return others


def test_who_comes_during_a_search_is_in_the_next_one_with_all_others(watched):
    filters, counts = (None, np.arange(0, 200, 3), np.arange(100)), (3, 20, 60, 200)
    asked = [(unit(1 + seed % 3, seed), counts[seed % 4], filters[seed % 3]) for seed in range(24)]
    found = ask_at_once(watched, Gathering(watched), asked)
    for (queries, k, allowed), one in zip(asked, found, strict=True):
        alone, together = watched.rows.nearest(queries, k, allowed=allowed), one.result(30)
        for column in ("scores", "row", "media_id", "start_us"):
            assert np.array_equal(getattr(together, column), getattr(alone, column)), column
    assert sum(watched.num_queries) == 1 + sum(len(queries) for queries, _, _ in asked)
    assert len(watched.num_queries) <= 1 + 3 * 2  # filters, and few rows or many


def test_no_search_has_more_queries_than_are_good_for_it(watched):
    asked = [(unit(20, seed), 5, None) for seed in range(10)]
    for one in ask_at_once(watched, Gathering(watched), asked):
        assert one.result(30).scores.shape == (20, 5)
    assert max(watched.num_queries) <= MOST_QUERIES
    assert sum(watched.num_queries) == 201


def test_a_query_that_cannot_be_answered_fails_alone(watched):
    bad = unit(1, 3) * np.nan
    found = ask_at_once(watched, Gathering(watched), [(unit(1, 2), 5, None), (bad, 5, None), (unit(1, 4), 5, None)])
    with pytest.raises(ValueError, match="finite"):
        found[1].result(30)
    assert [found[at].result(30).scores.shape for at in (0, 2)] == [(1, 5), (1, 5)]


def test_who_is_answered_does_not_wait_for_the_next_search(watched):
    """The second search takes two along; the third, for another filter, does not end before both have answers."""
    goes_on = threading.Event()
    plain = watched.rows.nearest

    class Halting:
        def nearest(self, queries, k, *, allowed=None):
            assert allowed is None or goes_on.wait(30)
            return plain(queries, k, allowed=allowed)

    watched.rows = Halting()
    asked = [(unit(1, 2), 5, None), (unit(1, 3), 5, None), (unit(1, 4), 5, np.arange(50))]
    *both, other = ask_at_once(watched, Gathering(watched), asked)
    assert [it.result(30).scores.shape for it in both] == [(1, 5), (1, 5)]
    assert not other.done()
    goes_on.set()
    assert other.result(30).scores.shape == (1, 5)
