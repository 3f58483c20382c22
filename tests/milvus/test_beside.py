"""Search beside a server that may name anything: what is found is honest, and filters keep their promise."""

import numpy as np
import pytest

from avsearch.errors import EngineError
from avsearch.vectors.milvus import beside
from avsearch.vectors.milvus.beside import Beside
from avsearch.vectors.milvus.holdings import holdings_of
from avsearch.vectors.milvus.link import PAUSE_S, Collection, Link
from tests.vectors.ann.made import assert_honest, naive, segments_of, unit

NUM_MEDIA = 400  # of five rows


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(beside, "FEW_ROWS", 100)


@pytest.fixture
def segments():
    return segments_of(np.random.default_rng(0), 900, 600, 500)


@pytest.fixture
def queries():
    return unit(np.random.default_rng(1).standard_normal((7, 16)))


class Named:
    """Answers as Milvus does, from the rows themselves; keeps what it was asked."""

    uri = "http://here"

    def __init__(self, segments, *, best=True):
        self.vector = np.concatenate([it.vector for it in segments])
        self.media_id = np.concatenate([it.media_id for it in segments])
        self.start_us = np.concatenate([it.start_us for it in segments])
        self.asked = []
        self.sign = 1 if best else -1

    def load(self, _name, *, is_asking):
        assert is_asking

    def count(self, _name, *, is_asking):
        assert is_asking
        return len(self.media_id)

    def search(self, _name, queries, fetch, expression):
        self.asked.append((len(queries), fetch, expression))
        counts = np.ones(len(self.media_id), bool)
        if expression:
            words, ids = expression.split(" [")
            named = np.isin(self.media_id, [int(it) for it in ids.rstrip("]").split(",")])
            counts = ~named if words == "media_id not in" else named
            assert words in {"media_id in", "media_id not in"}
        scores = np.where(counts, self.sign * (queries @ self.vector.T), -np.inf)
        order = np.argsort(-scores, axis=1)[:, : min(fetch, int(counts.sum()))]
        return [[f"{self.media_id[at]}:{self.start_us[at]}" for at in row] for row in order.tolist()]


def search_over(segments, server=None, held=None):
    holdings = holdings_of(segments)
    is_held = np.ones(len(holdings), bool) if held is None else np.isin(holdings.media_id, held)
    server = server or Named(segments)
    num_rows = int(holdings.num_rows[is_held].sum())
    return Beside(Link(lambda: server), Collection("c", num_rows), holdings, is_held)


def same(found, segments, queries, k, allowed=None):
    for at, (scores, row) in enumerate(naive(segments, queries, k, allowed)):
        assert np.array_equal(found.row[at], row)
        np.testing.assert_allclose(found.scores[at], scores, rtol=0, atol=2e-7)
    assert_honest(found, segments, queries)


def test_the_best_rows_come_with_the_scores_of_the_segments(segments, queries):
    server = Named(segments)
    same(search_over(segments, server).nearest(queries, 10), segments, queries, 10)
    assert server.asked == [(7, 36, "")]


@pytest.mark.parametrize("lacking", [[3], list(range(0, NUM_MEDIA, 3))], ids=["one", "many"])
def test_media_that_the_collection_does_not_hold_are_all_looked_at(segments, queries, lacking):
    held = np.setdiff1d(np.arange(NUM_MEDIA), lacking)
    server = Named([it.take(np.isin(it.media_id, held)) for it in segments])
    same(search_over(segments, server, held).nearest(queries, 10), segments, queries, 10)


def test_rows_of_media_that_are_gone_or_stale_are_not_found(segments, queries):
    server = Named(segments)
    kept = [it.take(it.media_id % 3 != 0) for it in segments]
    same(search_over(kept, server).nearest(queries, 10), kept, queries, 10)
    stale = np.arange(0, NUM_MEDIA, 2)
    same(search_over(segments, server, stale).nearest(queries, 10), segments, queries, 10)


def test_a_filter_of_few_rows_asks_no_server(segments, queries):
    server = Named(segments)
    search = search_over(segments, server)
    same(search.nearest(queries, 10, allowed=np.arange(20)), segments, queries, 10, np.arange(20))
    assert server.asked == []


@pytest.mark.parametrize(
    ("allowed", "expression"),
    [(range(1, NUM_MEDIA), "media_id not in [0]"), (range(30, 60), f"media_id in {list(range(30, 60))}")],
    ids=["all but one", "a few"],
)
def test_media_are_named_in_the_expression_where_they_are_few_enough(
    segments, queries, allowed, expression, monkeypatch
):
    monkeypatch.setattr("avsearch.vectors.milvus.server.MOST_IDS", 40)
    server = Named(segments)
    search, allowed = search_over(segments, server), np.array(allowed)
    same(search.nearest(queries, 10, allowed=allowed), segments, queries, 10, allowed)
    assert [it for _, _, it in server.asked] == [expression]


def test_more_media_are_named_in_several_bounded_expressions(segments, queries, monkeypatch):
    monkeypatch.setattr("avsearch.vectors.milvus.server.MOST_IDS", 40)
    server = Named(segments)
    search, allowed = search_over(segments, server), np.arange(0, 300, 2)
    same(search.nearest(queries, 10, allowed=allowed), segments, queries, 10, allowed)
    expressions = [it for _, _, it in server.asked]
    assert len(expressions) == 4
    assert max(it.count(",") for it in expressions) == 39


def test_too_many_media_to_be_named_are_fetched_beyond_what_is_wanted(segments, queries, monkeypatch):
    monkeypatch.setattr("avsearch.vectors.milvus.server.MOST_IDS", 10)
    server = Named(segments)
    search, allowed = search_over(segments, server), np.arange(0, NUM_MEDIA, 2)
    same(search.nearest(queries, 10, allowed=allowed), segments, queries, 10, allowed)
    assert server.asked[0] == (7, 72, "")


def test_a_filter_that_leaves_out_what_answers_best_doubles_and_then_looks_at_all(segments, queries, monkeypatch):
    monkeypatch.setattr("avsearch.vectors.milvus.server.MOST_IDS", 10)
    monkeypatch.setattr(beside, "MOST_FETCH", 300)
    vector = np.concatenate([it.vector for it in segments])
    worst = np.argsort(vector @ queries[0])[:1000] // 5
    allowed = np.unique(worst)[:150]
    search = search_over(segments)
    same(search.nearest(queries[:1], 60, allowed=allowed), segments, queries[:1], 60, allowed)
    search = search_over(segments, Named(segments, best=False))  # what is named never serves
    found = search.nearest(queries, 10, allowed=np.arange(0, NUM_MEDIA, 2))
    assert found.scores.shape == (7, 10)
    assert_honest(found, segments, queries)


def test_fewer_than_k_are_found_only_where_there_are_no_more(segments, queries):
    found = search_over(segments).nearest(queries, 5000)
    assert found.scores.shape == (7, 2000)
    half = Named([it.take(it.start_us == 0) for it in segments])  # most rows were deleted behind our back
    found = search_over(segments, half).nearest(queries, 500)
    assert found.scores.shape == (7, 500)


def test_equal_scores_come_in_the_order_of_exact_search(queries):
    rng = np.random.default_rng(3)
    segments = segments_of(rng, 2000)
    segments[0].vector[::3] = segments[0].vector[0]
    search = search_over(segments)
    asking = np.concatenate([queries, segments[0].vector[:1]])
    same(search.nearest(asking, 10), segments, asking, 10)


def test_what_is_no_id_of_ours_is_passed_over(segments, queries):
    class Strange(Named):
        def search(self, *given):
            strange = [
                "",
                "x",
                "1:",
                ":5",
                "999999:0",
                "1:-5",
                "1:3:4",
                "\uff19:0",
                f"{'9' * 30}:0",
                "1:77",
                "01:2",
            ]
            return [[*strange, *ids] for ids in super().search(*given)]

    same(search_over(segments, Strange(segments)).nearest(queries, 10), segments, queries, 10)


def test_many_queries_are_asked_in_several_calls(segments):
    many = unit(np.random.default_rng(5).standard_normal((150, 16)))
    server = Named(segments)
    search = search_over(segments, server)
    same(search.nearest(many, 10), segments, many, 10)
    assert [it for it, _, _ in server.asked] == [64, 64, 22]


def test_a_server_that_fails_is_left_alone_for_a_while_and_told_of_once(segments, queries, caplog):
    class Failing(Named):
        def search(self, *given):
            self.asked.append(given)
            raise EngineError("http://here: Milvus does not answer (UNAVAILABLE).", hint="Check it.")

    now, connected = 0.0, []
    server, holdings = Failing(segments), holdings_of(segments)
    link = Link(lambda: connected.append(now) or server, clock=lambda: now)
    collections = [Collection(name, 2000) for name in "ab"]
    both = [Beside(link, it, holdings, np.ones(len(holdings), bool)) for it in collections]
    for search in both * 2:
        same(search.nearest(queries, 10), segments, queries, 10)
    assert len(server.asked) == 1
    assert [it.message for it in caplog.records] == [
        "http://here: Milvus does not answer (UNAVAILABLE). Search is exact. Check it."
    ]
    now = PAUSE_S + 1
    same(both[0].nearest(queries, 10), segments, queries, 10)
    assert len(server.asked) == 2
    assert connected == [0.0, now]
    now = 3 * PAUSE_S
    server.search = Named(segments).search  # it is back
    same(both[0].nearest(queries, 10), segments, queries, 10)
    assert len(caplog.records) == 2
    assert connected == [0.0, PAUSE_S + 1, now]


def test_a_collection_that_lacks_rows_is_not_asked(segments, queries, caplog):
    search = search_over(segments, Named(segments[:2]))
    same(search.nearest(queries, 10), segments, queries, 10)
    assert "http://here: c holds 1500 moments instead of 2000. Search is exact." in caplog.text


def test_nothing_at_all_can_be_searched():
    queries = unit(np.random.default_rng(1).standard_normal((2, 16)))
    assert search_over([], server=object()).nearest(queries, 3).scores.shape == (2, 0)
