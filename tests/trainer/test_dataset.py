from fractions import Fraction

import numpy as np
import pytest
import torch

from avsearch import features
from tests.models import tiny
from trainer.batches import training_batches
from trainer.config import Augmentation
from trainer.dataset import Clips, middle_seconds, validation_pairs

NO_CHANGE = Augmentation(smallest_crop=0.875, largest_crop=0.875, brightness=0, saturation=0, amplitude=0)
PERIOD = 1 << 16  # samples: a sawtooth through all 16-bit numbers tells the time within 1.365 s


def sawtooth(first, count):
    return ((np.arange(first, first + count) % PERIOD) - PERIOD // 2).astype(np.int16)


def sample_number(second):
    """The number of the sample that a second begins with, modulo the period."""
    return round(float(second[0]) * 32767) + PERIOD // 2


def off_by_us(second, frame_us):
    """How far the middle of a second lies from a frame, told by the sawtooth."""
    samples = (sample_number(second) + 24_000) - frame_us * 48_000 / 1e6
    return (samples + PERIOD / 2) % PERIOD * 1e6 / 48_000 - PERIOD / 2 * 1e6 / 48_000


def frame_grid(rate, first, count):
    return np.array([round(number / rate * 1_000_000) for number in range(first, first + count)])


@pytest.fixture
def timed_clips(cached_clip):
    """Three clips of 25, 23.976 and 15 frames a second whose sounds tell the time and whose frames their index."""
    clips = []
    for number, (rate, start_us) in enumerate([(25, 0), (Fraction(24000, 1001), 3_000_000), (15, 12_345_000)]):
        frame_us = frame_grid(rate, 13, 30) + start_us
        frames = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None, None], (30, 36, 40, 3))
        sound = sawtooth(start_us * 48 // 1000, 4 * 48_000)
        clips.append(cached_clip(f"c{number}", frames, frame_us=frame_us, sound=sound, start_us=start_us))
    return Clips.of(clips), [frame_grid(25, 13, 30), frame_grid(Fraction(24000, 1001), 13, 30) + 3_000_000,
                             frame_grid(15, 13, 30) + 12_345_000]  # fmt: skip


def batches(clips, config, count, *, seed=0):
    return list(training_batches(clips, config, seed=seed, steps=range(count)))


def test_every_positive_second_is_centred_on_its_frame(timed_clips, tiny_config):
    clips, frame_us = timed_clips
    seen = set()
    for batch in batches(clips, tiny_config(augmentation=NO_CHANGE), 20):
        for frame, second, media in zip(batch.frames, batch.sounds, batch.media.tolist(), strict=True):
            index = int(frame[0, 0, 0])
            assert abs(off_by_us(second, frame_us[media][index])) <= 11  # half a sample
            seen.add((media, index))
    assert len(seen) > 30  # frames are drawn at random


def test_every_negative_second_is_centred_on_a_frame_of_its_own_video(timed_clips, tiny_config):
    clips, frame_us = timed_clips
    for batch in batches(clips, tiny_config(augmentation=NO_CHANGE), 5):
        for row, partner in enumerate(batch.partner.tolist()):
            media = int(batch.media[partner])
            assert media != int(batch.media[row])
            distances = [abs(off_by_us(batch.sounds[partner], time)) for time in frame_us[media].tolist()]
            assert min(distances) <= 11


def test_the_last_second_of_a_clip_is_whole(cached_clip):
    clips = [
        cached_clip(name, np.zeros((1, 36, 36, 3), np.uint8), frame_us=[500_000], sound=sawtooth(first, 48_000))
        for name, first in (("a", 0), ("b", 9))
    ]
    seconds = middle_seconds(Clips.of(clips), range(2))
    assert seconds.shape == (2, 48_000)
    assert [sample_number(second) for second in seconds] == [0, 9]


def test_sounds_come_back_as_they_were_stored(timed_clips):
    clips, _ = timed_clips
    second = middle_seconds(clips, [0])[0]
    assert second.dtype == torch.float32
    np.testing.assert_allclose((second * 32767).round().numpy()[:3], sawtooth(sample_number(second), 3))


def test_validation_frames_are_spread_over_the_clip_and_not_changed(timed_clips):
    clips, frame_us = timed_clips
    batch = validation_pairs(clips, tiny.FRONT_END, pairs_per_clip=4)
    assert batch.frames.shape == (12, 32, 32, 3)
    assert batch.media.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert batch.frames[:, 0, 0, 0].tolist() == [0, 9, 19, 29] * 3
    for second, media, index in zip(
        batch.sounds, batch.media.tolist(), batch.frames[:, 0, 0, 0].tolist(), strict=True
    ):
        assert abs(off_by_us(second, frame_us[media][index])) <= 11


def test_validation_sees_the_middle_of_each_frame(cached_clip):
    rows, columns = np.mgrid[:36, :52].astype(np.uint8)
    frame = np.stack([rows, columns, rows], axis=2)[None]
    clips = [cached_clip(name, frame, frame_us=[500_000], sound=sawtooth(0, 48_000)) for name in "ab"]
    square = validation_pairs(Clips.of(clips), tiny.FRONT_END, pairs_per_clip=1).frames[0]
    assert square[0, 0].tolist() == [2, 10, 2]  # (36 - 32) / 2 from the top, (52 - 32) / 2 from the left


def test_a_clip_with_fewer_frames_than_pairs_gives_each_frame_once(cached_clip):
    frames = np.broadcast_to(np.arange(2, dtype=np.uint8)[:, None, None, None], (2, 36, 36, 3))
    clips = [cached_clip(n, frames, frame_us=[500_000, 700_000], sound=sawtooth(0, 60_000)) for n in "ab"]
    batch = validation_pairs(Clips.of(clips), tiny.FRONT_END, pairs_per_clip=4)
    assert batch.frames[:, 0, 0, 0].tolist() == [0, 1, 0, 1]


def test_a_batch_depends_on_nothing_but_seed_and_step(timed_clips, tiny_config):
    clips, _ = timed_clips
    config = tiny_config("ave-nce")
    whole = batches(clips, config, 4)
    resumed = list(training_batches(clips, config, seed=0, steps=range(2, 4)))
    for before, after in zip(whole[2:], resumed, strict=True):
        assert torch.equal(before.frames, after.frames)
        assert torch.equal(before.sounds, after.sounds)
        assert torch.equal(before.partner, after.partner)
    assert not torch.equal(whole[0].frames, batches(clips, config, 1, seed=1)[0].frames)
    assert list(training_batches(clips, config, seed=0, steps=range(4, 4))) == []


def test_each_clip_stands_once_in_a_batch_of_all(timed_clips, tiny_config):
    clips, _ = timed_clips
    for batch in batches(clips, tiny_config(batch_size=50), 3):
        assert sorted(batch.media.tolist()) == [0, 1, 2]


def test_clips_of_one_video_have_one_number(cached_clip):
    clip = cached_clip("a", np.zeros((1, 36, 36, 3), np.uint8), frame_us=[500_000], sound=sawtooth(0, 48_000))
    other = cached_clip("b", np.zeros((1, 36, 36, 3), np.uint8), frame_us=[500_000], sound=sawtooth(0, 48_000))
    clips = Clips.of([other, clip, clip])
    assert clips.media.tolist() == [1, 0, 0]
    assert clips.num_media == 2
    assert Clips.of([]).num_media == 0


@pytest.fixture
def even_clips(cached_clip):
    """Two clips of one colour and one loudness."""

    def make(colour, level=0.5, size=(36, 50)):
        frames = np.full((1, *size, 3), colour, np.uint8)
        sound = np.full(60_000, level * 32767)
        return Clips.of([cached_clip(name, frames, frame_us=[600_000], sound=sound) for name in "ab"])

    return make


def test_brightness_and_loudness_stay_within_their_limits_and_use_them(even_clips, tiny_config):
    config = tiny_config(augmentation=Augmentation(0.875, 0.875, brightness=0.2, saturation=0, amplitude=0.1))
    drawn = batches(even_clips((100, 100, 100)), config, 100)
    pixels = np.concatenate([batch.frames.numpy().reshape(-1) for batch in drawn])
    levels = np.concatenate([batch.sounds[:, 0].numpy() for batch in drawn])
    assert 79 <= pixels.min() < 85
    assert 115 < pixels.max() <= 120
    assert 0.4499 <= levels.min() < 0.46
    assert 0.54 < levels.max() <= 0.5501


def test_saturation_moves_colours_to_or_from_their_grey(even_clips, tiny_config):
    config = tiny_config(augmentation=Augmentation(0.875, 0.875, brightness=0, saturation=0.5, amplitude=0))
    factors = []
    for batch in batches(even_clips((160, 120, 80)), config, 50):
        for red, green, blue in batch.frames[:, 3, 3].tolist():
            assert green == 120  # the grey of this colour
            assert red - 120 == pytest.approx(120 - blue, abs=1)
            factors.append((red - 120) / 40)
    assert 0.45 <= min(factors) < 0.65
    assert 1.35 < max(factors) <= 1.5


def test_colours_do_not_overflow(even_clips, tiny_config):
    config = tiny_config(augmentation=Augmentation(0.875, 0.875, brightness=0.4, saturation=0.4, amplitude=0))
    for batch in batches(even_clips((255, 250, 0)), config, 20):
        assert batch.frames[..., 0].min() > 100
        assert batch.frames[..., 2].max() < 100


def test_unshaken_frames_are_squares_of_the_original_half_of_them_mirrored(cached_clip, tiny_config):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (36, 41, 3), dtype=np.uint8)
    sound = np.zeros(48_000)
    clips = Clips.of([cached_clip(name, frame[None], frame_us=[500_000], sound=sound) for name in "ab"])
    squares = {}
    for top in range(36 - 32 + 1):
        for left in range(41 - 32 + 1):
            square = frame[top : top + 32, left : left + 32]
            squares[square.tobytes()] = (top, left, False)
            squares[square[:, ::-1].tobytes()] = (top, left, True)
    found = [
        squares[row.numpy().tobytes()]
        for batch in batches(clips, tiny_config(augmentation=NO_CHANGE), 100)
        for row in batch.frames
    ]
    assert 70 < sum(mirrored for _, _, mirrored in found) < 130
    assert {top for top, _, _ in found} == set(range(5))
    assert {left for _, left, _ in found} == set(range(10))


def test_crops_of_other_sizes_are_scaled_to_the_side_asked_for(even_clips, tiny_config):
    config = tiny_config(augmentation=Augmentation(0.3, 1.0, brightness=0, saturation=0, amplitude=0))
    for batch in batches(even_clips((10, 20, 30)), config, 10):
        assert batch.frames.shape == (2, 32, 32, 3)
        assert batch.frames.reshape(-1, 3).unique(dim=0).tolist() == [[10, 20, 30]]


def test_batches_have_the_shapes_that_the_features_ask_for(timed_clips, tiny_config):
    clips, _ = timed_clips
    batch = batches(clips, tiny_config(), 1)[0]
    assert features.image_tensor(batch.frames, tiny.FRONT_END).shape == (3, 3, 32, 32)
    assert features.log_spectrogram(batch.sounds, tiny.FRONT_END).shape == (3, 1, 257, 100)
    assert batch.to(torch.device("cpu")).media.tolist() == batch.media.tolist()
