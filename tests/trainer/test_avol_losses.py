"""What AVOL-Nets learn by, from the map of places to the number, beside plain loops in double precision."""

import math

import pytest
import torch

from avsearch.models.avol import PLACE_SHARPNESS, AVOLNet, CosineAVOLNet
from tests.models import tiny
from trainer.objectives import INITIAL_TEMPERATURE, InfoNCE, Perceived, avc_loss

COUNT = 5
MEDIA = [0, 1, 1, 2, 3]
PARTNER = [1, 0, 3, 4, 0]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def unit(vector):
    length = math.sqrt(dot(vector, vector))
    return [it / length for it in vector]


@pytest.fixture
def made():
    """A network of a kind, what it sees and hears of a batch, and conv6's and fc2's raw output as lists."""

    def make(kind):
        torch.manual_seed(3)
        network = kind(tiny.WIDTHS).eval()
        images = torch.randn(COUNT, *tiny.FRONT_END.image_shape)
        sounds = torch.randn(COUNT, *tiny.FRONT_END.audio_shape)
        network.start(images, sounds)
        with torch.no_grad():
            seen, heard = network.see(images), network.hear(sounds)
            raw, vectors = network.map_of(images), network.vector_of(sounds)
            features = network.vision(images).amax(dim=(2, 3))[:, :, None, None]
            whole = network.conv6(torch.relu(network.conv5(features))).flatten(1)
        places = [picture.flatten(1).T.double().tolist() for picture in raw]
        return network, seen, heard, places, vectors.double().tolist(), whole.double().tolist()

    return make


def test_the_logistic_loss_of_the_best_place_is_that_of_a_plain_loop(made):
    network, seen, heard, places, vectors, _ = made(AVOLNet)
    scale, shift = network.scale.item(), network.shift.item()
    assert len(places[0]) > 1

    def score(picture, sound):
        return max(sigmoid(scale * dot(place, vectors[sound]) + shift) for place in places[picture])

    positives = [-math.log(score(row, row)) for row in range(COUNT)]
    negatives = [-math.log(1 - score(row, PARTNER[row])) for row in range(COUNT)]
    expected = sum(positives + negatives) / (2 * COUNT)
    found = avc_loss(network, seen, heard, heard[PARTNER])
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)


def test_the_contrast_over_the_maximum_of_the_map_is_that_of_a_plain_loop(made):
    network, seen, heard, places, vectors, whole = made(CosineAVOLNet)
    sounds = [unit(it) for it in vectors]

    def best(picture, sound):
        cosines = [dot(unit(place), sounds[sound]) for place in places[picture]]
        weights = [math.exp(PLACE_SHARPNESS * it) for it in cosines]
        return sum(weight * cosine for weight, cosine in zip(weights, cosines, strict=True)) / sum(weights)

    def of_all(picture, sound):
        return dot(unit(whole[picture]), sounds[sound])

    def contrast(similarity):
        total = 0.0
        for row in range(COUNT):
            others = [other for other in range(COUNT) if other == row or MEDIA[other] != MEDIA[row]]
            for likeness in (lambda it, row=row: similarity(row, it), lambda it, row=row: similarity(it, row)):
                odds = {other: math.exp(likeness(other) / INITIAL_TEMPERATURE) for other in others}
                total -= math.log(odds[row] / sum(odds.values()))
        return total / (2 * COUNT)

    def judged(picture, sound):
        return sigmoid(network.scale.item() * (best(picture, sound) + network.shift.item()))

    judgement = [-math.log(judged(row, row)) - math.log(1 - judged(row, PARTNER[row])) for row in range(COUNT)]
    expected = contrast(best) + contrast(of_all) + sum(judgement) / (2 * COUNT)
    perceived = Perceived(seen, heard, torch.tensor(MEDIA), torch.tensor(PARTNER))
    assert float(InfoNCE()(network, perceived).detach()) == pytest.approx(expected, rel=1e-4)
