from dataclasses import replace

import numpy as np
import pytest
import torch

from avsearch import media
from avsearch.moments import Silent
from tests.media.clips import make_clip, number_of
from tests.models import tiny
from tests.trainer.test_dataset import NO_CHANGE, batches
from trainer.cache import fill_cache
from trainer.config import Augmentation
from trainer.dataset import Clips, validation_pairs

APART_US = 40_000
BURST = replace(tiny.FRONT_END, num_frames=5)
FLOW = replace(tiny.FRONT_END, num_frames=5, flow=True)
COUNT = 50


def random_flow(seed, height=36, width=41):
    return np.random.default_rng(seed).integers(0, 256, (COUNT - 1, height, width, 2), dtype=np.uint8)


@pytest.fixture
def dense(cached_clip):
    """Two clips of fifty frames on the 40 ms grid: pixels say row, column and number; flow is noise."""

    def make(flow=False):
        rows, columns = np.mgrid[:36, :41].astype(np.uint8)
        frames = np.stack([np.stack([rows, columns, np.full_like(rows, n)], 2) for n in range(COUNT)])
        clips = [
            cached_clip(name, frames, frame_us=np.arange(COUNT) * APART_US, sound=np.zeros(96_000),
                        flow=random_flow(seed) if flow else None)
            for seed, name in enumerate("ab")
        ]  # fmt: skip
        return Clips.of(clips)

    return make


def test_a_burst_is_the_frames_around_a_moment_cut_and_mirrored_alike(dense, tiny_config):
    config = tiny_config(front_end=BURST, augmentation=NO_CHANGE)
    numbers, mirrored = set(), set()
    for batch in batches(dense(), config, 60):
        assert batch.frames.shape == (2, 5, 32, 32, 3)
        for burst in batch.frames.numpy():
            first = int(burst[0, 0, 0, 2])
            assert burst[:, 0, 0, 2].tolist() == list(range(first, first + 5))
            assert (burst[..., :2] == burst[:1, ..., :2]).all()  # the same square of each
            numbers.add(first + 2)
            mirrored.add(bool(burst[0, 0, 0, 1] > burst[0, 0, -1, 1]))
    assert numbers <= set(range(13, 38))  # 0.52 s to 1.48 s of two seconds of sound
    assert len(numbers) > 20
    assert mirrored == {True, False}


def test_colours_of_a_burst_change_alike(cached_clip, tiny_config):
    frames = np.full((COUNT, 36, 36, 3), (160, 120, 80), np.uint8)
    clips = [cached_clip(n, frames, frame_us=np.arange(COUNT) * APART_US, sound=np.zeros(96_000)) for n in "ab"]
    changing = Augmentation(0.5, 1.0, brightness=0.3, saturation=0.5, amplitude=0, tint=0.2)
    seen = set()
    for batch in batches(Clips.of(clips), tiny_config(front_end=BURST, augmentation=changing), 10):
        for burst in batch.frames:
            [colour] = burst.reshape(-1, 3).unique(dim=0).tolist()
            seen.add(tuple(colour))
    assert len(seen) > 10


def test_flow_follows_its_frame_and_a_mirror_turns_its_x(dense, tiny_config):
    config = tiny_config(front_end=FLOW, augmentation=NO_CHANGE)
    turned = 0
    clips = dense(flow=True)
    for batch in batches(clips, config, 30):
        assert batch.frames.shape == (2, 32, 32, 3 + 2 * 4)
        for shown, number in zip(batch.frames.numpy(), batch.media.tolist(), strict=True):
            row = shown.astype(int)
            if row[0, 0, 1] > row[0, -1, 1]:
                turned += 1
                row = row[:, ::-1].copy()
                row[..., 3::2] = np.clip(256 - row[..., 3::2], 0, 255)
            top, left, middle = row[0, 0, :3].tolist()
            stored = random_flow(number)[middle - 2 : middle + 2, top : top + 32, left : left + 32]
            for step in range(4):
                x, y = row[..., 3 + 2 * step], row[..., 4 + 2 * step]
                expected = stored[step, ..., 0].astype(int)
                lost = (expected == 0) & (x == 1)  # 256 has no byte
                assert ((x == expected) | lost).all()
                assert (y == stored[step, ..., 1]).all()
    assert 15 < turned < 45


def test_flow_is_scaled_with_the_square(cached_clip, tiny_config):
    frames = np.full((COUNT, 64, 64, 3), 100, np.uint8)
    flow = np.broadcast_to(np.array([138, 108], np.uint8), (COUNT - 1, 64, 64, 2))
    clips = [
        cached_clip(n, frames, frame_us=np.arange(COUNT) * APART_US, sound=np.zeros(96_000), flow=flow)
        for n in "ab"
    ]
    half = Augmentation(1.0, 1.0, brightness=0, saturation=0, amplitude=0)  # 64 pixels become 32
    for batch in batches(Clips.of(clips), tiny_config(front_end=FLOW, augmentation=half), 5):
        assert set(batch.frames[..., 3::2].unique().tolist()) <= {123, 133}  # 128 -+ 10 / 2
        assert batch.frames[..., 4::2].unique().tolist() == [118]  # 128 - 20 / 2


def test_validation_takes_the_middle_of_bursts_and_of_flow(dense):
    burst = validation_pairs(dense(), BURST, pairs_per_clip=3)
    assert burst.frames.shape == (6, 5, 32, 32, 3)
    assert burst.frames[:3, 2, 0, 0, 2].tolist() == [13, 25, 37]
    assert burst.frames[0, :, 0, 0, 0].tolist() == [2] * 5
    flow = validation_pairs(dense(flow=True), FLOW, pairs_per_clip=1)
    stored = random_flow(0)[11:15, 2:34, 4:36]
    np.testing.assert_array_equal(flow.frames[0, ..., 3:].numpy(), np.concatenate(list(stored), axis=2))


def test_beyond_the_ends_the_first_and_the_last_frame_stand_still(cached_clip):
    frames = np.broadcast_to(np.arange(3, dtype=np.uint8)[:, None, None, None], (3, 36, 36, 3))
    flow = np.full((2, 36, 36, 2), 200, np.uint8)
    frame_us = np.array([460_000, 500_000, 540_000])
    clips = Clips.of([cached_clip(n, frames, frame_us=frame_us, sound=np.zeros(48_000), flow=flow) for n in "ab"])
    burst = validation_pairs(clips, replace(BURST, num_frames=7), pairs_per_clip=1)
    assert burst.frames[0, :, 0, 0, 0].tolist() == [0, 0, 0, 1, 2, 2, 2]
    moving = validation_pairs(clips, replace(FLOW, num_frames=7), pairs_per_clip=1)
    assert moving.frames[0, 0, 0].tolist() == [1, 1, 1, *[128] * 4, *[200] * 4, *[128] * 4]


@pytest.mark.parametrize("rate", [25, 15, 50])
def test_a_dense_clip_has_the_nearest_frame_of_each_40_ms(tmp_path, rate):
    path = make_clip(tmp_path / "a.mp4", frames=2 * rate, rate=str(rate), seconds=2, size=(64, 64))
    front_end = replace(BURST, short_side=32, image_side=32)
    [clip], _ = fill_cache([path], tmp_path / "cache", front_end, Silent())
    arrays = clip.record.read(check=True)
    grid_us = np.arange(len(arrays.frames)) * APART_US
    assert grid_us[-1] <= 2_000_000 - 1_000_000 // rate < grid_us[-1] + APART_US + 20_000
    assert (np.abs(arrays.frame_us - grid_us) <= max(500_000 // rate - 20_000, 0) + 20_000).all()
    shown = [number_of(frame) for frame in arrays.frames]
    assert shown == np.round(arrays.frame_us * rate / 1e6).astype(int).tolist()
    assert (np.diff(arrays.times_us) > 0).all()


def test_flow_is_computed_once_over_the_frames_that_are_kept(tmp_path, clips_folder, monkeypatch):
    asked = []

    def flow(frames):
        asked.append(frames)
        return np.full((len(frames) - 1, *frames.shape[1:3], 2), 130, np.uint8)

    monkeypatch.setattr("trainer.decoding._tvl1_flow", flow)
    path = clips_folder / "0.mp4"
    for _ in range(2):
        clips, _ = fill_cache([path], tmp_path, FLOW, Silent())
    [frames] = asked
    arrays = clips[0].record.read(check=True)
    np.testing.assert_array_equal(arrays.frames, frames)
    assert arrays.flow.shape == (len(frames) - 1, *frames.shape[1:3], 2)
    others, _ = fill_cache([path], tmp_path, BURST, Silent())
    assert others[0].record.shard.parent != clips[0].record.shard.parent
    assert torch.equal(
        validation_pairs(Clips.of([*clips, replace(clips[0], content_hash="b")]), FLOW, pairs_per_clip=1)
        .frames[0, ..., 3:].unique(), torch.tensor([130], dtype=torch.uint8)
    )  # fmt: skip
    assert media.content_hash(path) == clips[0].content_hash
