import torch

from avsearch.front_end import FRAMES_APART_US, MULTI_FRAMES
from avsearch.models.ave import AVENet
from avsearch.models.ave_mf import AVEMultiFrameNet, TimeTower
from avsearch.models.towers import PAPER_WIDTHS, SMALL_WIDTHS, global_max
from tests.models import tiny

SHAPE = (3, MULTI_FRAMES, 224, 224)


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_paper_size_has_the_parameters_counted_by_hand():
    with torch.device("meta"):
        network, plain = AVEMultiFrameNet(PAPER_WIDTHS), AVENet(PAPER_WIDTHS)
    # 3x3x3 weights without bias: three times the 3x3 ones; then scale and shift of two batch norms a block
    later = 27 * (64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512)
    norms = 2 * 2 * (64 + 128 + 256 + 512)
    assert num_parameters(network.vision) == 27 * 3 * 64 + later + norms == 14_054_208
    assert num_parameters(network) - num_parameters(network.vision) == 4_686_144 + 2 * 82_176 + 4
    assert num_parameters(plain) == 9_537_796


def test_time_shrinks_to_three_steps_and_height_and_width_as_in_the_plain_tower():
    found = []
    with torch.device("meta"):
        tower = TimeTower(3, PAPER_WIDTHS).eval()
    for part in tower.modules():
        if isinstance(part, torch.nn.Conv3d | torch.nn.MaxPool3d):
            part.register_forward_hook(lambda _layer, _inputs, output: found.append(tuple(output.shape[1:])))
    tower(torch.empty(1, *SHAPE, device="meta"))
    assert found == [
        (64, 13, 112, 112),
        (64, 7, 112, 112),
        (64, 3, 56, 56),
        (128, 3, 56, 56),
        (128, 3, 56, 56),
        (128, 3, 28, 28),
        (256, 3, 28, 28),
        (256, 3, 28, 28),
        (256, 3, 14, 14),
        (512, 3, 14, 14),
        (512, 3, 14, 14),
    ]
    assert MULTI_FRAMES * FRAMES_APART_US == 1_000_000


def test_every_convolution_has_a_kernel_of_3_in_all_three_directions():
    convolutions = [part for part in TimeTower(3, SMALL_WIDTHS).modules() if isinstance(part, torch.nn.Conv3d)]
    assert {(conv.kernel_size, conv.padding) for conv in convolutions} == {((3, 3, 3), (1, 1, 1))}
    assert [conv.stride for conv in convolutions] == [(2, 2, 2), (2, 1, 1), *[(1, 1, 1)] * 6]


def test_gradients_reach_every_parameter_of_both_sides():
    torch.manual_seed(0)
    network = AVEMultiFrameNet(tiny.WIDTHS)
    images, sounds = torch.randn(4, 3, MULTI_FRAMES, 32, 32), torch.randn(4, *tiny.FRONT_END.audio_shape)
    network.start(images, sounds)
    network(images, sounds).square().sum().backward()
    assert [name for name, it in network.named_parameters() if it.grad is None or not it.grad.any()] == []


def test_the_order_of_the_frames_matters():
    """A picture that moves is another one than the same frames backwards: 2-D towers could not tell."""
    torch.manual_seed(0)
    network = AVEMultiFrameNet(tiny.WIDTHS).eval()
    frames = torch.randn(1, 3, MULTI_FRAMES, 32, 32)
    with torch.no_grad():
        forwards, backwards = (global_max(network.vision(it)) for it in (frames, frames.flip(2)))
    assert (forwards - backwards).abs().max() > 0.01 * forwards.abs().max()
