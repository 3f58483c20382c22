"""Changes to a batch on the training device: what is drawn, and what is done with it."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
import torch

from trainer.augmentation import PictureShake, SoundShake, picture_shake, sound_shake
from trainer.config import Augmentation
from trainer.recipes import PAPER_AUGMENTATION

NONE = torch.zeros(1, 4)


def turned(picture, degrees):
    """(H, W) float32 -> the same, turned by the class under test."""
    angle = torch.deg2rad(torch.tensor([float(degrees)]))
    return PictureShake(angle, NONE).apply(torch.from_numpy(picture)[None, None])[0, 0].numpy()


def drawn_pictures(tiny_config, count=400, **changes):
    config = tiny_config(augmentation=replace(PAPER_AUGMENTATION, **changes))
    return picture_shake(count, config, np.random.default_rng(0))


def test_a_quarter_turn_is_that_of_numpy():
    picture = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    np.testing.assert_allclose(turned(picture, 90), np.rot90(picture, -1), atol=1e-4)


@pytest.mark.parametrize("degrees", [-15, 7, 15])
def test_a_turn_is_that_of_scipy_away_from_the_borders(degrees):
    picture = scipy.ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 2).astype(np.float32)
    expected = scipy.ndimage.rotate(picture, -degrees, reshape=False, order=1)
    np.testing.assert_allclose(turned(picture, degrees)[16:-16, 16:-16], expected[16:-16, 16:-16], atol=0.02)


def test_all_frames_of_a_moment_are_turned_and_erased_alike():
    frames = torch.randn(3, 20, 20).expand(2, 5, 3, 20, 20).movedim(1, 2)  # (B, 3, T, H, W), five equal frames
    shake = PictureShake(torch.tensor([0.2, -0.1]), torch.tensor([[0.1, 0.3, 0.2, 0.5], [0.0, 0.0, 0.0, 0.0]]))
    changed = shake.apply(frames)
    assert changed.shape == (2, 3, 5, 20, 20)
    assert torch.equal(changed[:, :, :1].expand_as(changed), changed)
    assert not torch.equal(changed[0], changed[1])


def test_what_is_erased_is_a_rectangle_of_zeros_and_nothing_else():
    pictures = torch.ones(2, 3, 10, 20)
    changed = PictureShake(torch.zeros(2), torch.tensor([[0.1, 0.3, 0.5, 1.0], [0.2, 0.2, 0.4, 0.4]])).apply(
        pictures
    )
    expected = pictures.clone()
    expected[0, :, 1:3, 10:20] = 0
    assert torch.equal(changed, expected)


def test_half_of_the_pictures_lose_a_rectangle_within_the_limits(tiny_config):
    erased = drawn_pictures(tiny_config, erase=0.4).erased.numpy()
    assert erased.min() >= 0
    assert erased.max() <= 1
    sizes = np.stack([erased[:, 1] - erased[:, 0], erased[:, 3] - erased[:, 2]], axis=1)
    lost = sizes.max(axis=1) > 0
    assert 0.4 < lost.mean() < 0.6
    assert sizes[lost].min() == pytest.approx(0.1, abs=0.01)
    assert sizes[lost].max() == pytest.approx(0.4, abs=0.01)


def test_angles_go_to_either_side_as_far_as_asked_for(tiny_config):
    degrees = np.degrees(drawn_pictures(tiny_config, rotation=15).angle.numpy())
    assert degrees.min() == pytest.approx(-15, abs=0.5)
    assert degrees.max() == pytest.approx(15, abs=0.5)


def test_recipes_that_change_no_pictures_draw_nothing(tiny_config):
    assert drawn_pictures(tiny_config) is None


def test_rows_of_a_spectrogram_move_as_torch_rolls_them():
    sounds, moved = torch.randn(3, 1, 8, 5), [2, 0, -3]
    kept = torch.ones(3, 8, dtype=torch.bool), torch.ones(3, 5, dtype=torch.bool)
    changed = SoundShake(torch.zeros(3, 8), *kept, torch.tensor(moved)).apply(sounds)
    for sound, by, row in zip(sounds, moved, changed, strict=True):
        assert torch.equal(row, torch.roll(sound, by, dims=1))


def test_pitch_alone_moves_every_sound_up_to_its_part_of_the_rows(tiny_config):
    config = tiny_config(augmentation=replace(PAPER_AUGMENTATION, pitch=0.05))
    furthest = round(0.05 * config.front_end.num_rows)
    shake = sound_shake(500, config, np.random.default_rng(0))
    assert set(shake.moved.tolist()) == set(range(-furthest, furthest + 1))
    assert not shake.curve.any()
    assert shake.kept_rows.all()


@pytest.mark.parametrize(
    "wrong", [{"rotation": -1}, {"rotation": 181}, {"erase": 0.05}, {"erase": 1.1}, {"pitch": 2}]
)
def test_changes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="rotation"):
        Augmentation(0.875, 0.875, brightness=0, saturation=0, amplitude=0, **wrong)
