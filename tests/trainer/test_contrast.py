import math

import pytest
import torch

from tests.models import tiny
from tests.trainer.test_objectives import MEDIA, PARTNER, loop_avc, perceived, unit_rows
from trainer.contrast import info_nce_loss, multi_nce_loss
from trainer.objectives import MultiInfoNCE, avc_loss, objective


def loop_multi_nce(similarity, media, scale, *, without_self):
    """Supervised contrastive loss, one row after the other."""
    losses = []
    for row, values in enumerate(similarity.tolist()):
        candidates = [other for other in range(len(media)) if not (without_self and other == row)]
        total = sum(math.exp(scale * values[other]) for other in candidates)
        positives = [other for other in candidates if media[other] == media[row]]
        if positives:
            found = [math.log(math.exp(scale * values[other]) / total) for other in positives]
            losses.append(-sum(found) / len(found))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("without_self", [False, True])
@pytest.mark.parametrize("scale", [1.0, 14.3])
def test_the_contrast_of_several_positives_is_that_of_a_plain_loop(scale, without_self):
    similarity = unit_rows(0) @ unit_rows(1).T
    ours = multi_nce_loss(similarity, MEDIA, torch.tensor(scale), without_self=without_self)
    expected = loop_multi_nce(similarity, MEDIA.tolist(), scale, without_self=without_self)
    assert float(ours) == pytest.approx(expected, rel=1e-5)


def test_one_positive_each_makes_it_the_contrast_of_clip():
    similarity, media, scale = unit_rows(0) @ unit_rows(1).T, torch.arange(6), torch.tensor(5.0)
    both = (multi_nce_loss(similarity, media, scale) + multi_nce_loss(similarity.T, media, scale)) / 2
    torch.testing.assert_close(both, info_nce_loss(similarity, media, scale))


def test_without_any_other_positive_the_contrast_within_is_nothing_and_has_a_gradient():
    vectors = unit_rows(0).requires_grad_()
    loss = multi_nce_loss(vectors @ vectors.T, torch.arange(6), torch.tensor(5.0), without_self=True)
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.equal(vectors.grad, torch.zeros(6, 128))


@pytest.mark.parametrize("within", [0.0, 0.5])
def test_the_objective_of_several_positives_adds_the_contrasts_within_and_the_threshold(within):
    network, images, sounds = tiny.network(), unit_rows(0), unit_rows(1)
    ours = MultiInfoNCE(within)(network, perceived(images, sounds))
    across = [loop_multi_nce(it, MEDIA.tolist(), 1 / 0.07, without_self=False) for it in both_ways(images, sounds)]
    alike = [loop_multi_nce(it @ it.T, MEDIA.tolist(), 1 / 0.1, without_self=True) for it in (images, sounds)]
    expected = (sum(across) + within * sum(alike)) / 2 + loop_avc(network, images, sounds, PARTNER)
    assert float(ours.detach()) == pytest.approx(expected, rel=1e-5)


def both_ways(images, sounds):
    return images @ sounds.T, sounds @ images.T


def test_its_temperatures_are_learnt_and_its_threshold_moves_no_vector():
    goal, network = MultiInfoNCE(1.0), tiny.network()
    images, sounds = unit_rows(0).requires_grad_(), unit_rows(1).requires_grad_()
    goal(network, perceived(images, sounds)).backward()
    assert goal.log_scale.grad != 0
    assert (goal.log_scales_within.grad != 0).all()
    moved = images.grad.clone()
    images.grad = None
    (goal(network, perceived(images, sounds)) - avc_loss(network, images, sounds, sounds[PARTNER])).backward()
    assert not torch.allclose(images.grad, moved)  # the threshold's own gradient would have reached them


@pytest.mark.parametrize("wrong", [{"within": -1.0}, {"false_negatives": 0.5}, {"hardness": 1.0}, {"views": 0}])
def test_settings_that_several_positives_do_not_know_are_refused(tiny_config, wrong):
    with pytest.raises(ValueError, match=r"within|candidates|clips"):
        tiny_config("ave-views", **wrong)
    with pytest.raises(ValueError, match="within"):
        tiny_config("ave-nce", within=1.0)
    assert objective(tiny_config("ave-views", within=0.25)).within == 0.25
