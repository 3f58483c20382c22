"""The same on a real GPU, where there is one that faiss can use."""

import numpy as np
import pytest

from avsearch.moments import Silent
from avsearch.vectors.ann.choosing import over
from avsearch.vectors.ann.kinds import KINDS
from avsearch.vectors.ann.record import Tuning
from avsearch.vectors.ann.structure import read
from avsearch.vectors.exact import nearest
from avsearch.vectors.gpu.cards import cards, faiss_build
from avsearch.vectors.gpu.exact import on_gpu
from avsearch.vectors.gpu.structure import GpuStructure, approximate_on_gpu, build_on_gpu, has_cuvs
from tests.vectors.ann.made import assert_honest, naive, recall, segments_of

pytestmark = pytest.mark.gpu


@pytest.fixture
def some():
    if not faiss_build().num_gpus:
        pytest.skip("there is no GPU that faiss can use")
    return cards("cuda")


@pytest.fixture(scope="module")
def segments():
    return segments_of(np.random.default_rng(0), 120_000, 1, 80_000, dim=64)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_exact_answers_are_those_of_the_cpu(some, dtype):
    segments = segments_of(np.random.default_rng(0), 150_000, 100_000, dim=64, dtype=dtype)
    queries = segments[1].vector[:40].astype(np.float32)
    searched = on_gpu(segments, some)
    for allowed in (None, np.arange(0, 50_000, 2), np.arange(100)):
        one = searched.nearest(queries, 30, allowed=allowed)
        other = nearest(segments, queries, 30, allowed=allowed)
        assert np.array_equal(one.scores, other.scores)
        assert np.array_equal(one.row, other.row)
    assert not searched.is_lost


def test_a_new_state_copies_only_what_is_new(some, segments):
    before = on_gpu(segments[:2], some, names="ab")
    now = on_gpu(segments, some, names="abc", before=before)
    assert any(it.index is before.blocks[0].index for it in now.blocks)
    queries = segments[2].vector[:5].copy()
    assert np.array_equal(now.nearest(queries, 9).row, nearest(segments, queries, 9).row)


@pytest.mark.parametrize("name", ["ivf", "ivf-sq8", "ivf-pq", "cagra"])
def test_an_index_is_built_there_written_read_and_asked_there_and_on_the_cpu(some, segments, tmp_path, name):
    kind = KINDS[name]
    if kind.needs_cuvs and not has_cuvs(some):
        pytest.skip("this faiss has no cuVS")
    build_on_gpu(segments, kind, some[0], rng=np.random.default_rng(0), progress=Silent()).write(tmp_path / "x")
    queries = segments[0].vector[:30].copy()
    origin = over(read(tmp_path / "x", kind), Tuning(256, kind.overfetch[-1]), segments)
    there = approximate_on_gpu(origin, some)
    assert isinstance(there.structure, GpuStructure)
    truth = naive(segments, queries, 20)
    for search in (origin, there):
        found = search.nearest(queries, 20)
        assert_honest(found, segments, queries)
        assert recall(found, truth) > 0.85
    assert not there.structure.is_lost
