"""Shards on two nodes answer as the mapped segments do, whatever dies. Truth: exact search on this machine."""

import os
import signal
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from avsearch.cluster import connected
from avsearch.errors import LibraryError
from avsearch.moments import Modality
from avsearch.vectors import LocalShelf, Rows, write_segment
from avsearch.vectors.exact import nearest
from tests.cluster.nodes import named

pytest.importorskip("ray")
LENGTHS = (700, 1, 2300, 40, 900)


def segments(lengths, *, seed=0):
    """Random unit rows, some of them the same, of five moments a media."""
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal((500, 16))
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    first = 0
    for length in lengths:
        row = np.arange(first, first + length)
        yield Rows(vector[rng.integers(0, 500, length)].astype(np.float32), 1 + row // 5, row % 5)
        first += length


def written(shelf, some):
    return [write_segment(shelf, rows, modality=Modality.IMAGE, fingerprint="f") for rows in some]


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "segments").mkdir()
    return LocalShelf(tmp_path / "segments")


@pytest.fixture
def cluster(nodes):
    with connected(nodes.address) as cluster:
        yield cluster


def assert_answers(sharded, some, *, k=30):
    """Scores, rows, media and times, without a filter, with a narrow one and with a wide one."""
    queries = np.concatenate([rows.vector[:3] for rows in some]).astype(np.float32)
    for allowed in (None, np.arange(0, 700, 7), np.arange(3, 780)):
        found, expected = sharded.nearest(queries, k, allowed=allowed), nearest(some, queries, k, allowed=allowed)
        assert found.scores.shape == (len(queries), k)
        for name in ("scores", "media_id", "start_us", "row"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name


@pytest.mark.slow
def test_shards_answer_as_the_mapped_segments_do_and_take_up_only_what_is_new(cluster, shelf):
    from avsearch.vectors.sharded import Sharded, Shards

    some = list(segments(LENGTHS))
    files = written(shelf, some[:3])
    shards = Shards(cluster)
    before = Sharded(shards, shelf, files)
    assert_answers(before, some[:3])
    for file in files:
        shelf.delete(file.name)  # nobody is to read them again
    more = [*files, *written(shelf, some[3:])]
    now = Sharded(shards, shelf, more, before=before)
    assert_answers(now, some)
    assert_answers(before, some[:3], k=7)  # who still asks the old state gets its answers
    assert_answers(Sharded(shards, shelf, [more[1], more[4]], before=now), [some[1], some[4]])
    assert_answers(now, some, k=1)


@pytest.mark.slow
def test_shards_that_are_lost_come_back_from_their_segments_with_the_same_answers(cluster, nodes, shelf):
    import ray

    from avsearch.vectors.sharded import Sharded, Shards

    some = list(segments(LENGTHS))
    shards = Shards(cluster)
    sharded = Sharded(shards, shelf, written(shelf, some))
    assert_answers(sharded, some)
    for actor in shards.actors():
        ray.kill(actor.handle)
    assert_answers(sharded, some)
    pid = named("ray::Shard")(nodes)
    os.kill(pid, signal.SIGKILL)
    assert_answers(sharded, some)
    assert pid not in nodes.processes()
    nodes.lose_one()
    assert_answers(sharded, some)


@pytest.mark.slow
def test_a_segment_that_is_missing_or_damaged_is_named(cluster, shelf):
    from avsearch.vectors.sharded import Sharded, Shards

    files = written(shelf, segments(LENGTHS))
    shards = Shards(cluster)
    with pytest.raises(LibraryError, match=f"{files[0].name}: the segment is damaged: its checksum is another"):
        Sharded(shards, shelf, [replace(files[0], checksum="0" * 32), *files[1:]])
    shelf.delete(files[2].name)
    with pytest.raises(LibraryError, match=f"{files[2].name}: the segment cannot be read"):
        Sharded(shards, shelf, files)


def test_nothing_to_search_is_no_error(monkeypatch):
    from avsearch.vectors.sharded import Sharded

    class NoShards:
        def __len__(self):
            return 2

        def ask(self, _method, given):
            assert given == {}
            return {}

    found = Sharded(NoShards(), None, []).nearest(np.eye(3, dtype=np.float32), 5)
    assert found.scores.shape == (3, 0)


def test_segments_stay_where_they_are_and_new_ones_even_the_rows_out(shelf):
    from avsearch.vectors.sharded import spread_over

    files = written(shelf, segments((100, 300, 200, 50, 50)))
    names = [file.name for file in files]
    rows = dict(zip(names, (100, 300, 200, 50, 50), strict=True))
    owner = spread_over(files, 2, {names[0]: 1, names[3]: 1, "gone": 0})
    assert owner.keys() == set(names)
    assert owner[names[0]] == owner[names[3]] == 1
    assert owner[names[1]] == 0
    loads = Counter()
    for name, at in owner.items():
        loads[at] += rows[name]
    assert abs(loads[0] - loads[1]) <= 100
    assert spread_over(files, 2, owner) == owner
