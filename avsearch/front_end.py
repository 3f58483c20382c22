"""What an encoder asks of frames and sounds; it travels inside the weights file, so use equals training.

Nothing here needs torch: media can be read while torch is still being imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from avsearch.moments import SECOND_US

SAMPLE_RATE_HZ = 48_000
MOMENT_SAMPLES = SAMPLE_RATE_HZ  # a moment of sound lasts one second
FRAMES_APART_US = 40_000  # of the frames around a moment: those of 25 a second, the paper's rate
FLOW_ZERO = 128  # what a byte of optical flow holds where nothing moves
FLOW_STEPS_PER_PIXEL = 6.4  # so that a byte holds up to 20 pixels from one frame to the next


@dataclass(frozen=True)
class FrontEnd:
    """Shapes and constants between media and tensors.

    Attributes:
        image_side: pixels of the square that the vision tower sees.
        short_side: pixels of a frame's shorter side before the square is cut.
        window: samples of the Hann window of the spectrogram.
        hop: samples from one spectrogram column to the next.
        n_fft: length of the Fourier transform; the window is padded to it with zeros.
        num_bands: mel bands that the bins are gathered into; 0 keeps the bins themselves.
        log_floor: added to magnitudes before the logarithm.
        log_mean: mean of the log-spectrogram over the training sounds.
        log_std: its standard deviation.
        pixel_mean: subtracted from pixels in [0, 1]; one number, or one for each of red, green and blue.
        pixel_std: divides them then; likewise.
        num_frames: how many frames around a moment the vision tower sees, 40 ms apart, the moment's own in the
            middle; where a file begins or ends its first or last frame is repeated.
        flow: whether it sees the moment's own frame and the optical flow between each two, not the frames.
    """

    image_side: int
    short_side: int
    window: int
    hop: int
    n_fft: int
    num_bands: int
    log_floor: float = 1e-3
    log_mean: float = 0.0
    log_std: float = 1.0
    pixel_mean: float | tuple[float, float, float] = 0.45
    pixel_std: float | tuple[float, float, float] = 0.25
    num_frames: int = 1
    flow: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.window <= self.n_fft or MOMENT_SAMPLES % self.hop:
            raise ValueError("the hop must divide a second, and 0 < hop <= window <= n_fft")
        if (self.n_fft - self.hop) % 2:
            raise ValueError("n_fft - hop must be even: a second is extended by half of it at both ends")
        if not 0 < self.image_side <= self.short_side or self.num_bands < 0:
            raise ValueError("sides must be positive, and the square must fit into the frame")
        if min(self.log_std, self.log_floor, *np.atleast_1d(self.pixel_std)) <= 0:
            raise ValueError("standard deviations and the floor of the logarithm must be positive")
        if self.num_frames < 1 or self.num_frames % 2 == 0:
            raise ValueError("the number of frames must be odd: the moment's own is in the middle")
        if self.flow and self.num_frames == 1:
            raise ValueError("flow must have more than one frame to go between")

    @property
    def num_bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def num_rows(self) -> int:
        return self.num_bands or self.num_bins

    @property
    def num_columns(self) -> int:
        return MOMENT_SAMPLES // self.hop

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of the tensor of one moment: (3, s, s), (3, frames, s, s), or with flow (3 + 2 (frames - 1), s, s)."""
        square = (self.image_side, self.image_side)
        if self.flow:
            return (3 + 2 * (self.num_frames - 1), *square)
        return (3, *square) if self.num_frames == 1 else (3, self.num_frames, *square)

    @property
    def audio_shape(self) -> tuple[int, int, int]:
        return (1, self.num_rows, self.num_columns)

    def offsets_us(self) -> tuple[int, ...]:
        """When the frames around a moment are shown, in microseconds from it."""
        middle = self.num_frames // 2
        return tuple(FRAMES_APART_US * (index - middle) for index in range(self.num_frames))

    def identity(self) -> dict[str, Any]:
        """What a fingerprint covers; what came later is left out at its default, so that old ones hold."""
        later = {"num_frames": 1, "flow": False}
        return {name: value for name, value in asdict(self).items() if name not in later or value != later[name]}


def parse_front_end(fields: Mapping[str, Any]) -> FrontEnd:
    """A front end from the fields that a header holds as JSON, where triples are lists.

    Raises:
        TypeError, ValueError: they make no front end.
    """
    parsed: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in fields.items()}
    return FrontEnd(**parsed)


PAPER_FRONT_END = FrontEnd(image_side=224, short_side=256, window=480, hop=240, n_fft=512, num_bands=0)
"""224 x 224 x 3 and 257 x 200 x 1 ("Objects that Sound", section 3 and its data section)."""

SMALL_FRONT_END = FrontEnd(image_side=112, short_side=128, window=960, hop=480, n_fft=1024, num_bands=128)
"""112 x 112 x 3 and 128 x 100 x 1: a quarter of the arithmetic, for a CPU."""

MULTI_FRAMES = 25
"""Of AVE+MF: one second ("Objects that Sound", section 3.4)."""

FLOW_FRAMES = 11
"""Of AVE+OF: ten flows lie between them."""


def num_samples(time_us: int) -> int:
    """Microseconds -> samples at 48 kHz, rounded."""
    return (time_us * SAMPLE_RATE_HZ + SECOND_US // 2) // SECOND_US


def centre_square(frame: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """(H, W, 3) uint8 with both sides at least `image_side` -> the (side, side, 3) square in its middle."""
    height, width, _ = frame.shape
    side = front_end.image_side
    if min(height, width) < side:
        raise ValueError(f"a frame of {width} x {height} holds no square of {side}")
    top, left = (height - side) // 2, (width - side) // 2
    return frame[top : top + side, left : left + side]


def padded_second(waveform: np.ndarray) -> np.ndarray:
    """(N <= 48000,) float32 -> (48000,) float32: what is missing of the second is silence."""
    if waveform.size > MOMENT_SAMPLES:
        raise ValueError(f"a moment of sound has at most {MOMENT_SAMPLES} samples, got {waveform.size}")
    return np.pad(waveform, (0, MOMENT_SAMPLES - waveform.size)).astype(np.float32, copy=False)
