"""What a GPU would render, rendered by the CPU, beside what is read from the cache row by row."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models import tiny
from tests.trainer.test_dataset import sawtooth
from trainer.batches import training_batches
from trainer.config import Augmentation
from trainer.dataset import Clips
from trainer.recipes import STRONG_AUGMENTATION
from trainer.resident import ResidentClips

CPU = torch.device("cpu")
SHAKEN = replace(STRONG_AUGMENTATION, smallest_crop=0.875, largest_crop=0.875)


@pytest.fixture
def clips(cached_clip):
    """Clips of three shapes, with smooth pictures and sounds that tell the time."""
    rng, found = np.random.default_rng(0), []
    for name, (height, width) in {"a": (36, 50), "b": (48, 36), "c": (36, 36), "d": (36, 64)}.items():
        rows, columns = np.mgrid[:height, :width] / 10
        waves = [np.sin(rows * rng.uniform(0.5, 1) + columns * rng.uniform(0.5, 1) + k) for k in range(7 * 3)]
        frames = (127 + 120 * np.stack(waves).reshape(7, 3, height, width).transpose(0, 2, 3, 1)).astype(np.uint8)
        frame_us = 600_000 + 200_000 * np.arange(7)
        found.append(cached_clip(name, frames, frame_us=frame_us, sound=sawtooth(len(found), 120_000)))
    return Clips.of(found)


def both(clips, config, count=6):
    """Batches from the cache, and from memory."""
    resident = ResidentClips.of((clips.read(n) for n in range(len(clips.clips))), clips.media, CPU)
    one, other = (training_batches(source, config, seed=1, steps=range(count)) for source in (clips, resident))
    return list(zip(one, other, strict=True))


def test_squares_of_the_side_asked_for_are_the_same_to_the_byte(clips, tiny_config):
    for cached, resident in both(
        clips, tiny_config("ave-nce", augmentation=SHAKEN, batch_size=16, pairs_per_clip=4)
    ):
        assert resident.frames.dtype == torch.uint8
        close = (cached.frames.int() - resident.frames.int()).abs()
        assert close.max() <= 1  # sums of floats are rounded in another order
        assert close.float().mean() < 0.01
        torch.testing.assert_close(cached.sounds, resident.sounds)
        for name in ("media", "partner"):
            assert torch.equal(getattr(cached, name), getattr(resident, name))
        torch.testing.assert_close(cached.shake.curve, resident.shake.curve)


def test_scaled_squares_are_nearly_the_same(clips, tiny_config):
    zoomed = replace(SHAKEN, smallest_crop=0.4, largest_crop=1.0)
    for cached, resident in both(clips, tiny_config("ave", augmentation=zoomed, batch_size=16, pairs_per_clip=4)):
        close = (cached.frames.int() - resident.frames.int()).abs().float()
        assert close.mean() < 1
        assert close.max() < 12


def test_negatives_off_the_grid_and_misaligned_seconds_are_the_same(clips, tiny_config):
    config = tiny_config("ave", negatives_on_grid=False, misalignment_us=400_000, pairs_per_clip=4, batch_size=16)
    for cached, resident in both(clips, config):
        torch.testing.assert_close(cached.sounds, resident.sounds)
        torch.testing.assert_close(cached.negative_sounds, resident.negative_sounds)


def test_rows_are_rendered_in_parts(clips, tiny_config, monkeypatch):
    config = tiny_config("ave", augmentation=Augmentation(0.5, 1, 0.2, 0.2, 0.1), batch_size=16, pairs_per_clip=4)
    [(_, whole)] = both(clips, config, 1)
    monkeypatch.setattr("trainer.resident._ROWS", 3)
    [(_, parts)] = both(clips, config, 1)
    assert torch.equal(whole.sounds, parts.sounds)
    assert (whole.frames.int() - parts.frames.int()).abs().max() <= 1
    assert whole.frames.shape == (16, *(tiny.FRONT_END.image_side,) * 2, 3)
