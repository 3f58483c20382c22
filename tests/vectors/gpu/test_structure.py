"""Indexes on GPUs name what their originals on the processor name; where a GPU fails, those go on."""

import logging

import numpy as np
import pytest

from avsearch.moments import Modality, Silent
from avsearch.vectors.ann.choosing import Wanted, choose, over
from avsearch.vectors.ann.kinds import KINDS, candidates
from avsearch.vectors.ann.record import Tuning
from avsearch.vectors.ann.structure import build, read
from avsearch.vectors.gpu.cards import NoGpu, cards
from avsearch.vectors.gpu.structure import GpuStructure, approximate_on_gpu, build_on_gpu, has_cuvs, on_gpu
from tests.vectors.ann.made import assert_honest, clustered, naive, recall, segments_of, structure_of
from tests.vectors.gpu import fake

LISTS = ("ivf", "ivf-sq8", "ivf-pq")


@pytest.fixture(scope="module")
def segments():
    return segments_of(np.random.default_rng(0), 1500, 1, 2500, 0, 6500)


@pytest.fixture(scope="module")
def queries():
    return clustered(np.random.default_rng(0), 1500)[:25]


@pytest.fixture
def mapped(segments, tmp_path):
    """A structure as it is read from a library."""

    def written(name):
        path = tmp_path / f"{name}.faiss"
        structure_of(segments, name).write(path)
        return read(path, KINDS[name])

    return written


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("num_gpus", [1, 3])
def test_lists_on_gpus_name_the_same_rows(gpus, mapped, queries, name, num_gpus):
    installed = gpus(num_gpus)
    origin = mapped(name)
    there = on_gpu(origin, cards("cuda"))
    for fetch, effort in ((1, 1), (30, 8), (200, 3)):
        one, other = (it.search(queries, fetch, effort) for it in (origin, there))
        same = [len(set(a) & set(b)) / len(set(a)) for a, b in zip(one, other, strict=True)]
        assert np.mean(same) > 0.99
    assert len(there) == len(origin) == 10_501
    assert there.dim == 16
    assert installed.searches == dict.fromkeys(range(num_gpus), 3)


def test_search_by_lists_on_gpus_is_honest_with_filters_too(gpus, mapped, segments, queries):
    gpus(2)
    found = approximate_on_gpu(over(mapped("ivf-sq8"), Tuning(40, 2), segments), cards("cuda"))
    assert isinstance(found.structure, GpuStructure)
    for allowed in (None, np.arange(0, 2101, 3)):
        near = found.nearest(queries, 20, allowed=allowed)
        assert_honest(near, segments, queries)
        assert recall(near, naive(segments, queries, 20, allowed)) > 0.95


def test_more_than_a_gpu_selects_is_asked_of_the_cpu(gpus, mapped, queries):
    installed = gpus()
    there = on_gpu(mapped("ivf"), cards("cuda"))
    assert there.search(queries, 3000, 4).shape == (25, 3000)
    assert there.search(queries, 10, 2049).shape == (25, 10)
    assert installed.searches == {}
    assert not there.is_lost


def test_a_memory_that_is_full_leaves_the_index_on_the_cpu_with_one_line(gpus, mapped, segments, queries, caplog):
    gpus(2, memory=30_000)
    origin = over(mapped("ivf"), Tuning(10, 1), segments)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert approximate_on_gpu(origin, cards("cuda")) is origin
    (line,) = caplog.messages
    assert line.startswith("The memory of GPU 0 is full. Search is on the CPU.")


def test_a_gpu_that_fails_while_it_is_asked_is_left_alone(gpus, mapped, queries, caplog):
    installed = gpus()
    origin = mapped("ivf-sq8")
    there = on_gpu(origin, cards("cuda"))
    installed.fails = RuntimeError(fake.OUT_OF_MEMORY.format(device=0, size=9))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert np.array_equal(there.search(queries, 9, 5), origin.search(queries, 9, 5))
    assert len(caplog.messages) == 1
    assert there.is_lost


def test_the_same_file_is_taken_over_and_another_is_copied(gpus, mapped, segments):
    installed = gpus()
    some = cards("cuda")
    first = approximate_on_gpu(over(mapped("ivf"), Tuning(10, 1), segments), some)
    used = installed.used[0]
    second = approximate_on_gpu(over(mapped("ivf"), Tuning(12, 1), segments), some, first)
    assert second.structure is first.structure
    assert second.tuning == Tuning(12, 1)
    assert installed.used[0] == used
    assert approximate_on_gpu(over(mapped("ivf-sq8"), Tuning(9, 1), segments), some, second).structure is not first
    first.structure.is_lost = True
    assert approximate_on_gpu(over(mapped("ivf"), Tuning(10, 1), segments), some, first).structure is not (
        first.structure
    )


def test_a_graph_of_the_cpu_stays_there_and_a_line_says_so(gpus, mapped, segments, caplog):
    gpus()
    origin = over(mapped("hnsw"), Tuning(40, 1), segments)
    with caplog.at_level(logging.WARNING):
        assert approximate_on_gpu(origin, cards("cuda")) is origin
    assert "The index hnsw has no form for the GPU" in caplog.messages[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTS)
def test_what_a_gpu_builds_the_cpu_reads(gpus, segments, queries, tmp_path, name):
    gpus()
    made = build_on_gpu(segments, KINDS[name], cards("cuda")[0], rng=np.random.default_rng(0), progress=Silent())
    made.write(tmp_path / "x")
    found = over(read(tmp_path / "x", KINDS[name]), Tuning(40, 16), segments).nearest(queries, 20)
    assert_honest(found, segments, queries)
    assert recall(found, naive(segments, queries, 20)) > 0.9


def test_cagra_is_built_on_a_gpu_and_asked_there_and_on_the_cpu(gpus, segments, queries, tmp_path):
    installed = gpus(cuvs=True)
    some = cards("cuda")
    assert has_cuvs(some)
    kind = KINDS["cagra"]
    build_on_gpu(segments, kind, some[0], rng=np.random.default_rng(0), progress=Silent()).write(tmp_path / "x")
    origin = over(read(tmp_path / "x", kind), Tuning(100, 1), segments)
    truth = naive(segments, queries, 30)
    assert recall(origin.nearest(queries, 30), truth) > 0.9
    assert installed.searches == {}
    there = approximate_on_gpu(origin, some)
    assert recall(there.nearest(queries, 30), truth) > 0.9
    assert installed.searches == {0: 1}
    there.structure.search(queries, 600, 20)
    assert installed.searches == {0: 1}


def test_cagra_is_offered_where_there_is_cuvs_and_nowhere_else(gpus):
    def names(**wishes):
        return [kind.name for kind in candidates(1_000_000, 128, 10**12, **wishes)]

    assert names() == ["ivf-sq8", "ivf", "ivf-pq"]
    assert names(on_gpu=True) == ["ivf-sq8", "ivf", "ivf-pq"]
    assert names(on_gpu=True, has_cuvs=True) == ["cagra", "ivf-sq8", "ivf", "ivf-pq"]
    assert "hnsw" in [kind.name for kind in candidates(100_000, 128, 10**12)]
    assert "hnsw" not in [kind.name for kind in candidates(100_000, 128, 10**12, on_gpu=True)]
    gpus()
    assert not has_cuvs(cards("cuda"))
    assert not has_cuvs(())


def test_cagra_without_a_gpu_is_nothing_that_can_be_built(segments):
    with pytest.raises(ValueError, match="built on a GPU"):
        build(segments, KINDS["cagra"], rng=np.random.default_rng(0), progress=Silent())


def test_a_cagra_index_on_a_machine_without_cuvs_is_asked_on_the_cpu(gpus, segments, queries, tmp_path):
    gpus(cuvs=True)
    kind = KINDS["cagra"]
    made = build_on_gpu(segments, kind, cards("cuda")[0], rng=np.random.default_rng(0), progress=Silent())
    made.write(tmp_path / "x")
    gpus()
    origin = over(read(tmp_path / "x", kind), Tuning(100, 1), segments)
    with pytest.raises(NoGpu, match="no form for the GPU"):
        on_gpu(origin.structure, cards("cuda"))
    assert_honest(origin.nearest(queries, 9), segments, queries)


@pytest.mark.slow
@pytest.mark.parametrize("memory", [1 << 40, 1_000_000])
def test_choosing_measures_on_the_gpu_and_goes_on_without_where_it_is_too_small(gpus, monkeypatch, memory, caplog):
    """Where the GPU holds nothing, all is built on the processor; CAGRA is left out with a line."""
    installed = gpus(cuvs=True, memory=memory)
    monkeypatch.setattr("avsearch.vectors.ann.choosing.WORTH", 0.0)
    segments = segments_of(np.random.default_rng(1), 12_000, 9_000)
    sides = {Modality.IMAGE: segments, Modality.AUDIO: segments[:1]}
    wanted = Wanted(0.9, cards=cards("cuda"))
    with caplog.at_level(logging.WARNING):
        chosen = choose(sides, Modality.IMAGE, wanted, rng=np.random.default_rng(0), progress=Silent())
    assert chosen.choice is not None
    assert chosen.choice.measured.lowest_recall >= 0.9
    if memory < 1 << 40:
        assert chosen.tried[0] == "cagra: could not be built on the GPU"
        assert caplog.messages[0].startswith("The memory of GPU 0 is full.")
    else:
        assert chosen.choice.structure.kind.name == "cagra"
        assert installed.searches[0] > 10
