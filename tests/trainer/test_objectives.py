import math

import numpy as np
import pytest
import torch

from tests.models import tiny
from trainer.config import Objective
from trainer.objectives import AVC, INITIAL_TEMPERATURE, InfoNCE, avc_loss, info_nce_loss, objective

MEDIA = torch.tensor([0, 1, 1, 2, 3, 2])
PARTNER = torch.tensor([1, 0, 3, 4, 5, 0])


def unit_rows(seed, count=6):
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 128, generator=generator), dim=1)


def loop_avc(network, images, sounds, partner):
    """Minus the log-probability of the right answer, of one pair after the other."""
    (w0, w1), (b0, b1) = network.fc3.weight[:, 0].tolist(), network.fc3.bias.tolist()
    losses = []
    for row, image in enumerate(images.tolist()):
        for other, corresponds in ((row, True), (int(partner[row]), False)):
            distance = math.dist(image, sounds[other].tolist())
            no, yes = math.exp(w0 * distance + b0), math.exp(w1 * distance + b1)
            losses.append(-math.log((yes if corresponds else no) / (yes + no)))
    return sum(losses) / len(losses)


def loop_info_nce(images, sounds, media, scale):
    """Both directions; a row's candidates are its own partner and everything of other media."""

    def one_way(queries, targets):
        losses = []
        for row, query in enumerate(queries):
            allowed = [other for other in range(len(media)) if other == row or media[other] != media[row]]
            weights = {other: math.exp(scale * float(query @ targets[other])) for other in allowed}
            losses.append(-math.log(weights[row] / sum(weights.values())))
        return sum(losses) / len(losses)

    return (one_way(images, sounds) + one_way(sounds, images)) / 2


def test_the_avc_loss_is_that_of_a_plain_loop():
    network, images, sounds = tiny.network(), unit_rows(0), unit_rows(1)
    network.set_threshold(1.3)
    ours = AVC()(network, images, sounds, MEDIA, PARTNER)
    assert float(ours.detach()) == pytest.approx(loop_avc(network, images, sounds, PARTNER), abs=1e-5)


def test_perfect_answers_have_a_loss_near_zero_because_softmax_is_taken_once():
    network, vectors = tiny.network(), torch.eye(6, 128)
    network.set_threshold(math.sqrt(2) / 2)  # own sounds at distance 0, others at the root of 2
    assert (
        float(avc_loss(network, vectors, vectors, PARTNER).detach()) < 0.01
    )  # with a second softmax never below 0.313


def test_at_the_threshold_the_loss_is_the_logarithm_of_two():
    network = tiny.network()
    network.set_threshold(math.sqrt(2))
    images, sounds = torch.eye(12, 128)[:6], torch.eye(12, 128)[6:]  # every distance is the root of 2
    assert float(avc_loss(network, images, sounds, PARTNER).detach()) == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize("scale", [1.0, 14.3])
def test_the_contrastive_loss_is_that_of_a_plain_loop_with_pairs_of_one_video_left_out(scale):
    images, sounds = unit_rows(0), unit_rows(1)
    ours = float(info_nce_loss(images @ sounds.T, MEDIA, torch.tensor(scale)))
    truth = loop_info_nce(images.double().numpy(), sounds.double().numpy(), MEDIA.tolist(), scale)
    assert ours == pytest.approx(truth, rel=1e-5)
    unmasked = loop_info_nce(images.double().numpy(), sounds.double().numpy(), list(range(6)), scale)
    assert ours != pytest.approx(unmasked, rel=1e-3)


def test_other_sounds_of_the_same_video_pull_no_vector():
    images, sounds = unit_rows(0), unit_rows(1).requires_grad_()
    logits_of_one_pair = info_nce_loss(images[1:3] @ sounds[1:3].T, MEDIA[1:3], torch.tensor(10.0))
    assert float(logits_of_one_pair.detach()) == 0  # rows 1 and 2 are of one video: nothing to tell apart
    logits_of_one_pair.backward()
    assert sounds.grad is not None
    np.testing.assert_array_equal(sounds.grad.numpy(), 0)


def test_the_temperature_starts_at_its_value_and_is_learnt():
    goal = InfoNCE()
    assert float(goal.log_scale.exp().detach()) == pytest.approx(1 / INITIAL_TEMPERATURE)
    goal(tiny.network(), unit_rows(0), unit_rows(1), MEDIA, PARTNER).backward()
    assert goal.log_scale.grad is not None
    assert float(goal.log_scale.grad) != 0


def test_the_threshold_learns_beside_the_contrast_without_moving_the_vectors():
    network = tiny.network()
    alone, beside = unit_rows(0).requires_grad_(), unit_rows(0).requires_grad_()
    goal = InfoNCE()
    info_nce_loss(alone @ unit_rows(1).T, MEDIA, goal.log_scale.exp()).backward()
    goal(network, beside, unit_rows(1), MEDIA, PARTNER).backward()
    assert alone.grad is not None
    assert beside.grad is not None
    torch.testing.assert_close(beside.grad, alone.grad, rtol=0, atol=0)
    assert network.fc3.bias.grad is not None
    assert network.fc3.bias.grad.abs().min() > 0


def test_the_contrastive_objective_is_the_contrast_plus_the_threshold():
    network, images, sounds = tiny.network(), unit_rows(0), unit_rows(1)
    ours = InfoNCE()(network, images, sounds, MEDIA, PARTNER)
    contrast = loop_info_nce(
        images.double().numpy(), sounds.double().numpy(), MEDIA.tolist(), 1 / INITIAL_TEMPERATURE
    )
    assert float(ours.detach()) == pytest.approx(contrast + loop_avc(network, images, sounds, PARTNER), rel=1e-5)


def test_each_objective_has_its_module():
    assert isinstance(objective(Objective.AVC), AVC)
    assert isinstance(objective(Objective.INFO_NCE), InfoNCE)
