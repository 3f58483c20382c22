"""Of a cached clip: which frames are moments, what is seen at one, and the second of sound around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avsearch.front_end import FLOW_ZERO, MOMENT_SAMPLES, FrontEnd
from trainer.draws import ClipOutline

_INT16 = 32767.0


@dataclass(frozen=True)
class ClipArrays:
    """What is kept of a clip; every array may be mapped, so that a part of it costs that part.

    Attributes:
        frames: (T, H, W, 3) uint8.
        frame_us: (T,) int64, the true time of each.
        times_us: (M,) int64, ascending: every frame time of the video with a whole second around it, not silence.
        sound: (N,) int16 at 48 kHz.
        start_us: when its first sample is.
        flow: (T - 1, H, W, 2) uint8 from each frame to the next, as `avsearch.flow` gives it; None without flow.
    """

    frames: np.ndarray
    frame_us: np.ndarray
    times_us: np.ndarray
    sound: np.ndarray
    start_us: int
    flow: np.ndarray | None = None


@dataclass(frozen=True)
class Picture:
    """What is seen at a moment.

    `frames` (T, H, W, 3) uint8: those around it, or its own alone (T = 1). `flow` (F, H, W, 2) uint8: x and y from
    one frame around it to the next, quantised (`avsearch.flow`); None where the front end wants none.
    """

    frames: np.ndarray
    flow: np.ndarray | None = None

    def cut(self, top: int, left: int, size: int) -> Picture:
        """A square of everything."""
        rows, columns = slice(top, top + size), slice(left, left + size)
        flow = None if self.flow is None else self.flow[:, rows, columns]
        return Picture(self.frames[:, rows, columns], flow)

    def mirrored(self) -> Picture:
        """Left and right exchanged; what moved to the right moves to the left."""
        if self.flow is None:
            return Picture(self.frames[:, :, ::-1])
        flow = self.flow[:, :, ::-1].copy()
        flow[..., 0] = np.clip(2 * FLOW_ZERO - flow[..., 0].astype(np.int16), 0, 255)
        return Picture(self.frames[:, :, ::-1], flow)

    def stacked(self) -> np.ndarray:
        """As a row of a batch: (H, W, 3), (T, H, W, 3), or with flow (H, W, 3 + 2 F) uint8, channels last."""
        if self.flow is None:
            return self.frames[0] if len(self.frames) == 1 else self.frames
        _, height, width, _ = self.frames.shape
        flow = self.flow.transpose(1, 2, 0, 3).reshape(height, width, -1)
        return np.concatenate([self.frames[0], flow], axis=2)


def outline(arrays: ClipArrays) -> ClipOutline:
    """What drawing from a clip has to know of it."""
    _, height, width, _ = arrays.frames.shape
    return ClipOutline(arrays.frame_us, arrays.times_us, arrays.start_us, arrays.sound.size, height, width)


def picture(arrays: ClipArrays, index: int, front_end: FrontEnd) -> Picture:
    """The frame `index` as the front end wants it: alone, with those around it, or with the flow around it.

    Near the ends of a clip its first or last frame stands for those that are not there; it does not move.
    """
    half = front_end.num_frames // 2
    around = np.clip(np.arange(index - half, index + half + 1), 0, len(arrays.frames) - 1)
    if not front_end.flow:
        return Picture(arrays.frames[around[0] : around[-1] + 1][around - around[0]])
    height, width = arrays.frames.shape[1:3]
    flow = np.full((2 * half, height, width, 2), FLOW_ZERO, np.uint8)
    moves = np.diff(around) > 0
    if arrays.flow is not None and moves.any():
        flow[moves] = arrays.flow[around[0] : around[-1]]
    return Picture(arrays.frames[index : index + 1], flow)


def middle_picture(arrays: ClipArrays, index: int, front_end: FrontEnd) -> np.ndarray:
    """The same, cut to the square in its middle: a row of a batch."""
    found, side = picture(arrays, index, front_end), front_end.image_side
    height, width = found.frames.shape[1:3]
    if min(height, width) < side:
        raise ValueError(f"a frame of {width} x {height} holds no square of {side}")
    return found.cut((height - side) // 2, (width - side) // 2, side).stacked()


def second_around(arrays: ClipArrays, middle_us: int) -> np.ndarray:
    """(48000,) float32: the second of sound around a time that has a whole one."""
    return second_at(arrays, outline(arrays).first_sample(middle_us))


def second_at(arrays: ClipArrays, first: int) -> np.ndarray:
    """(48000,) float32: the second of sound from a sample of the clip on."""
    return np.asarray(
        arrays.sound[first : first + MOMENT_SAMPLES].astype(np.float32) / np.float32(_INT16), np.float32
    )
