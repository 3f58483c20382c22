import torch

from avsearch.models.l3 import L3Net
from avsearch.models.towers import PAPER_WIDTHS
from tests.models import tiny


def test_the_paper_size_has_the_parameters_counted_by_hand():
    with torch.device("meta"):
        network = L3Net(PAPER_WIDTHS)
    towers = 4_687_296 + 4_686_144  # as counted for AVE-Net
    assert sum(it.numel() for it in network.parameters()) == towers + (1024 * 128 + 128) + (128 * 2 + 2)
    assert network.dim == 512


def test_vectors_are_the_pooled_features_at_length_one():
    torch.manual_seed(0)
    network = L3Net(tiny.WIDTHS).eval()
    images = torch.randn(3, *tiny.FRONT_END.image_shape)
    with torch.no_grad():
        features = network.vision(images)
        vectors = network.embed_images(images)
    for feature, vector in zip(features, vectors, strict=True):
        pooled = torch.tensor([float(channel.max()) for channel in feature])
        torch.testing.assert_close(vector, pooled / pooled.norm())


def test_a_pair_is_judged_by_both_features_together():
    torch.manual_seed(0)
    network = L3Net(tiny.WIDTHS).eval()
    seen, heard = torch.randn(2, 8), torch.randn(2, 8)
    with torch.no_grad():
        found = network.log_odds(seen, heard)
        for row in range(2):
            joined = torch.cat([seen[row], heard[row]])
            hidden = (network.fc1.weight @ joined + network.fc1.bias).clamp(min=0)
            no, yes = network.fc2.weight @ hidden + network.fc2.bias
            torch.testing.assert_close(found[row], yes - no)
            torch.testing.assert_close(torch.stack([no, yes]).softmax(0)[1], found[row].sigmoid())
