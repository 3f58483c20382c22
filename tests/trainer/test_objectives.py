import math

import numpy as np
import pytest
import torch

from avsearch.models.ave import AVENet
from avsearch.models.avol import CosineAVOLNet
from tests.models import tiny
from trainer.contrast import info_nce_loss
from trainer.objectives import (
    AVC,
    INITIAL_TEMPERATURE,
    InfoNCE,
    Perceived,
    avc_loss,
    doubt,
    hardest_partners,
    objective,
)

MEDIA = torch.tensor([0, 1, 1, 2, 3, 2])
PARTNER = torch.tensor([1, 0, 3, 4, 5, 0])


def unit_rows(seed, count=6):
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 128, generator=generator), dim=1)


def perceived(images, sounds, **changes):
    return Perceived(**{"seen": images, "heard": sounds, "media": MEDIA, "partner": PARTNER, **changes})


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
    ours = AVC()(network, perceived(images, sounds))
    assert float(ours.detach()) == pytest.approx(loop_avc(network, images, sounds, PARTNER), abs=1e-5)


def test_at_the_threshold_the_loss_is_the_logarithm_of_two():
    network = tiny.network()
    network.set_threshold(math.sqrt(2))
    images, sounds = torch.eye(12, 128)[:6], torch.eye(12, 128)[6:]  # every distance is the root of 2
    loss = avc_loss(network, images, sounds, sounds[PARTNER])
    assert float(loss.detach()) == pytest.approx(math.log(2), abs=1e-5)


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
    goal(tiny.network(), perceived(unit_rows(0), unit_rows(1))).backward()
    assert goal.log_scale.grad is not None
    assert float(goal.log_scale.grad) != 0


def test_the_threshold_learns_beside_the_contrast_without_moving_the_vectors():
    network = tiny.network()
    alone, beside = unit_rows(0).requires_grad_(), unit_rows(0).requires_grad_()
    goal = InfoNCE()
    info_nce_loss(alone @ unit_rows(1).T, MEDIA, goal.log_scale.exp()).backward()
    goal(network, perceived(beside, unit_rows(1))).backward()
    assert alone.grad is not None
    assert beside.grad is not None
    torch.testing.assert_close(beside.grad, alone.grad, rtol=0, atol=0)
    assert network.fc3.bias.grad is not None
    assert network.fc3.bias.grad.abs().min() > 0


def test_the_contrastive_objective_is_the_contrast_plus_the_threshold():
    network, images, sounds = tiny.network(), unit_rows(0), unit_rows(1)
    ours = InfoNCE()(network, perceived(images, sounds))
    contrast = loop_info_nce(
        images.double().numpy(), sounds.double().numpy(), MEDIA.tolist(), 1 / INITIAL_TEMPERATURE
    )
    assert float(ours.detach()) == pytest.approx(contrast + loop_avc(network, images, sounds, PARTNER), rel=1e-5)


def test_each_objective_has_its_module_with_the_settings_of_the_config(tiny_config):
    avc = objective(tiny_config("ave", candidates=3, false_negatives=0.5))
    assert isinstance(avc, AVC)
    assert (avc.candidates, avc.false_negatives) == (3, 0.5)
    contrast = objective(tiny_config("ave-nce", hardness=2.0, false_negatives=0.25))
    assert isinstance(contrast, InfoNCE)
    assert (contrast.hardness, contrast.false_negatives) == (2.0, 0.25)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ave", {"hardness": 1.0}),
        ("ave", {"candidates": 0}),
        ("ave", {"false_negatives": 2}),
        ("ave-nce", {"candidates": 2}),
    ],
)
def test_a_setting_that_its_objective_does_not_know_is_refused(tiny_config, name, changes):
    with pytest.raises(ValueError, match="candidate"):
        tiny_config(name, **changes)


def loop_weighed(similarity, media, scale, *, hardness, weights):
    """Both directions; each row's negatives weigh as exp(hardness * similarity), 1 on average, times `weights`."""

    def one_way(table, weight):
        losses = []
        for row in range(len(media)):
            others = [other for other in range(len(media)) if media[other] != media[row]]
            tilt = np.exp([hardness * table[row][other] for other in others])
            tilt /= tilt.mean()
            wrong = sum(
                weight[row][other] * slope * math.exp(scale * table[row][other])
                for other, slope in zip(others, tilt, strict=True)
            )
            right = math.exp(scale * table[row][row])
            losses.append(-math.log(right / (right + wrong)))
        return sum(losses) / len(losses)

    table, weight = similarity.double().numpy(), weights.double().numpy()
    return (one_way(table, weight) + one_way(table.T, weight.T)) / 2


@pytest.mark.parametrize("hardness", [0.0, 3.0])
@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0])
def test_hard_and_doubtful_negatives_weigh_as_in_a_plain_loop(hardness, strength):
    network, images, sounds = tiny.network(), unit_rows(0), unit_rows(1)
    weights = doubt(network, perceived(images, sounds), strength)
    similarity = images @ sounds.T
    ours = info_nce_loss(similarity, MEDIA, torch.tensor(5.0), hardness=hardness, weights=weights)
    truth = loop_weighed(similarity, MEDIA.tolist(), 5.0, hardness=hardness, weights=weights)
    assert float(ours) == pytest.approx(truth, rel=1e-5)


def test_a_negative_that_looks_and_sounds_like_the_clip_itself_weighs_nothing():
    images, sounds = torch.eye(6, 128), torch.eye(6, 128)
    images[4], sounds[4] = images[0], sounds[0]  # another video, but the same thing
    sounds[3] = sounds[0]  # sounds alike, looks different
    weights = doubt(tiny.network(), perceived(images, sounds), 1.0)
    assert weights[0].tolist() == [0.0, 1.0, 1.0, 0.5, 0.0, 1.0]
    weighed = info_nce_loss(images @ sounds.T, MEDIA, torch.tensor(10.0), weights=weights)
    plain = info_nce_loss(images @ sounds.T, MEDIA, torch.tensor(10.0))
    assert torch.isfinite(weighed)
    assert float(weighed) < float(plain) - 0.1


def test_the_weights_of_negatives_have_no_gradient():
    images = unit_rows(0).requires_grad_()
    assert not doubt(tiny.network(), perceived(images, unit_rows(1)), 0.5).requires_grad


def test_the_hardest_of_the_candidates_is_the_nearest_sound_of_another_video():
    similarity = torch.randn(6, 6, generator=torch.Generator().manual_seed(3))
    for candidates in (1, 2, 4, 6, 99):
        found = hardest_partners(similarity, MEDIA, PARTNER, candidates=candidates).tolist()
        for row in range(6):
            choice = {int(PARTNER[row]), *((row + step) % 6 for step in range(1, min(candidates, 6)))}
            allowed = [other for other in choice if MEDIA[other] != MEDIA[row]]
            assert found[row] == max(allowed, key=lambda other: float(similarity[row, other]))


def test_avc_takes_the_hardest_candidate_and_weighs_it():
    network, images, sounds = tiny.network(), unit_rows(0), unit_rows(1)
    partner = hardest_partners(images @ sounds.T, MEDIA, PARTNER, candidates=4)
    weights = doubt(network, perceived(images, sounds), 0.8)
    ours = AVC(candidates=4, false_negatives=0.8)(network, perceived(images, sounds))
    positive = -torch.log(torch.sigmoid(network.log_odds(images, sounds)))
    negative = -torch.log(1 - torch.sigmoid(network.log_odds(images, sounds[partner])))
    weight = torch.stack([weights[row, other] for row, other in enumerate(partner)])
    truth = ((positive + weight * negative) / 2).mean()
    assert float(ours.detach()) == pytest.approx(float(truth.detach()), rel=1e-4)


@pytest.mark.parametrize("goal", [AVC(), InfoNCE()])
def test_negatives_from_elsewhere_take_the_place_of_the_partners(goal):
    network, images, sounds = tiny.network(), unit_rows(0), unit_rows(1)
    as_partners = goal(network, perceived(images, sounds, elsewhere=sounds[PARTNER]))
    torch.testing.assert_close(as_partners, goal(network, perceived(images, sounds)))
    elsewhere = goal(network, perceived(images, sounds, elsewhere=unit_rows(2)))
    assert float(elsewhere.detach()) != pytest.approx(float(as_partners.detach()))


class ComparingTwice(AVENet):
    """An AVE-Net that also compares by half of its vectors."""

    def similarities(self, seen, heard):
        return self.similarity(seen, heard), seen[:, :64] @ heard[:, :64].T


def test_a_network_that_compares_in_two_ways_learns_by_the_sum_of_both_contrasts():
    images, sounds, goal = unit_rows(0), unit_rows(1), InfoNCE()
    network = ComparingTwice(tiny.WIDTHS).eval()
    expected = loop_avc(network, images, sounds, PARTNER)
    for length in (128, 64):
        expected += loop_info_nce(images[:, :length], sounds[:, :length], MEDIA.tolist(), 1 / INITIAL_TEMPERATURE)
    assert float(goal(network, perceived(images, sounds)).detach()) == pytest.approx(expected, rel=1e-4)


def test_the_judgement_beside_a_contrast_teaches_the_towers_only_of_a_network_that_asks_for_it():
    """Of all batch a single media: then nothing is contrasted, and what is left is the judgement."""
    for network, teaches in ((tiny.network(), False), (CosineAVOLNet(tiny.WIDTHS).eval(), True)):
        images, sounds = torch.randn(6, *tiny.FRONT_END.image_shape), torch.randn(6, *tiny.FRONT_END.audio_shape)
        seen, heard = network.see(images).detach().requires_grad_(), network.hear(sounds).detach()
        alone = Perceived(seen, heard, torch.zeros(6, dtype=torch.int64), PARTNER)
        InfoNCE()(network, alone).backward()
        assert bool(seen.grad.abs().sum() > 1e-6) == teaches
