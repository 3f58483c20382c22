"""An index is chosen by measurement. Truth: a plain scan, a plain loop, or counting by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.errors import UsageError
from avsearch.moments import Modality, Silent
from avsearch.vectors.ann import choosing, kinds, tuning
from avsearch.vectors.ann.choosing import Wanted, choose, num_media_of, over
from avsearch.vectors.ann.kinds import KINDS, candidates, kind_of, num_lists
from avsearch.vectors.ann.record import Tuning
from avsearch.vectors.ann.tuning import RECALL_K, ask_all, least, recalls, tune
from tests.vectors.ann.made import naive, segments_of, structure_of, together

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO


@pytest.fixture(scope="module")
def segments():
    rng = np.random.default_rng(0)
    return {IMAGE: segments_of(rng, 2000, 1500), AUDIO: segments_of(rng, 900, 2600, dtype=np.float16)}


@pytest.fixture
def every_size(monkeypatch):
    """A few thousand rows count as many, and no time is too long."""
    monkeypatch.setattr(kinds, "SMALLEST_ROWS", 500)
    monkeypatch.setattr(choosing, "WORTH", 0.0)


def chosen(segments, find=AUDIO, **wanted):
    return choose(segments, find, Wanted(**wanted), rng=np.random.default_rng(1), progress=Silent())


def test_few_rows_need_no_index():
    assert candidates(kinds.SMALLEST_ROWS - 1, 128, 10**12) == ()
    assert candidates(kinds.SMALLEST_ROWS, 128, 10**12) != ()


def test_kinds_that_do_not_fit_into_the_memory_are_not_tried():
    for num_rows in (30_000, 1_000_000, 10_000_000):
        for memory_bytes in (10**12, 200 * num_rows, 100 * num_rows, 40 * num_rows):
            for kind in candidates(num_rows, 128, memory_bytes):
                assert kind.num_bytes(num_rows, 128) <= memory_bytes or kind.name == "ivf-pq"
    assert [kind.name for kind in candidates(10**6, 128, 1000)] == ["ivf-pq"]


def test_a_graph_of_millions_is_never_built():
    assert not any(kind.graph for kind in candidates(10**6, 128, 10**12))


@pytest.mark.parametrize("name", ["ivf", "ivf-sq8", "hnsw", "hnsw-sq8"])
def test_what_a_kind_takes_is_known_beforehand(tmp_path, segments, name):
    structure_of(segments[IMAGE], name).write(tmp_path / "index")
    said = KINDS[name].num_bytes(3500, 16)
    assert (tmp_path / "index").stat().st_size == pytest.approx(said, rel=0.15)


@given(st.integers(39, 10**9))
def test_lists_are_long_enough_to_be_trained_and_short_enough_to_be_read(num_rows):
    lists = num_lists(num_rows)
    assert lists & (lists - 1) == 0
    assert 1 <= lists <= 5 * num_rows**0.5
    assert lists * 39 <= num_rows


def test_a_kind_that_there_is_none_of_is_named():
    assert kind_of("ivf").name == "ivf"
    with pytest.raises(UsageError, match=r"called lsh.*ivf-pq"):
        kind_of("lsh")


@given(st.integers(1, 3000), st.integers(1, 40), st.integers(40, 2000))
def test_the_least_effort_is_found_within_the_bounds(needed, lowest, highest):
    asked = []

    def is_enough(effort):
        asked.append(effort)
        return effort >= needed

    found = least(is_enough, lowest, highest)
    assert all(lowest <= effort <= highest for effort in asked)
    if needed > highest:
        assert found is None
    else:
        assert needed <= found <= max(lowest, needed + 1, 1.15 * needed)
    assert len(asked) <= 30


def test_moments_ask_in_all_directions_and_are_no_answer_to_themselves(segments):
    for find in Modality:
        asked = ask_all(segments, find, np.random.default_rng(2), count=12)
        assert [it.direction for it in asked] == [f"image-{find}", f"audio-{find}"]
        for it in asked:
            is_own_side = it.direction == f"{find}-{find}"
            assert (it.own >= 0).tolist() == [is_own_side] * 12
            truth = naive(segments[find], it.queries, RECALL_K + is_own_side)
            for (scores, rows), own, floor in zip(truth, it.own, it.floor, strict=True):
                others = scores[rows != own]
                assert len(others) == RECALL_K
                assert others[-1] == floor


def test_recall_is_the_part_of_the_best_other_rows_that_was_found(segments):
    search = over(structure_of(segments[AUDIO]), Tuning(4, 1), segments[AUDIO])
    for it in ask_all(segments, AUDIO, np.random.default_rng(3), count=20):
        found = search.nearest(it.queries, RECALL_K + 1)
        hits = 0
        for query, own, row in zip(it.queries, it.own, found.row, strict=True):
            ((_, best),) = naive(segments[AUDIO], query[None], RECALL_K + 1)
            best = [at for at in best.tolist() if at != own][:RECALL_K]
            hits += len(set(best) & set(row.tolist()))
        assert it.recall(found) == pytest.approx(hits / 20 / RECALL_K)
        assert 0.2 < it.recall(found) < 1


def test_an_answer_that_is_as_good_counts_as_right():
    """Copies of one frame by the hundred: which thirty of them are found says nothing."""
    (rows,) = segments_of(np.random.default_rng(0), 400)
    rows.vector[:] = rows.vector[0]
    asked = ask_all({IMAGE: [rows], AUDIO: []}, IMAGE, np.random.default_rng(1), count=5)
    search = over(structure_of([rows]), Tuning(1, 1), [rows])
    assert recalls(search, asked) == {"image-image": 1.0}


@pytest.mark.parametrize("target", [0.5, 0.9, 0.99])
def test_tuning_reaches_its_target_with_little_more_than_it_takes(segments, target):
    search = over(structure_of(segments[IMAGE]), Tuning(1, 1), segments[IMAGE])
    asked = ask_all(segments, IMAGE, np.random.default_rng(4), count=60)
    found = tune(search, asked, target)
    assert min(recalls(search.tuned(found), asked).values()) >= target
    if found.effort > 1:
        below = Tuning(int(found.effort / 1.2) - 1 or 1, found.overfetch)
        assert min(recalls(search.tuned(below), asked).values()) < target


def test_a_target_that_cannot_be_reached_gives_none(segments):
    search = over(structure_of(segments[IMAGE], "ivf-sq8"), Tuning(1, 1), segments[IMAGE])
    asked = ask_all(segments, IMAGE, np.random.default_rng(4), count=20)
    assert tune(search, asked, 1.01) is None


@pytest.mark.parametrize("find", list(Modality))
def test_what_is_chosen_reaches_the_target_with_queries_that_it_was_not_tuned_on(every_size, segments, find):
    choice = chosen(segments, find, recall=0.9).choice
    assert min(choice.measured.recall.values()) >= 0.9
    assert set(choice.measured.recall) == {f"image-{find}", f"audio-{find}"}
    search = over(choice.structure, choice.tuning, segments[find])
    vector, _, _ = together(segments[find])
    queries = vector[np.random.default_rng(99).integers(0, len(vector), 100)].astype(np.float32)
    found = search.nearest(queries, 30)
    truth = naive(segments[find], queries, 30)
    hits = [len(set(row.tolist()) & set(best.tolist())) for row, (_, best) in zip(found.row, truth, strict=True)]
    assert np.mean(hits) / 30 >= 0.85


def test_where_an_index_is_hardly_faster_search_stays_exact(monkeypatch, segments):
    monkeypatch.setattr(kinds, "SMALLEST_ROWS", 500)
    monkeypatch.setattr(choosing, "WORTH", 1e9)
    found = chosen(segments, recall=0.5)
    assert found.choice is None
    assert [line for line in found.tried if "not worth having" in line] == list(found.tried[:-1])
    assert len(found.tried) == len(candidates(3500, 16, 4 * 10**9)) + 1


def test_a_kind_that_falls_short_makes_room_for_the_next(every_size, monkeypatch, segments):
    tried = []

    def falls_short(search, asked, target):
        tried.append(search.structure.kind.name)
        return None if len(tried) < 3 else tuning.tune(search, asked, target)

    monkeypatch.setattr(choosing, "tune", falls_short)
    found = chosen(segments, recall=0.9)
    assert tried == [kind.name for kind in candidates(3500, 16, 4 * 10**9)][:3]
    assert found.choice.structure.kind.name == tried[-1]
    assert ["does not reach" in line for line in found.tried] == [True, True, False]


def test_a_small_library_is_told_that_exact_search_stays(segments):
    found = chosen(segments)
    assert found.choice is None
    assert found.tried == ("exact search stays: 3500 moments are few",)
    assert chosen({IMAGE: [], AUDIO: []}).choice is None


def test_media_are_counted_once(segments):
    for rows in segments.values():
        assert num_media_of(rows) == len(np.unique(together(rows)[1]))


def test_the_seconds_of_several_ways_are_told_apart():
    taken = tuning.seconds_of([lambda _: sum(range(300_000)), lambda _: None], np.zeros((9, 2), np.float32))
    assert all(first > second for first, second in pairwise(taken))
