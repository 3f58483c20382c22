import math

import pytest
import torch

from avsearch.models.avol import INITIAL_SCALE, INITIAL_SPREAD, AttentionAVOLNet, AVOLNet, CosineAVOLNet
from avsearch.models.towers import PAPER_WIDTHS
from tests.models import tiny

KINDS = [AVOLNet, CosineAVOLNet, AttentionAVOLNet]


def made(kind, seed=0):
    torch.manual_seed(seed)
    return kind(tiny.WIDTHS).eval()


def inputs(count=4, seed=1):
    torch.manual_seed(seed)
    return torch.randn(count, *tiny.FRONT_END.image_shape), torch.randn(count, *tiny.FRONT_END.audio_shape)


def weighed(values, by, *, sharpness):
    """The mean of values weighed by a softmax of others."""
    weights = [math.exp(sharpness * it) for it in by]
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


@pytest.mark.parametrize(("kind", "scalars"), [(AVOLNet, 2), (CosineAVOLNet, 2), (AttentionAVOLNet, 3)])
def test_the_paper_size_has_the_parameters_counted_by_hand(kind, scalars):
    """Beside towers and heads: a scale, a shift, and with attention its sharpness."""
    with torch.device("meta"):
        network = kind(PAPER_WIDTHS)
    towers = 4_687_296 + 4_686_144  # as counted for AVE-Net
    head = 512 * 128 + 128 + 128 * 128 + 128
    assert sum(it.numel() for it in network.parameters()) == towers + 2 * head + scalars


def test_a_picture_of_224_pixels_is_a_map_of_14_by_14():
    with torch.no_grad():
        assert made(AVOLNet).see(torch.zeros(1, 3, 224, 224)).shape == (1, 128, 14, 14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_places_answers_are_those_of_a_plain_loop(kind):
    network = made(kind)
    with torch.no_grad():
        network.scale.fill_(0.7)
        network.shift.fill_(-0.3)
        seen, heard = network.see(inputs()[0]), network.hear(inputs()[1])
        answers, odds = network.answers(seen, heard), network.log_odds(seen, heard)
    for pair in range(4):
        products = [
            sum(a * b for a, b in zip(place.tolist(), heard[pair].tolist(), strict=True))
            for place in seen[pair, :128].flatten(1).T
        ]
        loop = [0.7 * (it - 0.3) if kind is CosineAVOLNet else 0.7 * it - 0.3 for it in products]
        assert answers[pair].flatten().tolist() == pytest.approx(loop, abs=1e-4)
        expected = {
            AVOLNet: max(loop),
            AttentionAVOLNet: weighed(loop, loop, sharpness=1),  # at the start
            CosineAVOLNet: weighed(loop, products, sharpness=10),
        }
        assert float(odds[pair]) == pytest.approx(expected[kind], abs=1e-4)


def test_only_the_best_place_learns_from_a_maximum_and_all_of_them_from_attention():
    for kind, expected in ((AVOLNet, 1), (AttentionAVOLNet, 4)):
        network = made(kind)
        seen = torch.randn(1, 128, 2, 2, requires_grad=True)
        network.log_odds(seen, torch.randn(1, 128)).sum().backward()
        assert int((seen.grad.abs().sum(dim=1) > 0).sum()) == expected


def test_the_sharpest_attention_is_the_maximum_and_the_bluntest_the_mean():
    network = made(AttentionAVOLNet)
    seen, heard = torch.randn(3, 128, 4, 4), torch.randn(3, 128)
    answers = network.answers(seen, heard)
    with torch.no_grad():
        network.log_sharpness.fill_(math.log(1e6))
        torch.testing.assert_close(network.log_odds(seen, heard), answers.amax(dim=(1, 2)))
        network.log_sharpness.fill_(math.log(1e-9))
        torch.testing.assert_close(network.log_odds(seen, heard), answers.mean(dim=(1, 2)))


def test_a_contrast_compares_the_best_places_and_the_whole_picture():
    """Both by a plain loop: the whole picture's vector is what conv5 and conv6 make of the largest features."""
    network = made(CosineAVOLNet)
    with torch.no_grad():
        seen, heard = network.see(inputs(3)[0]), network.hear(inputs(5)[1])
        best, whole = network.similarities(seen, heard)
        raw = network.map_of(inputs(3)[0])
        largest = network.vision(inputs(3)[0]).flatten(2).max(dim=2).values[:, :, None, None]
        vectors = network.conv6(network.conv5(largest).clamp(min=0)).flatten(1)
    torch.testing.assert_close(network.similarity(seen, heard), best)
    assert best.shape == whole.shape == (3, 5)
    for row in range(3):
        for column in range(5):
            places = raw[row].flatten(1).T
            cosines = torch.nn.functional.cosine_similarity(places, heard[column][None])
            softened = weighed(cosines.tolist(), cosines.tolist(), sharpness=10)
            assert float(best[row, column]) == pytest.approx(softened, abs=1e-5)
            cosine = torch.nn.functional.cosine_similarity(vectors[row], heard[column], dim=0)
            assert float(whole[row, column]) == pytest.approx(float(cosine), abs=1e-5)


def test_the_picture_that_is_searched_is_the_whole_one_where_that_is_learnt():
    network = made(CosineAVOLNet)
    images, sounds = inputs()
    with torch.no_grad():
        _, whole = network.similarities(network.see(images), network.hear(sounds))
        vectors = network.embed_images(images)
        torch.testing.assert_close(vectors @ network.embed_sounds(sounds).T, whole)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))


@pytest.mark.parametrize("kind", [AVOLNet, AttentionAVOLNet])
def test_the_vector_for_search_has_length_one_and_answers_as_the_mean_place_does(kind):
    network = made(kind)
    images, sounds = inputs()
    with torch.no_grad():
        vectors, seen, heard = network.embed_images(images), network.see(images), network.embed_sounds(sounds)
        products = vectors @ heard.T
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    places = torch.nn.functional.normalize(seen, dim=1)
    means = torch.einsum("bdhw,md->bmhw", places, heard).mean(dim=(2, 3))
    ratio = products / means  # one factor a picture: how far its places agree
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", [AVOLNet, AttentionAVOLNet])
def test_the_first_batch_calibrates_the_answers(kind):
    network = made(kind)
    images, sounds = inputs(16)
    network.start(images, sounds)
    with torch.no_grad():
        odds = network(images, sounds)
        raw, answers = network.map_of(images), network.answers(network.see(images), network.hear(sounds))
    assert float(odds.mean()) == pytest.approx(0, abs=1e-3)
    assert float(answers.amax(dim=(1, 2)).std()) == pytest.approx(INITIAL_SPREAD, rel=0.01)
    torch.testing.assert_close(raw.mean(dim=(0, 2, 3)), torch.zeros(128), atol=1e-4, rtol=0)
    assert float(raw.norm(dim=1).mean()) == pytest.approx(1.0, abs=1e-3)


def test_cosines_start_with_the_threshold_at_the_mean_of_the_first_batch():
    network = made(CosineAVOLNet)
    images, sounds = inputs(16)
    network.start(images, sounds)
    with torch.no_grad():
        odds = network(images, sounds)
        vectors = network.conv6(torch.relu(network.conv5(network.vision(images).amax(dim=(2, 3), keepdim=True))))
        heard = network.vector_of(sounds)
        best, _ = network.similarities(network.see(images), network.hear(sounds))
    assert float(odds.mean()) == pytest.approx(0, abs=1e-4)
    torch.testing.assert_close(vectors.mean(dim=(0, 2, 3)), torch.zeros(128), atol=1e-5, rtol=0)
    torch.testing.assert_close(heard.mean(dim=0), torch.zeros(128), atol=1e-5, rtol=0)
    torch.testing.assert_close(odds, INITIAL_SCALE * (best.diagonal() - best.diagonal().mean()), atol=1e-4, rtol=0)


def test_the_map_of_a_wide_picture_is_wide_and_knows_the_whole_at_every_place():
    network = made(CosineAVOLNet)
    with torch.no_grad():
        seen = network.see(torch.randn(2, 3, 32, 64))
    assert seen.shape == (2, 256, 2, 4)
    torch.testing.assert_close(seen[:, 128:], seen[:, 128:, :1, :1].expand(-1, -1, 2, 4))
