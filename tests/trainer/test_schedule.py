from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.config import Schedule
from trainer.loop import learning_rate
from trainer.recipes import recipe

AVE = replace(recipe("ave", "small"), batch_size=100, learning_rate=1e-3)
NCE = replace(recipe("ave-nce", "small"), batch_size=100, learning_rate=1e-3, warmup=0.1)


def test_the_papers_rate_falls_by_6_percent_every_16_epochs():
    # 500 clips in batches of 100: five steps an epoch, eighty in sixteen epochs
    rates = [learning_rate(AVE, step, steps=1000, num_clips=500) for step in (0, 79, 80, 159, 160, 799, 800)]
    factors = [1, 1, 0.94, 0.94, 0.94 * 0.94, 0.94**9, 0.94**10]
    assert rates == pytest.approx([1e-3 * factor for factor in factors])


def test_the_papers_rate_does_not_know_how_long_the_run_is():
    assert learning_rate(AVE, 100, steps=101, num_clips=500) == learning_rate(AVE, 100, steps=10**6, num_clips=500)


def test_with_fewer_clips_than_a_batch_each_step_is_an_epoch():
    rates = [learning_rate(AVE, step, steps=1000, num_clips=50) for step in (0, 15, 16, 32)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3 * 0.94, 1e-3 * 0.94**2])


def test_an_epoch_has_as_many_pairs_as_each_clip_brings():
    many = replace(AVE, pairs_per_clip=4)  # 500 clips, 2,000 pairs: twenty steps an epoch
    rates = [learning_rate(many, step, steps=1000, num_clips=500) for step in (0, 319, 320)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3 * 0.94])


def test_the_warm_up_rises_in_equal_steps_from_nearly_nothing_to_the_whole():
    rates = [learning_rate(NCE, step, steps=100, num_clips=500) for step in range(10)]
    assert rates == pytest.approx([1e-4 * (step + 1) for step in range(10)])


def test_the_cosine_is_whole_after_the_warm_up_half_in_the_middle_and_ends_near_nothing():
    rates = [learning_rate(NCE, step, steps=100, num_clips=500) for step in (10, 55, 99)]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[1] == pytest.approx(5e-4)
    assert 0 < rates[2] < 1e-6


@given(steps=st.integers(1, 5000), warmup=st.floats(0, 0.5), name=st.sampled_from(["ave", "ave-nce"]))
def test_every_rate_is_positive_and_never_above_the_highest(steps, warmup, name):
    config = replace(recipe(name, "small"), warmup=warmup)
    for step in {0, steps // 3, steps // 2, steps - 1}:
        rate = learning_rate(config, step, steps=steps, num_clips=100)
        assert 0 < rate <= config.learning_rate


def test_each_recipe_has_its_schedule():
    assert (AVE.schedule, NCE.schedule) == (Schedule.PAPER, Schedule.COSINE)
