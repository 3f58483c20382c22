from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from avsearch import pairs
from tests.models import tiny
from tests.trainer.test_dataset import NO_CHANGE, off_by_us, sawtooth
from trainer.batches import PinnedClips, training_batches
from trainer.config import Augmentation
from trainer.dataset import Clips, validation_pairs

GRID_US = np.arange(13, 88) * 40_000  # 0.52 s to 3.48 s: all with a whole second in four


@pytest.fixture
def clips(cached_clip):
    """Four videos of four seconds, two clips of each; frames every 200 ms say their index, sound tells its time."""
    frame_us = GRID_US[::5]
    frames = np.broadcast_to(np.arange(15, dtype=np.uint8)[:, None, None, None], (15, 36, 40, 3))
    found = []
    for name in "abcd":
        clip = cached_clip(name, frames, frame_us=frame_us, times_us=GRID_US, sound=sawtooth(0, 192_000))
        found += [clip, clip]
    return Clips.of(found)


def drawn(clips, config, count=8, **share):
    return list(training_batches(clips, config, seed=3, steps=range(count), **share))


def off_us(batch, row, second=None):
    middle_us = int(GRID_US[::5][int(batch.frames[row, 0, 0, 0])])
    return off_by_us(batch.sounds[row] if second is None else second, middle_us)


def test_an_epoch_draws_each_clip_as_often_as_asked_for_in_one_order():
    draws = np.concatenate(
        [pairs.batch_clips(10, batch_size=8, step=step, seed=0, pairs_per_clip=4) for step in range(10)]
    )
    for epoch in np.split(draws, 2):
        assert Counter(epoch.tolist()) == dict.fromkeys(range(10), 4)
    assert len(set(draws[:10].tolist())) < 10  # not one order after the other
    assert draws[:40].tolist() != draws[40:].tolist()


def test_one_pair_a_clip_draws_as_before():
    plain = [pairs.batch_clips(7, batch_size=3, step=step, seed=5) for step in range(7)]
    expected = np.concatenate([np.random.default_rng([5, 1, epoch]).permutation(7) for epoch in range(3)])
    assert np.concatenate(plain).tolist() == expected.tolist()


@pytest.mark.parametrize("on_grid", [True, False])
def test_pairs_of_one_video_are_never_negatives_of_each_other(clips, tiny_config, on_grid):
    config = tiny_config(batch_size=24, pairs_per_clip=5, augmentation=NO_CHANGE, negatives_on_grid=on_grid)
    for batch in drawn(clips, config):
        assert len(batch.media) == 24
        assert len(set(batch.media.tolist())) < 24
        assert (batch.media[batch.partner] != batch.media).all()


def test_a_batch_that_happens_to_be_of_one_video_gets_another(tiny_config, clips):
    few = Clips.of([*clips.clips[:1] * 40, clips.clips[2]])
    for batch in drawn(few, tiny_config(batch_size=2), 20):
        assert len(set(batch.media.tolist())) == 2
    with pytest.raises(ValueError, match="two media"):
        drawn(Clips.of(clips.clips[:2]), tiny_config(batch_size=2), 1)


def test_misaligned_seconds_lie_on_frame_times_of_their_video_as_far_as_asked_for(clips, tiny_config):
    config = tiny_config(augmentation=NO_CHANGE, misalignment_us=400_000, batch_size=8)
    off = [off_us(batch, row) for batch in drawn(clips, config, 200) for row in range(8)]
    steps = np.round(np.array(off) / 40_000)
    assert np.abs(np.array(off) - steps * 40_000).max() <= 11  # half a sample
    assert set(steps.astype(int).tolist()) == set(range(-10, 11))
    inner = np.bincount(steps.astype(int) + 10)
    assert inner.min() > 0.5 * inner.mean()  # uniformly; near the ends of a clip there is less to choose from


def test_misalignment_never_leaves_the_clip(clips, tiny_config):
    config = tiny_config(augmentation=NO_CHANGE, misalignment_us=60_000_000, batch_size=8)
    for batch in drawn(clips, config, 30):
        assert torch.isfinite(batch.sounds).all()
        assert batch.sounds.shape == (8, 48_000)


def test_negatives_off_the_grid_are_cut_anywhere_in_the_clip_of_their_partner(clips, tiny_config):
    config = tiny_config(augmentation=NO_CHANGE, negatives_on_grid=False, batch_size=8)
    rest = []
    for batch in drawn(clips, config, 60):
        assert batch.negative_sounds.shape == (8, 48_000)
        for row in range(8):
            assert abs(off_us(batch, row)) <= 11  # positives stay on the grid
            samples = round(off_us(batch, row, batch.negative_sounds[row]) * 48 / 1000)
            rest.append(samples % 1920)
    assert np.mean(np.isin(rest, [0, 1, 1919])) < 0.05
    assert np.histogram(rest, 8, (0, 1920))[0].min() > 30  # of 60 each
    assert drawn(clips, tiny_config(batch_size=8), 1)[0].negative_sounds is None


def test_loudness_does_not_tell_negatives_from_positives(clips, tiny_config):
    loud = Augmentation(0.875, 0.875, brightness=0, saturation=0, amplitude=0.5)
    [batch] = drawn(clips, tiny_config(augmentation=loud, negatives_on_grid=False, batch_size=8), 1)
    for sounds in (batch.sounds, batch.negative_sounds):
        peaks = sounds.abs().max(dim=1).values
        assert len(set(peaks.tolist())) == 8
        assert peaks.min() >= 0.3
        assert peaks.max() <= 1.51


def test_validation_off_the_grid_has_the_same_frames_and_seconds_cut_anywhere(clips):
    on, off = (validation_pairs(clips, tiny.FRONT_END, pairs_per_clip=15, on_grid=it) for it in (True, False))
    assert torch.equal(on.frames, off.frames)
    assert torch.equal(on.media, off.media)
    assert all(abs(off_us(on, row)) <= 11 for row in range(len(on.media)))
    rest = [round(off_us(off, row) * 48 / 1000) % 1920 for row in range(len(off.media))]
    assert np.mean(np.isin(rest, [0, 1, 1919])) < 0.1
    again = validation_pairs(clips, tiny.FRONT_END, pairs_per_clip=15, on_grid=False)
    assert torch.equal(again.sounds, off.sounds)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("on_grid", [True, False])
def test_processes_make_together_the_batch_that_one_makes_alone(clips, tiny_config, world, on_grid):
    config = tiny_config(
        "ave-nce", batch_size=8, misalignment_us=200_000, negatives_on_grid=on_grid, pairs_per_clip=2
    )
    alone = drawn(clips, config, 3)
    shares = [drawn(clips, config, 3, rank=rank, world=world) for rank in range(world)]
    for step, whole in enumerate(alone):
        parts = [share[step] for share in shares]
        for name in ("frames", "sounds", "media", "partner", *([] if on_grid else ["negative_sounds"])):
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name
        for name in ("curve", "kept_rows", "kept_columns"):
            together = torch.cat([getattr(part.shake, name) for part in parts])
            assert torch.equal(together, getattr(whole.shake, name)), name


def test_several_views_are_several_pairs_of_each_clip_of_a_batch(clips, tiny_config):
    config = tiny_config(augmentation=NO_CHANGE, batch_size=8, views=2)
    [batch] = drawn(clips, config, 1)
    first, second = batch.media[:4], batch.media[4:]
    assert torch.equal(first, second)
    assert (batch.media[batch.partner] != batch.media).all()
    together = [it.sounds for it in drawn(clips, config, 40)]
    same = np.mean([float(torch.equal(sounds[row], sounds[row + 4])) for sounds in together for row in range(4)])
    assert same < 0.5  # a draw of its own
    few = replace(config, batch_size=1000)
    assert (few.draws(10), few.rows(10)) == (10, 20)
    assert (replace(config, batch_size=9).rows(100), config.draws(100)) == (8, 4)


@pytest.mark.parametrize("world", [2, 3])
def test_processes_turn_and_move_their_rows_as_one_would_alone(clips, tiny_config, world):
    config = tiny_config("ave-views", batch_size=8)
    [alone] = drawn(clips, config, 1)
    parts = [drawn(clips, config, 1, rank=rank, world=world)[0] for rank in range(world)]
    for name in ("angle", "erased"):
        together = torch.cat([getattr(part.picture_shake, name) for part in parts])
        assert torch.equal(together, getattr(alone.picture_shake, name))
    assert torch.equal(torch.cat([part.shake.moved for part in parts]), alone.shake.moved)
    assert torch.equal(torch.cat([part.frames for part in parts]), alone.frames)


def test_a_process_reads_the_clips_of_its_rows_only(clips, tiny_config, monkeypatch):
    config = tiny_config(batch_size=8)
    read = []
    original = Clips.read
    monkeypatch.setattr(Clips, "read", lambda self, number: (read.append(int(number)), original(self, number))[1])
    drawn(clips, config, 1, rank=1, world=4)
    assert len(set(read)) == 2


def test_rows_do_not_depend_on_each_other(clips, tiny_config):
    """Of two recipes that differ in one row's draws alone, the other rows are the same."""
    plain, shaken = (tiny_config(batch_size=8, augmentation=it) for it in (NO_CHANGE, replace(NO_CHANGE, grey=0.5)))
    for one, other in zip(drawn(clips, plain), drawn(clips, shaken), strict=True):
        assert torch.equal(one.frames[:, 0, 0, 0], other.frames[:, 0, 0, 0])  # grey already
        assert torch.equal(one.sounds, other.sounds)


def test_batches_for_a_gpu_are_rendered_into_pinned_memory(clips, tiny_config, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self) or self.clone())
    config = tiny_config(batch_size=8, negatives_on_grid=False)
    [plain], [held] = drawn(clips, config, 1), drawn(PinnedClips(clips), config, 1)
    assert len(pinned) == 3
    for name in ("frames", "sounds", "negative_sounds", "media"):
        assert torch.equal(getattr(plain, name), getattr(held, name))
