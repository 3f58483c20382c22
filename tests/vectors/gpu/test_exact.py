"""Search with candidates from GPUs gives what exact search gives, which tests/vectors/test_exact.py checks."""

import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.vectors import Rows
from avsearch.vectors.exact import nearest
from avsearch.vectors.gpu import block
from avsearch.vectors.gpu import exact as module
from avsearch.vectors.gpu.cards import NoGpu, cards
from avsearch.vectors.gpu.exact import on_gpu
from avsearch.vectors.gpu.rounding import error_bound, unit_queries
from tests.vectors.ann.made import clustered, segments_of
from tests.vectors.gpu import fake


def equal(one, other):
    for name in ("scores", "row", "media_id", "start_us"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def queries_of(segments, count=9):
    return np.concatenate([rows.vector for rows in segments])[:count].astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("num_gpus", [1, 3])
def test_the_answer_is_that_of_exact_search(gpus, small, monkeypatch, dtype, num_gpus):
    monkeypatch.setattr(block, "SPREAD_ROWS", 100)
    installed = gpus(num_gpus)
    segments = segments_of(np.random.default_rng(0), 1500, 0, 700, 1, 900, 40, dtype=dtype)
    searched = on_gpu(segments, cards("cuda"))
    queries = queries_of(segments)
    for allowed in (None, np.arange(0, 620, 2), np.arange(620), np.arange(3), np.empty(0, np.int64)):
        equal(searched.nearest(queries, 30, allowed=allowed), nearest(segments, queries, 30, allowed=allowed))
    assert len(searched) == 3141
    assert set(installed.searches) == set(range(num_gpus))


def test_most_queries_are_answered_by_the_gpu_alone(gpus, small, monkeypatch):
    gpus()
    segments = segments_of(np.random.default_rng(1), 6000)
    searched = on_gpu(segments, cards("cuda"))
    queries = clustered(np.random.default_rng(1), 200)
    truth = nearest(segments, queries, 5)
    asked = []
    monkeypatch.setattr(module.exact, "nearest", lambda *args, **_: asked.append(args) or nearest(*args))
    equal(searched.nearest(queries, 5), truth)
    assert sum(len(args[1]) for args in asked) <= 4


def test_a_tie_that_float16_cannot_tell_apart_is_decided_by_the_rows_themselves(gpus, small):
    """Rows that are one in float16 and differ in float32, more than can be fetched: all are looked at."""
    gpus()
    rng = np.random.default_rng(2)
    vector = clustered(rng, 1)[0] + 1e-6 * rng.standard_normal((2000, 16))
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    segments = [Rows(vector.astype(np.float32), np.arange(2000), np.zeros(2000, np.int64))]
    searched = on_gpu(segments, cards("cuda"))
    queries = vector[:4].astype(np.float32)
    equal(searched.nearest(queries, 20), nearest(segments, queries, 20))


@pytest.mark.parametrize("scale", [1e-9, 0.0, 1.0, 40.0, 1e9])
def test_a_query_of_any_length_is_answered(gpus, small, scale):
    gpus()
    segments = segments_of(np.random.default_rng(3), 2000)
    queries = (queries_of(segments, 5) * scale).astype(np.float32)
    equal(on_gpu(segments, cards("cuda")).nearest(queries, 7), nearest(segments, queries, 7))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.booleans())
def test_scores_in_float16_are_no_further_off_than_the_bound_says(seed, is_rounded):
    rng = np.random.default_rng(seed)
    dim = int(rng.integers(2, 600))
    spread = 10.0 ** rng.uniform(-4, 0, dim)
    rows, queries = (rng.standard_normal((50, dim)) * spread for _ in range(2))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows.astype(np.float32) if is_rounded else rows.astype(np.float16).astype(np.float32)
    sent, length = unit_queries(queries.astype(np.float32))
    truth = queries.astype(np.float32).astype(np.float64) @ rows.astype(np.float64).T / length[:, None]
    rough = sent.astype(np.float16).astype(np.float32) @ rows.astype(np.float16).astype(np.float32).T
    bound = error_bound(sent, is_rounded=is_rounded)
    assert (np.abs(rough - truth).max(axis=1) <= bound).all()
    assert bound.max() < 0.002


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_whatever_segments_filter_and_number_of_hits_there_are_the_answer_is_the_same(seed):
    rng = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FEW_ROWS", int(rng.integers(1, 200)))
        patch.setattr(module, "MOST_FETCHED", int(rng.integers(100, 400)))
        patch.setattr(block, "BLOCK_BYTES", int(rng.integers(1, 900)) * 32)
        patch.setattr(block, "SPREAD_ROWS", int(rng.integers(1, 900)))
        patch.setattr("avsearch.vectors.gpu.block.load_faiss", lambda: installed)
        installed = fake.GpuFaiss(int(rng.integers(1, 4)))
        there = [fake_card(installed, device) for device in range(installed.num_gpus)]
        segments = segments_of(rng, *rng.integers(0, 700, 6), dtype=np.float16 if seed % 2 else np.float32)
        searched = on_gpu(segments, there)
        queries = np.concatenate([queries_of(segments, 4).reshape(-1, 16), clustered(rng, 3)])
        last = sum(map(len, segments)) // 5 + 1
        for allowed in (None, np.flatnonzero(rng.random(last) < rng.random())):
            k = int(rng.integers(1, 60))
            equal(searched.nearest(queries, k, allowed=allowed), nearest(segments, queries, k, allowed=allowed))


def fake_card(installed, device):
    from avsearch.vectors.gpu.cards import Card

    return Card(device, installed.StandardGpuResources())


def test_few_rows_that_count_are_scanned_exactly_and_many_are_over_fetched(gpus, small):
    installed = gpus()
    segments = segments_of(np.random.default_rng(4), 4000)
    searched = on_gpu(segments, cards("cuda"))
    queries = queries_of(segments, 2)
    few, many = np.arange(7), np.arange(0, 800, 2)
    equal(searched.nearest(queries, 10, allowed=few), nearest(segments, queries, 10, allowed=few))
    assert installed.searches == {}
    equal(searched.nearest(queries, 10, allowed=many), nearest(segments, queries, 10, allowed=many))
    assert installed.searches[0] >= 1


def test_a_filter_that_leaves_out_just_what_answers_best_costs_doublings_and_then_a_scan(gpus, small, monkeypatch):
    installed = gpus()
    segments = segments_of(np.random.default_rng(5), 3000)
    query = segments[0].vector[:1].copy()
    best = nearest(segments, query, 2000)
    allowed = np.setdiff1d(np.arange(600), best.media_id[0, :300])
    fetched = []
    search = installed.GpuIndexFlat.search
    monkeypatch.setattr(
        installed.GpuIndexFlat, "search", lambda self, x, k, **more: fetched.append(k) or search(self, x, k, **more)
    )
    equal(
        on_gpu(segments, cards("cuda")).nearest(query, 9, allowed=allowed),
        nearest(segments, query, 9, allowed=allowed),
    )
    assert fetched == sorted(fetched)
    assert fetched[-1] == 256
    assert all(2 * one >= other for one, other in pairwise(fetched))


def test_more_hits_than_a_gpu_selects_are_found_by_the_cpu(gpus, small):
    installed = gpus()
    segments = segments_of(np.random.default_rng(6), 3000)
    queries = queries_of(segments, 2)
    equal(on_gpu(segments, cards("cuda")).nearest(queries, 200), nearest(segments, queries, 200))
    assert installed.searches == {}


def test_a_batch_larger_than_a_gpu_is_asked_at_once_goes_in_parts(gpus, small, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 4)
    gpus()
    segments = segments_of(np.random.default_rng(7), 2000)
    queries = queries_of(segments, 11)
    equal(on_gpu(segments, cards("cuda")).nearest(queries, 8), nearest(segments, queries, 8))


def test_several_gpus_share_the_rows_evenly(gpus, monkeypatch):
    monkeypatch.setattr(block, "SPREAD_ROWS", 500)
    gpus(4)
    segments = segments_of(np.random.default_rng(8), *[250] * 40)
    searched = on_gpu(segments, cards("cuda"))
    load = dict.fromkeys(range(4), 0)
    for one in searched.blocks:
        load[one.card.device] += len(one)
    assert sorted(load.values()) == [2500] * 4


def test_one_gpu_is_taken_by_its_number(gpus):
    gpus(4)
    assert [card.device for card in cards("cuda:2")] == [2]
    assert [card.device for card in cards("auto")] == [0, 1, 2, 3]
    assert cards("cpu") == ()


def test_a_new_state_takes_over_what_is_on_the_gpu_for_segments_that_stay(gpus, small):
    installed = gpus(2)
    segments = segments_of(np.random.default_rng(9), *[400] * 8)
    before = on_gpu(segments[:6], cards("cuda"), names=range(6))
    assert installed.added == 2400
    now = on_gpu(segments, cards("cuda"), names=range(8), before=before)
    assert installed.added == 3200
    assert now.blocks[0].index is before.blocks[0].index
    queries = queries_of(segments)
    equal(now.nearest(queries, 20), nearest(segments, queries, 20))
    equal(before.nearest(queries, 20), nearest(segments[:6], queries, 20))


def test_a_block_with_a_segment_that_is_gone_is_copied_anew_without_it(gpus, small):
    installed = gpus()
    segments = segments_of(np.random.default_rng(10), 600, 600, 600)
    before = on_gpu(segments, cards("cuda"), names="abc")
    now = on_gpu(segments[1:], cards("cuda"), names="bc", before=before)
    queries = queries_of(segments)
    equal(now.nearest(queries, 20), nearest(segments[1:], queries, 20))
    assert installed.added == 3000
    del before
    assert installed.used[0] == 1200 * 16 * 2


def test_many_small_commits_leave_few_blocks_and_copy_each_row_a_few_times(gpus):
    installed = gpus()
    segments = segments_of(np.random.default_rng(11), 5000, *[20] * 64)
    searched = None
    for count in range(1, 66):
        searched = on_gpu(segments[:count], cards("cuda"), names=range(count), before=searched)
        assert len(searched.blocks) <= 8
        assert sum(map(len, searched.blocks)) == sum(map(len, segments[:count]))
    assert installed.added <= 5000 + 64 * 20 * 7


def test_a_memory_that_is_full_is_told_in_one_sentence_and_is_given_back(gpus):
    installed = gpus(memory=40_000)
    segments = segments_of(np.random.default_rng(12), 600, 600, 600)
    with pytest.raises(NoGpu, match="The memory of GPU 0 is full"):
        on_gpu(segments, cards("cuda"))
    assert installed.used[0] == 0


def test_a_gpu_that_fails_while_it_is_asked_is_left_alone_and_one_line_says_so(gpus, small, caplog):
    installed = gpus()
    segments = segments_of(np.random.default_rng(13), 2000)
    searched = on_gpu(segments, cards("cuda"))
    queries = queries_of(segments)
    installed.fails = RuntimeError(fake.OUT_OF_MEMORY.format(device=0, size=1))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            equal(searched.nearest(queries, 9), nearest(segments, queries, 9))
    (line,) = caplog.messages
    assert line == (
        "The memory of GPU 0 is full. Search is on the CPU. "
        "End other programs that use it, or build a smaller index with `avsearch library optimize`."
    )
    installed.fails = None
    assert on_gpu(segments, cards("cuda"), before=searched).blocks[0].index is not searched.blocks[0].index


def test_a_cuda_error_is_told_without_its_place_in_the_source(gpus, small, caplog):
    installed = gpus()
    segments = segments_of(np.random.default_rng(14), 2000)
    searched = on_gpu(segments, cards("cuda"))
    installed.fails = RuntimeError(
        "Error in f at g.cu:7: Error: 'err' failed: CUDA error 700 illegal access\nstack"
    )
    with caplog.at_level(logging.WARNING):
        searched.nearest(queries_of(segments), 9)
    assert caplog.messages[0].startswith(
        "GPU 0 cannot be searched on (CUDA error 700 illegal access). Search is on"
    )


def test_many_may_ask_at_once(gpus, small):
    gpus(2)
    segments = segments_of(np.random.default_rng(15), 1500, 1500)
    searched = on_gpu(segments, cards("cuda"))
    queries = queries_of(segments, 24)
    allowed = np.arange(0, 600, 3)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: searched.nearest(queries[at : at + 1], 9, allowed=allowed), range(24)))
    for at, one in enumerate(found):
        equal(one, nearest(segments, queries[at : at + 1], 9, allowed=allowed))


def test_nothing_is_found_in_nothing(gpus):
    gpus()
    queries = np.ones((2, 16), np.float32)
    assert on_gpu([], cards("cuda")).nearest(queries, 3).row.shape == (2, 0)
    assert on_gpu(segments_of(np.random.default_rng(0), 0), cards("cuda")).nearest(queries, 3).row.shape == (2, 0)
