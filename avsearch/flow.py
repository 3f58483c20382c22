"""Optical flow between frames, as AVE+OF sees motion: TV-L1 ("Objects that Sound", section 3.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import AvsearchError
from avsearch.front_end import FLOW_STEPS_PER_PIXEL, FLOW_ZERO
from avsearch.installing import extra_hint

_NUM_SCALES = 5
_SCALE_STEP = 0.5  # OpenCV's 0.8 finds no motion beyond some ten pixels; a coarsest picture of a 16th does
_NUM_WARPS = 3
_OUTER_ITERATIONS = 3
_INNER_ITERATIONS = 15
_EPSILON = 0.02


def tvl1_flow(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(T, H, W, 3) uint8 -> (T - 1, H, W, 2) uint8: x and y of the motion from each frame to the next.

    A byte is 128 where nothing moves, and 6.4 more for each pixel to the right or down, up to 20 pixels. The
    paper names the method (Zach, Pock and Bischof 2007) and no setting. OpenCV's own settings take four times as
    long and lose fast motion; these differ from them by 0.02 pixels on average on clips of 25 frames a second.
    Calls from several threads run at once, each on one core.

    Raises:
        AvsearchError: OpenCV's contributed modules are not installed.
    """
    try:
        import cv2  # noqa: PLC0415  (an extra, and only one network needs it)

        cv2.setNumThreads(1)
        method = cv2.optflow.DualTVL1OpticalFlow.create(
            nscales=_NUM_SCALES,
            scaleStep=_SCALE_STEP,
            warps=_NUM_WARPS,
            outerIterations=_OUTER_ITERATIONS,
            innnerIterations=_INNER_ITERATIONS,  # sic
            epsilon=_EPSILON,
        )
    except (ImportError, AttributeError) as error:  # a plain OpenCV has no `optflow`
        raise AvsearchError(
            "Optical flow needs OpenCV with its contributed modules, which is not installed.",
            hint=extra_hint("flow"),
        ) from error
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flow = np.zeros((max(len(grey) - 1, 0), *frames.shape[1:3], 2), np.float32)
    for index in range(len(flow)):
        flow[index] = method.calc(grey[index], grey[index + 1], np.zeros_like(flow[index]))
    return quantised_flow(flow)


def quantised_flow(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Motion in pixels -> bytes, of any shape."""
    steps = np.rint(FLOW_ZERO + FLOW_STEPS_PER_PIXEL * pixels)
    return np.asarray(np.clip(steps, 0, 255), np.uint8)


def flow_images(bursts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(B, T, H, W, 3) uint8 -> (B, H, W, 3 + 2 (T - 1)) uint8: the middle frame, then x and y of each flow."""
    count, num_frames, height, width, _ = bursts.shape
    images = np.empty((count, height, width, 3 + 2 * (num_frames - 1)), np.uint8)
    for image, frames in zip(images, bursts, strict=True):
        image[..., :3] = frames[num_frames // 2]
        image[..., 3:] = tvl1_flow(frames).transpose(1, 2, 0, 3).reshape(height, width, -1)
    return images
