from itertools import pairwise

import pytest
import torch

from avsearch.models.towers import PAPER_WIDTHS, SMALL_WIDTHS, Tower, global_max

# Every layer of paper.md's table, as (channels, height, width); 129 where the figure has 128: plain padding 1.
VISION = [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14)]
AUDIO = [(64, 129, 100), (128, 64, 50), (256, 32, 25), (512, 16, 12)]
SMALL_VISION = [(32, 56, 56), (64, 28, 28), (128, 14, 14), (256, 7, 7)]
SMALL_AUDIO = [(32, 64, 50), (64, 32, 25), (128, 16, 12), (256, 8, 6)]
TOWERS = pytest.mark.parametrize(
    ("shape", "widths", "blocks"),
    [
        ((3, 224, 224), PAPER_WIDTHS, VISION),
        ((1, 257, 200), PAPER_WIDTHS, AUDIO),
        ((3, 112, 112), SMALL_WIDTHS, SMALL_VISION),
        ((1, 128, 100), SMALL_WIDTHS, SMALL_AUDIO),
    ],
    ids=["vision", "audio", "small vision", "small audio"],
)


def shapes_after(tower, kind, shape):
    """What leaves the layers of a kind, in order; nothing is computed on the meta device."""
    found = []
    for part in tower.modules():
        if isinstance(part, kind):
            part.register_forward_hook(lambda _layer, _inputs, output: found.append(tuple(output.shape[1:])))
    tower.eval()(torch.empty(1, *shape, device="meta"))
    return found


@TOWERS
def test_both_convolutions_of_each_block_have_the_shape_of_the_papers_table(shape, widths, blocks):
    with torch.device("meta"):
        tower = Tower(shape[0], widths)
    assert shapes_after(tower, torch.nn.Conv2d, shape) == [block for block in blocks for _ in range(2)]


@TOWERS
def test_three_pools_halve_the_map_and_the_fourth_takes_its_maximum(shape, widths, blocks):
    with torch.device("meta"):
        tower = Tower(shape[0], widths)
    pooled = [(before[0], *after[1:]) for before, after in pairwise(blocks)]
    assert shapes_after(tower, torch.nn.MaxPool2d, shape) == pooled
    assert global_max(torch.empty(5, *blocks[-1])).shape == (5, blocks[-1][0])


def test_every_convolution_is_3x3_with_padding_1_and_only_the_first_has_stride_2():
    convolutions = [part for part in Tower(3, SMALL_WIDTHS).modules() if isinstance(part, torch.nn.Conv2d)]
    assert {conv.kernel_size for conv in convolutions} == {(3, 3)}
    assert {conv.padding for conv in convolutions} == {(1, 1)}
    assert [conv.stride[0] for conv in convolutions] == [2, 1, 1, 1, 1, 1, 1, 1]


def test_batch_norm_and_relu_follow_every_convolution():
    order = [type(part).__name__ for part in Tower(1, (4, 8, 8, 8)).modules() if not list(part.children())]
    unit = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert order == unit * 2 + (["MaxPool2d"] + unit * 2) * 3


def test_the_global_maximum_is_that_of_numpy():
    features = torch.randn(3, 5, 4, 7)
    assert global_max(features).tolist() == features.numpy().max(axis=(2, 3)).tolist()
