import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avsearch.models.ave import AVENet
from avsearch.models.towers import PAPER_WIDTHS, SMALL_WIDTHS
from tests.models import tiny


def unit_rows(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 128, generator=generator), dim=1)


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_paper_size_has_the_parameters_counted_by_hand():
    with torch.device("meta"):
        network = AVENet(PAPER_WIDTHS)
    # 3x3 weights without bias, then scale and shift of two batch norms a block
    later = 9 * (64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512)
    norms = 2 * 2 * (64 + 128 + 256 + 512)
    assert num_parameters(network.vision) == 9 * 3 * 64 + later + norms == 4_687_296
    assert num_parameters(network.audio) == 9 * 1 * 64 + later + norms == 4_686_144
    assert num_parameters(network.vision_head) == 512 * 128 + 128 + 128 * 128 + 128 == 82_176
    assert num_parameters(network.audio_head) == 82_176
    assert num_parameters(network.fc3) == 2 + 2
    assert num_parameters(network) == 4_687_296 + 4_686_144 + 2 * 82_176 + 4 == 9_537_796


def test_the_small_size_has_the_parameters_counted_by_hand():
    with torch.device("meta"):
        network = AVENet(SMALL_WIDTHS)
    later = 9 * (32 * 32 + 32 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256)
    norms = 2 * 2 * (32 + 64 + 128 + 256)
    assert num_parameters(network.vision) == 9 * 3 * 32 + later + norms == 1_173_216
    assert num_parameters(network.audio) == 9 * 1 * 32 + later + norms == 1_172_640
    assert num_parameters(network) == 1_173_216 + 1_172_640 + 2 * (256 * 128 + 128 + 128 * 128 + 128) + 4


def test_the_heads_are_fc1_relu_fc2_to_128_numbers():
    head = AVENet(tiny.WIDTHS).audio_head
    assert [type(part).__name__ for part in head] == ["Linear", "ReLU", "Linear"]
    assert [(part.in_features, part.out_features) for part in head[::2]] == [(8, 128), (128, 128)]


def test_vectors_have_128_numbers_and_length_one():
    network = tiny.network()
    with torch.no_grad():
        images = network.embed_images(torch.randn(5, *tiny.FRONT_END.image_shape))
        sounds = network.embed_sounds(torch.randn(5, *tiny.FRONT_END.audio_shape))
    for vectors in (images, sounds):
        assert vectors.shape == (5, 128)
        torch.testing.assert_close((vectors.double() ** 2).sum(dim=1), torch.ones(5).double(), rtol=0, atol=1e-6)


def test_a_pair_is_judged_by_the_distance_of_its_vectors():
    network = tiny.network()
    pictures, spectrograms = (
        torch.randn(3, *tiny.FRONT_END.image_shape),
        torch.randn(3, *tiny.FRONT_END.audio_shape),
    )
    with torch.no_grad():
        logits = network(pictures, spectrograms)
        images, sounds = network.embed_images(pictures), network.embed_sounds(spectrograms)
    weight, bias = network.fc3.weight[:, 0].tolist(), network.fc3.bias.tolist()
    for found, image, sound in zip(logits.tolist(), images.tolist(), sounds.tolist(), strict=True):
        no, yes = [w * math.dist(image, sound) + b for w, b in zip(weight, bias, strict=True)]
        assert found == pytest.approx(yes - no, abs=1e-4)


def test_a_small_distance_means_that_the_pair_corresponds():
    network = tiny.network()
    image = unit_rows(1)
    near, far = image.clone(), -image
    with torch.no_grad():
        assert network.log_odds(image, near) > 0
        assert network.log_odds(image, far) < 0


@given(distance=st.floats(0.01, 2.0))
def test_at_the_threshold_both_answers_are_equally_likely_and_nearer_pairs_correspond(distance):
    network = AVENet(tiny.WIDTHS)
    network.set_threshold(distance)
    angles = [2 * math.asin(min(factor * distance / 2, 1)) for factor in (0.9, 1.0, 1.1)]  # chords of the circle
    sounds = torch.tensor([[math.cos(angle), math.sin(angle)] for angle in angles], dtype=torch.float32)
    with torch.no_grad():
        logits = network.log_odds(torch.tensor([[1.0, 0.0]]).expand(3, 2), sounds)
    probabilities = logits.sigmoid().tolist()
    assert probabilities[1] == pytest.approx(0.5, abs=1e-3)
    assert probabilities[0] > 0.5
    assert probabilities[2] < 0.5 or distance > 2 / 1.1  # two unit vectors are at most 2 apart
