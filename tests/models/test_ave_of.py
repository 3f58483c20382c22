import torch

from avsearch.models.ave_of import FLOW_CHANNELS, AVEFlowNet, FlowTower
from avsearch.models.towers import PAPER_WIDTHS
from tests.models import tiny


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_paper_size_has_the_parameters_counted_by_hand():
    with torch.device("meta"):
        network = AVEFlowNet(PAPER_WIDTHS)
    # a trunk after its first convolution: 3x3 weights, then scale and shift of two batch norms a block
    trunk = 9 * (64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256) + 2 * 2 * (64 + 128 + 256)
    joined = 9 * (512 * 512 + 512 * 512) + 2 * 2 * 512
    assert num_parameters(network.vision.frame) == 9 * 3 * 64 + trunk == 1_146_304
    assert num_parameters(network.vision.flow) == 9 * 20 * 64 + trunk == 1_156_096
    assert num_parameters(network.vision.block4) == joined == 4_720_640
    assert num_parameters(network.vision) == 1_146_304 + 1_156_096 + 4_720_640
    assert num_parameters(network) - num_parameters(network.vision) == 4_686_144 + 2 * 82_176 + 4


def test_both_trunks_reach_pool3_and_are_joined_there():
    found = {}
    with torch.device("meta"):
        tower = FlowTower(PAPER_WIDTHS).eval()
    for name in ("frame", "flow", "pool3"):
        part = tower.get_submodule(name)
        part.register_forward_hook(lambda _it, _inputs, out, name=name: found.update({name: tuple(out.shape[1:])}))
    out = tower(torch.empty(1, 3 + FLOW_CHANNELS, 224, 224, device="meta"))
    assert found == {"frame": (256, 28, 28), "flow": (256, 28, 28), "pool3": (512, 14, 14)}
    assert out.shape == (1, 512, 14, 14)


def test_gradients_reach_every_parameter_of_both_trunks():
    torch.manual_seed(0)
    network = AVEFlowNet(tiny.WIDTHS)
    images, sounds = torch.randn(4, 23, 32, 32), torch.randn(4, *tiny.FRONT_END.audio_shape)
    network.start(images, sounds)
    network(images, sounds).square().sum().backward()
    assert [name for name, it in network.named_parameters() if it.grad is None or not it.grad.any()] == []


def test_each_trunk_sees_its_own_channels_alone():
    torch.manual_seed(0)
    tower = FlowTower(tiny.WIDTHS).eval()
    images = torch.randn(1, 23, 32, 32)
    still = images.clone()
    still[:, 3:] = 0
    with torch.no_grad():
        assert torch.equal(tower.frame(images[:, :3]), tower.frame(still[:, :3]))
        assert not torch.equal(tower(images), tower(still))
        expected = tower.block4(tower.pool3(torch.cat([tower.frame(images[:, :3]), tower.flow(images[:, 3:])], 1)))
        assert torch.equal(tower(images), expected)
