"""Which segments are merged: a pure decision."""

from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.catalog import SegmentRecord
from avsearch.library.compaction import MAX_BYTES, MIN_BYTES, Source, plan_merges
from avsearch.moments import Modality

ROW_BYTES = 528  # 128 float32 numbers, an id and a time
MB = 1 << 20


def source(name, num_rows, num_live=None, *, modality=Modality.IMAGE, fingerprint="f"):
    record = SegmentRecord(name, modality, fingerprint, num_rows, 128, num_rows * ROW_BYTES, "c")
    live = num_rows if num_live is None else num_live
    return Source(record, {1: live} if live else {})


def rows_of(num_bytes):
    return num_bytes // ROW_BYTES


def names(merges):
    return [[one.record.name for one in merge] for merge in merges]


def after(sources, merges):
    """The segments that there would be, as new sources."""
    written = {one.record.name for merge in merges for one in merge}
    left = [one for one in sources if one.record.name not in written]
    for number, merge in enumerate(merges):
        num_rows = sum(one.num_rows for one in merge)
        if num_rows:
            first = merge[0].record
            name = f"{first.name}+{number}"
            left.append(source(name, num_rows, modality=first.modality, fingerprint=first.fingerprint))
    return left


SOURCES = st.lists(
    st.tuples(st.integers(1, rows_of(90 * MB)), st.floats(0, 1), st.sampled_from(Modality), st.sampled_from("fg")),
    max_size=60,
).map(
    lambda drawn: [
        source(str(number), num_rows, round(share * num_rows), modality=modality, fingerprint=fingerprint)
        for number, (num_rows, share, modality, fingerprint) in enumerate(drawn)
    ]
)


def test_small_ones_are_merged_and_large_ones_are_left_alone():
    small, large = rows_of(10 * MB), rows_of(20 * MB)
    sources = [source("a", small), source("b", large), source("c", small), source("d", small)]
    assert names(plan_merges(sources)) == [["a", "c", "d"]]


def test_a_merged_segment_does_not_outgrow_the_limit():
    sources = [source(str(number), rows_of(15 * MB)) for number in range(9)]
    assert names(plan_merges(sources)) == [["0", "1", "2", "3"], ["4", "5", "6", "7"]]


def test_modalities_and_encoders_stay_apart():
    sources = [
        source("a", 5),
        source("b", 5, modality=Modality.AUDIO),
        source("c", 5),
        source("d", 5, modality=Modality.AUDIO),
        source("e", 5, fingerprint="g"),
    ]
    assert sorted(names(plan_merges(sources))) == [["a", "c"], ["b", "d"]]


def test_a_large_one_with_dead_rows_is_written_anew_on_its_own():
    sources = [source("a", rows_of(40 * MB), rows_of(30 * MB)), source("b", rows_of(40 * MB))]
    assert names(plan_merges(sources)) == [["a"]]


def test_a_small_one_with_dead_rows_is_written_anew_even_when_it_is_alone():
    assert names(plan_merges([source("a", 10, 9)])) == [["a"]]
    assert plan_merges([source("a", 10)]) == []


def test_those_of_which_nothing_stays_come_first_and_together():
    sources = [source("a", 10), source("b", 10, 0), source("c", 10), source("d", 10, 0, modality=Modality.AUDIO)]
    plan = names(plan_merges(sources))
    assert [sorted(plan[0]), *plan[1:]] == [["b", "d"], ["a", "c"]]


@settings(deadline=None)
@given(SOURCES)
def test_a_plan_reclaims_every_dead_row_and_makes_no_segment_too_large(sources):
    merges = plan_merges(sources)
    written = [one for merge in merges for one in merge]
    assert len({one.record.name for one in written}) == len(written)
    assert {one.record.name for one in sources if one.has_dead_rows} <= {one.record.name for one in written}
    for merge in merges:
        kinds = {(one.record.modality, one.record.fingerprint) for one in merge if one.num_rows}
        assert len(kinds) <= 1
        assert len(merge) == 1 or sum(one.num_bytes for one in merge) <= MAX_BYTES


@settings(deadline=None)
@given(SOURCES)
def test_after_two_rounds_there_is_nothing_left_to_do_and_one_small_segment_of_a_kind_at_most(sources):
    for _ in range(2):
        sources = after(sources, plan_merges(sources))
    assert plan_merges(sources) == []
    small = [(one.record.modality, one.record.fingerprint) for one in sources if one.num_bytes < MIN_BYTES]
    assert len(set(small)) == len(small)


@settings(deadline=None)
@given(st.lists(st.integers(1, rows_of(90 * MB)), max_size=60))
def test_without_dead_rows_one_round_is_enough(sizes):
    sources = [source(str(number), num_rows) for number, num_rows in enumerate(sizes)]
    assert plan_merges(after(sources, plan_merges(sources))) == []
