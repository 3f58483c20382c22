"""The nine mistakes that others made who built this network: a test for each, in the order of the papers' notes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avsearch import media, pairs
from avsearch.encoder import encoder_of
from avsearch.evaluation.relevance import Gain
from avsearch.features import image_tensor, log_spectrogram
from avsearch.moments import Silent, Span
from tests.models import tiny
from tests.tiny import make_film
from tests.trainer.test_splits import manifest
from tests.trainer.test_validation import batch
from trainer.batches import training_batches
from trainer.cache import fill_cache
from trainer.config import Augmentation
from trainer.dataset import Clips, validation_pairs
from trainer.loop import train
from trainer.moments import outline
from trainer.objectives import avc_loss
from trainer.validation import perceive, validate

CPU = torch.device("cpu")
NO_CHANGE = Augmentation(smallest_crop=1.0, largest_crop=1.0, brightness=0, saturation=0, amplitude=0)


def test_1_softmax_is_taken_once_so_that_perfect_answers_have_no_loss():
    network, vectors = tiny.network(), torch.eye(6, 128)
    network.set_threshold(math.sqrt(2) / 2)  # own sounds lie at distance 0, others at the root of 2
    loss = avc_loss(network, vectors, vectors, vectors.roll(1, 0))
    assert float(loss.detach()) < 0.01  # with a second softmax never below 0.313


def test_2_the_gradient_at_equal_vectors_is_a_number():
    network = tiny.network()
    vectors = torch.nn.functional.normalize(torch.randn(4, 128), dim=1)
    images, sounds = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    avc_loss(network, images, sounds, sounds).backward()
    assert images.grad.isfinite().all()
    assert sounds.grad.isfinite().all()


def test_3_validation_teaches_the_batch_norms_nothing():
    network = tiny.network().train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    validate(network, batch(), tiny.FRONT_END, CPU)
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
    assert network.training  # and training goes on
    perceive(network, batch(), tiny.FRONT_END, CPU)  # where they would have learnt:
    assert not all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())


def test_4_labels_are_never_read(tmp_path, job, clips_folder):
    clips = sorted(clips_folder.glob("*.mp4"))
    fingerprints = []
    for name, labels in (("same", ["dog"] * 8), ("other", ["a;b", "c", "", "d", "a", "e", "f", "g"])):
        rows = [
            (path, label, "train" if n < 6 else "val")
            for n, (path, label) in enumerate(zip(clips, labels, strict=True))
        ]
        csv = manifest(tmp_path / f"{name}.csv", rows)
        fingerprints.append(train(replace(job, out=tmp_path / name, manifest=csv), Silent()).header.fingerprint)
    assert fingerprints[0] == fingerprints[1]


def test_5_a_batch_is_drawn_from_all_clips_and_not_from_those_that_lie_together():
    batches = [pairs.batch_clips(5000, batch_size=64, step=step, seed=0) for step in range(78)]
    within = np.mean([np.abs(np.diff(np.sort(chosen))).mean() for chosen in batches])
    assert within == pytest.approx(5000 / 65, rel=0.05)  # as numbers drawn from all of them lie
    follows = np.abs(np.diff(np.concatenate(batches)))
    assert follows.mean() == pytest.approx(5000 / 3, rel=0.05)  # whereas a buffer of 100 would give at most 100


def test_6_times_are_times_and_sample_numbers_are_sample_numbers(cached_clip, tiny_config):
    """A clip from the thirteenth second of a file on, whose samples count themselves."""
    frame_us = 12_345_000 + np.arange(13, 43) * 40_000
    frames = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None, None], (30, 36, 40, 3))
    sound = (np.arange(2 * 48_000) // 3 - 16_000).astype(np.int16)
    clips = Clips.of(
        [cached_clip(name, frames, frame_us=frame_us, sound=sound, start_us=12_345_000) for name in "ab"]
    )
    for drawn in training_batches(clips, tiny_config(augmentation=NO_CHANGE), seed=0, steps=range(8)):
        for frame, second in zip(drawn.frames, drawn.sounds, strict=True):
            middle_s = (float(second[0]) * 32767 + 16_000) * 3 / 48_000 + 0.5
            assert middle_s == pytest.approx((int(frame[0, 0, 0]) + 13) * 0.04, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seen", [{}, {"num_frames": 5}, {"num_frames": 5, "flow": True}], ids=["ave", "ave-mf", "ave-of"]
)
def test_7_training_and_search_see_and_hear_the_same(tmp_path, seen):
    film, front_end = make_film(tmp_path / "film.mp4", seconds=3), replace(tiny.FRONT_END, **seen)
    [clip], _ = fill_cache([film], tmp_path / "cache", front_end, Silent())
    clips = Clips.of([clip, replace(clip, content_hash="other")])
    trained_on = validation_pairs(clips, front_end, pairs_per_clip=3)
    arrays = clip.record.read(check=True)
    moments_us = arrays.frame_us[outline(arrays).moments]
    times_us = [int(moments_us[it]) for it in (0, (len(moments_us) - 1) // 2, -1)]
    info = media.probe(film)
    looks = list(media.read_looks(film, info, times_us, front_end=front_end))
    assert [look.time_us for look in looks] == times_us
    for row, look in enumerate(looks):
        encoded = encoder_of(*moving(front_end), CPU)._images(
            look.pixels[None]
        )  # what the network is given in search
        assert torch.equal(encoded, image_tensor(trained_on.frames[row : row + 1], front_end))
    sound = media.read_sound(film, info, Span(*pairs.centred_second(times_us[0])))
    half_a_step = 0.5 / 32767  # the cache keeps 16 bits a sample
    torch.testing.assert_close(trained_on.sounds[0], torch.tensor(sound), rtol=0, atol=1.02 * half_a_step)
    heard = log_spectrogram(torch.tensor(sound[None]), front_end)
    difference = (heard - log_spectrogram(trained_on.sounds[:1], front_end)).abs()
    assert difference[heard > heard.quantile(0.95)].mean() < 0.01  # elsewhere is what a step makes of a pure tone


def moving(front_end):
    """A network of any kind and its header, which says what it wants to see."""
    return tiny.network(), replace(tiny.HEADER, num_frames=front_end.num_frames, front_end=front_end)


def test_8_a_clip_gives_many_pairs(cached_clip, tiny_config):
    frame_us = np.arange(13, 43) * 40_000
    frames = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None, None], (30, 36, 40, 3))
    sound = np.random.default_rng(0).integers(-9000, 9000, 3 * 48_000)
    clips = Clips.of([cached_clip(name, frames, frame_us=frame_us, sound=sound) for name in "ab"])
    config = tiny_config(augmentation=NO_CHANGE)
    seen = {
        (int(number), int(frame[0, 0, 0]))
        for drawn in training_batches(clips, config, seed=0, steps=range(400))
        for frame, number in zip(drawn.frames, drawn.media, strict=True)
    }
    assert len(seen) == 2 * 30  # every frame that has a whole second around it


def test_9_the_gain_of_graded_relevance_is_two_to_its_power_minus_one():
    assert Gain.EXPONENTIAL.of(np.arange(5.0)).tolist() == [0, 1, 3, 7, 15]
