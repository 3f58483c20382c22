import math

import numpy as np
import pytest
import torch

from avsearch import features
from tests.models import tiny
from trainer import validation
from trainer.batches import Batch
from trainer.validation import ndcg_by_pair, perceive, validate

CPU = torch.device("cpu")


def batch(count=10, num_media=5, seed=0):
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (count, 1, 1, 3))
    hz = rng.uniform(100, 9000, (count, 1))
    return Batch(
        frames=torch.from_numpy(np.broadcast_to(colours, (count, 32, 32, 3)).astype(np.uint8)),
        sounds=torch.from_numpy((0.4 * np.sin(2 * np.pi * hz * np.arange(48_000) / 48_000)).astype(np.float32)),
        media=torch.arange(count) % num_media,
        partner=torch.arange(count).roll(1),
    )


def spread_network(pairs):
    """Centred so that its answers differ: a threshold at the mean distance makes about half of them yes."""
    network = tiny.network()
    images, sounds = perceive(network, pairs, tiny.FRONT_END, CPU)
    with torch.no_grad():
        network.vision_head[2].bias -= 1.2 * images.mean(dim=0)
        network.audio_head[2].bias -= 1.2 * sounds.mean(dim=0)
        images, sounds = perceive(network, pairs, tiny.FRONT_END, CPU)
        network.set_threshold(float(torch.cdist(images, sounds).mean()))
    return network


@pytest.fixture(autouse=True)
def exact_arithmetic(monkeypatch):
    monkeypatch.setattr(validation, "fast_bfloat16", lambda _: False)


def loop_figures(network, pairs):
    """One pair after the other, in double precision."""
    with torch.no_grad():
        images = network.embed_images(features.image_tensor(pairs.frames, tiny.FRONT_END)).double().numpy()
        sounds = network.embed_sounds(features.log_spectrogram(pairs.sounds, tiny.FRONT_END)).double().numpy()
    (w0, w1), (b0, b1) = network.fc3.weight[:, 0].tolist(), network.fc3.bias.tolist()

    def says_yes(i, j):
        distance = math.dist(images[i], sounds[j])
        return w1 * distance + b1 > w0 * distance + b0

    count = len(images)
    others = [(i, j) for i in range(count) for j in range(count) if pairs.media[i] != pairs.media[j]]
    right_yes = sum(says_yes(i, i) for i in range(count)) / count
    right_no = sum(not says_yes(i, j) for i, j in others) / len(others)
    nearer = sum(images[i] @ sounds[i] > images[i] @ sounds[j] for i, j in others) / len(others)
    return (right_yes + right_no) / 2, nearer


def loop_ndcg(network, pairs, k=30):
    """Each frame and each second asks; own pair relevant, others of its video no candidates."""
    with torch.no_grad():
        images = network.embed_images(features.image_tensor(pairs.frames, tiny.FRONT_END)).double().numpy()
        sounds = network.embed_sounds(features.log_spectrogram(pairs.sounds, tiny.FRONT_END)).double().numpy()
    gains = []
    for queries, targets in ((images, sounds), (sounds, images)):
        for row, query in enumerate(queries):
            others = [o for o in range(len(targets)) if o == row or pairs.media[o] != pairs.media[row]]
            ranking = sorted(others, key=lambda o: -float(query @ targets[o]))
            rank = ranking.index(row) + 1
            gains.append(1 / math.log2(rank + 1) if rank <= k else 0.0)
    return sum(gains) / len(gains)


def test_beyond_rank_30_nothing_is_gained():
    similarity = np.zeros((40, 40)) + np.arange(40)[:, None] * 0.0
    similarity[:, 1:] = 1.0  # the first row's own is the last of its row
    negative = ~np.eye(40, dtype=bool)
    loop = []
    for table in (similarity, similarity.T):
        for row in range(40):
            before = sum(table[row, o] >= table[row, row] for o in range(40) if o != row)
            loop.append(1 / math.log2(before + 2) if before < 30 else 0.0)
    assert ndcg_by_pair(similarity, negative) == pytest.approx(sum(loop) / len(loop))
    assert 0 in loop


def test_the_figures_are_those_of_a_plain_loop():
    pairs = batch()
    network = spread_network(pairs)
    found = validate(network, pairs, tiny.FRONT_END, CPU)
    accuracy, nearer = loop_figures(network.eval(), pairs)
    assert found.avc_accuracy == pytest.approx(accuracy, abs=1e-6)
    assert found.nearer == pytest.approx(nearer, abs=1e-6)
    assert found.ndcg == pytest.approx(loop_ndcg(network, pairs), abs=1e-6)
    assert 0.1 < nearer < 0.9  # neither figure is trivial here
    assert 0.1 < accuracy < 0.9


def test_a_row_is_judged_alike_alone_and_among_many():
    pairs = batch(count=70, num_media=7)
    network = tiny.network()
    with torch.no_grad():
        images, sounds = perceive(network, pairs, tiny.FRONT_END, CPU)
        first = Batch(pairs.frames[:1], pairs.sounds[:1], pairs.media[:1], pairs.partner[:1])
        image, sound = perceive(network, first, tiny.FRONT_END, CPU)
    assert images.shape == sounds.shape == (70, 128)
    torch.testing.assert_close(images[:1], image)
    torch.testing.assert_close(sounds[:1], sound)


def test_a_network_that_tells_all_pairs_right_reaches_one(monkeypatch):
    pairs = batch(count=6, num_media=6)
    network = tiny.network()
    network.set_threshold(0.7)
    monkeypatch.setattr(validation, "perceive", lambda *_: (torch.eye(6, 128), torch.eye(6, 128)))
    found = validate(network, pairs, tiny.FRONT_END, CPU)
    assert (found.avc_accuracy, found.nearer) == (1.0, 1.0)
