import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from avsearch.cli.options import RECIPES as TOLD
from avsearch.errors import UsageError
from avsearch.front_end import PAPER_FRONT_END, SMALL_FRONT_END
from avsearch.models.weights import ARCHITECTURES
from trainer.config import Augmentation, Objective, Schedule
from trainer.recipes import RECIPES, recipe


def test_the_paper_recipe_has_the_settings_that_the_paper_gives():
    config = recipe("ave", "paper")
    assert config.widths == (64, 128, 256, 512)
    assert config.front_end == PAPER_FRONT_END
    assert config.objective is Objective.AVC
    assert config.schedule is Schedule.PAPER
    assert config.weight_decay == 1e-5
    assert config.augmentation.amplitude == 0.1
    assert round(256 * config.augmentation.smallest_crop) == round(256 * config.augmentation.largest_crop) == 224


def test_the_small_size_crops_112_of_128_pixels():
    config = recipe("ave", "small")
    assert config.front_end == SMALL_FRONT_END
    assert round(128 * config.augmentation.smallest_crop) == 112


@pytest.mark.parametrize("size", ["small", "paper"])
@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_is_of_its_name_and_of_a_network_that_there_is(name, size):
    config = recipe(name, size)
    assert (config.name, config.size) == (name, size)
    assert config.architecture in ARCHITECTURES
    contrasts = config.objective is Objective.INFO_NCE
    assert contrasts is name.endswith("-nce")


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_stands_in_the_help_and_on_the_page_of_training(name):
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{name}(?![\w-])", TOLD)
    assert f"\n| `{name}` | " in page


def test_both_recipes_train_the_same_network():
    for size in ("small", "paper"):
        ave, contrast = recipe("ave", size), recipe("ave-nce", size)
        assert (ave.architecture, ave.widths, ave.front_end) == (
            contrast.architecture,
            contrast.widths,
            contrast.front_end,
        )
        assert contrast.objective is Objective.INFO_NCE
        assert (ave.name, contrast.name) == ("ave", "ave-nce")


@pytest.mark.parametrize(("name", "size", "known"), [("avee", "small", "ave-nce"), ("ave", "tiny", "small, paper")])
def test_an_unknown_recipe_or_size_names_those_there_are(name, size, known):
    with pytest.raises(UsageError) as caught:
        recipe(name, size)
    assert known in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_config_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        recipe("ave", "small").batch_size = 3  # type: ignore[misc]


@pytest.mark.parametrize("wrong", [{"batch_size": 1}, {"learning_rate": 0.0}, {"learning_rate": -1e-3}])
def test_a_config_without_negatives_or_progress_is_refused(wrong):
    with pytest.raises(ValueError, match="batch"):
        replace(recipe("ave", "small"), **wrong)


@pytest.mark.parametrize(("smallest", "largest"), [(0.0, 1.0), (0.8, 0.5), (0.5, 1.1)])
def test_a_crop_larger_than_the_frame_is_refused(smallest, largest):
    with pytest.raises(ValueError, match="crops"):
        Augmentation(smallest, largest, brightness=0, saturation=0, amplitude=0)


def test_a_recipe_can_be_had_with_batches_of_another_size():
    usual = recipe("ave-nce", "small")
    assert replace(usual, batch_size=32) == recipe("ave-nce", "small", batch_size=32)
    assert recipe("ave-nce", "small", batch_size=None) == usual


def test_settings_of_sampling_can_be_had_with_any_recipe():
    changed = recipe("l3", "small", pairs_per_clip=4, misalignment_us=1_000_000)
    assert changed == replace(recipe("l3", "small"), pairs_per_clip=4, misalignment_us=1_000_000)


@pytest.mark.parametrize("wrong", [{"pairs_per_clip": 0}, {"misalignment_us": -1}])
def test_sampling_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="epoch"):
        replace(recipe("ave", "small"), **wrong)


def test_networks_that_see_motion_get_the_frames_of_the_paper():
    several, flow = recipe("ave-mf", "paper").front_end, recipe("ave-of", "paper").front_end
    assert (several.num_frames, several.flow) == (25, False)
    assert (flow.num_frames, flow.flow) == (11, True)


def test_a_batch_holds_no_more_than_an_epoch():
    config = recipe("ave", "small")
    assert config.rows(1000) == config.batch_size == 128
    assert (config.rows(10), replace(config, pairs_per_clip=4).rows(10)) == (10, 40)


def test_a_batch_too_small_for_two_clips_in_all_their_views_is_refused():
    with pytest.raises(UsageError, match="each clip 2 times") as caught:
        recipe("ave-views", "small", batch_size=3)
    assert "--batch-size 4" in str(caught.value.hint)
    assert recipe("ave-views", "small", batch_size=4).draws(100) == 2


def test_flow_is_not_turned():
    with pytest.raises(ValueError, match="flow"):
        replace(recipe("ave-of", "small"), augmentation=recipe("ave-views", "small").augmentation)
