from collections import Counter

import pytest

from avsearch.demo.kinds import FAMILY_OF, KINDS
from avsearch.demo.plan import plan_clip, plan_collection

DEFAULT = plan_collection(45, seed=0)


def test_there_are_at_least_ten_kinds_and_every_family_has_two():
    assert len(KINDS) >= 10
    assert set(Counter(FAMILY_OF.values()).values()) == {2}


def test_45_clips_a_kind_split_into_20_3_and_22():
    counts = Counter((plan.kind, plan.split) for plan in DEFAULT)
    assert counts == {(kind, split): n for kind in KINDS for split, n in (("train", 20), ("val", 3), ("test", 22))}


@pytest.mark.parametrize("clips_per_kind", [5, 6, 25, 31])
def test_every_kind_is_in_every_split_however_many_clips(clips_per_kind):
    plans = plan_collection(clips_per_kind, seed=3)
    assert {(p.kind, p.split) for p in plans} == {(k, s) for k in KINDS for s in ("train", "val", "test")}


def test_too_few_clips_to_fill_the_splits_are_refused():
    with pytest.raises(ValueError, match="at least 5"):
        plan_collection(4, seed=0)


def test_names_are_unique_so_that_splits_share_no_clip():
    assert len({plan.name for plan in DEFAULT}) == len(DEFAULT)


def test_a_clip_does_not_depend_on_how_many_others_there_are():
    few = plan_collection(5, seed=0)
    assert set(few) < set(DEFAULT)
    assert plan_clip("car", 3, seed=0) in few


def test_another_seed_plans_other_clips():
    other = plan_collection(45, seed=1)
    same = sum(
        (a.size, a.frames_per_second) == (b.size, b.frames_per_second) for a, b in zip(DEFAULT, other, strict=True)
    )
    assert same < len(DEFAULT) / 10


def test_about_a_fifth_of_the_clips_show_a_silent_object_of_another_kind():
    two = [plan for plan in DEFAULT if plan.silent is not None]
    assert 0.12 < len(two) / len(DEFAULT) < 0.28
    assert all(plan.silent in KINDS and plan.silent != plan.kind for plan in two)
    assert {plan.split for plan in two} == {"train", "val", "test"}


def test_sizes_suit_h264_and_do_not_tell_the_kind():
    assert all(side % 2 == 0 for plan in DEFAULT for side in plan.size)
    assert all(160 <= min(plan.size) <= 200 for plan in DEFAULT)
    for kind in KINDS:
        assert len({plan.size for plan in DEFAULT if plan.kind == kind}) >= 5
        assert len({plan.frames_per_second for plan in DEFAULT if plan.kind == kind}) >= 4
