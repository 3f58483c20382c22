"""Truth here: textures that are moved by a known distance."""

import sys

import numpy as np
import pytest
from scipy import ndimage

from avsearch.errors import AvsearchError
from avsearch.flow import flow_images, quantised_flow, tvl1_flow
from avsearch.front_end import FLOW_STEPS_PER_PIXEL, FLOW_ZERO


def _unit(noise):
    return (noise - noise.mean()) / noise.std()


def texture(*shifts, size=(128, 170)):
    """(T, H, W, 3) uint8: a smooth random texture at each shift (x, y) in pixels."""
    rng = np.random.default_rng(0)
    height, width = size
    noise = sum(
        _unit(ndimage.gaussian_filter(rng.random((height + 80, width + 80)), sigma)) for sigma in (2, 6, 14)
    )
    plain = (noise - noise.min()) / (noise.max() - noise.min()) * 255
    moved = [ndimage.shift(plain, (y, x), order=3, mode="nearest")[40:-40, 40:-40] for x, y in shifts]
    return np.clip(np.stack(moved), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=-1)


def pixels(flow):
    return (flow.astype(float) - FLOW_ZERO) / FLOW_STEPS_PER_PIXEL


@pytest.mark.parametrize("shift", [(3, -2), (0.5, 1.5), (-8, 5), (12, 9), (0, 0)])
def test_the_median_flow_is_the_shift_of_the_texture(shift):
    flow = tvl1_flow(texture((0, 0), shift))
    assert (flow.shape, flow.dtype) == ((1, 128, 170, 2), np.uint8)
    np.testing.assert_allclose(np.median(pixels(flow)[0].reshape(-1, 2), axis=0), shift, atol=0.3)


def test_flows_come_in_order_from_each_frame_to_the_next():
    flow = pixels(tvl1_flow(texture((0, 0), (2, 0), (2, 4), (-1, 4))))
    medians = np.median(flow.reshape(3, -1, 2), axis=1)
    np.testing.assert_allclose(medians, [(2, 0), (0, 4), (-3, 0)], atol=0.3)


def test_a_byte_holds_20_pixels_to_either_side_and_128_is_no_motion():
    motion = np.array([0, 1, -1, 19.8, 20, 25, -20, -25, 0.07], np.float32)
    assert quantised_flow(motion).tolist() == [128, 134, 122, 255, 255, 255, 0, 0, 128]


def test_one_frame_has_no_flow():
    assert tvl1_flow(texture((0, 0))).shape == (0, 128, 170, 2)


def test_an_image_of_flow_is_the_middle_frame_then_x_and_y_of_each_flow():
    bursts = np.stack([texture((0, 0), (2, 1), (4, 2)), texture((0, 0), (0, 0), (0, 3))])
    images = flow_images(bursts)
    assert (images.shape, images.dtype) == ((2, 128, 170, 3 + 4), np.uint8)
    for burst, image in zip(bursts, images, strict=True):
        np.testing.assert_array_equal(image[..., :3], burst[1])
        flow = tvl1_flow(burst)
        for index in range(2):
            np.testing.assert_array_equal(image[..., 3 + 2 * index : 5 + 2 * index], flow[index])


def test_without_opencv_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(AvsearchError) as caught:
        tvl1_flow(texture((0, 0), (1, 0)))
    assert "pip install 'avsearch[flow]'" in caught.value.hint
