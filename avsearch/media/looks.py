"""What an encoder sees at chosen moments: one square of a frame, or those of the frames around it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import MediaError
from avsearch.flow import flow_images
from avsearch.front_end import FLOW_ZERO, FrontEnd, centre_square
from avsearch.media.frames import FrameTimes, frame_times, read_frames
from avsearch.moments import MediaInfo, MediaKind

MOMENTS_AT_A_TIME = 256  # whose frames are asked for in one go


@dataclass(frozen=True)
class Look:
    """What is seen at a moment: (side, side, 3) uint8, or (T, side, side, 3) where the front end has T frames.

    With flow it is (side, side, 3 + 2 (T - 1)): the moment's own frame and the flow around it, computed on whole
    frames and then cut, as training does it.
    """

    time_us: int
    pixels: NDArray[np.uint8]


def read_looks(
    path: Path,
    info: MediaInfo,
    times_us: Sequence[int],
    *,
    front_end: FrontEnd,
    shown: FrameTimes | None = None,
    num_threads: int = 0,
) -> Iterator[Look]:
    """What an encoder sees at chosen moments; memory does not grow with their number.

    With one frame a moment this is `read_frames`, squares for frames. With several, each moment gives exactly one
    look, at the time that was asked for: for each of the times 40 ms apart around it the frame shown nearest to
    that time, which at the ends of the file is the first or the last one; a still picture is seen again and
    again. Where damage leaves no frame, the nearest that does decode stands in for it.

    Args:
        path: the file.
        info: what `probe` said of it.
        times_us: ascending times of frames.
        front_end: of the encoder.
        shown: what `frame_times` says of the file, if that is known.
        num_threads: of the decoder; 0 lets it choose.

    Raises:
        MediaError: the decoder fails, or with several frames a moment, nothing at all can be decoded.
    """
    if not times_us:
        return
    if front_end.num_frames == 1 or info.kind is MediaKind.PICTURE:
        frames = read_frames(path, info, times_us, short_side=front_end.short_side, num_threads=num_threads)
        for frame in frames:
            yield Look(frame.time_us, _still(centre_square(frame.rgb, front_end), front_end))
        return
    all_us = (shown or frame_times(path, info)).times_us
    for first in range(0, len(times_us), MOMENTS_AT_A_TIME):
        some = times_us[first : first + MOMENTS_AT_A_TIME]
        yield from _bursts(path, info, some, all_us, front_end=front_end, num_threads=num_threads)


def nearest_times(shown_us: NDArray[np.int64], wanted_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the times (N,), ascending, N >= 1, lies nearest to each other one; of two as near, the earlier."""
    after = np.clip(np.searchsorted(shown_us, wanted_us), 0, len(shown_us) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(wanted_us - shown_us[before] <= shown_us[after] - wanted_us, before, after)


def _still(square: NDArray[np.uint8], front_end: FrontEnd) -> NDArray[np.uint8]:
    """What is seen where nothing else is shown: the same frame, unmoved."""
    if front_end.num_frames == 1:
        return square
    if front_end.flow:
        flow = ((0, 0), (0, 0), (0, 2 * (front_end.num_frames - 1)))
        return np.pad(square, flow, constant_values=FLOW_ZERO)
    return np.broadcast_to(square, (front_end.num_frames, *square.shape))


def _seen(frames: Sequence[NDArray[np.uint8]], front_end: FrontEnd) -> NDArray[np.uint8]:
    """The frames around a moment, whole with flow, else their squares -> what is seen at it."""
    stacked = np.stack(frames)
    return centre_square(flow_images(stacked[None])[0], front_end) if front_end.flow else stacked


def _bursts(
    path: Path,
    info: MediaInfo,
    times_us: Sequence[int],
    all_us: NDArray[np.int64],
    *,
    front_end: FrontEnd,
    num_threads: int,
) -> Iterator[Look]:
    """Looks of several frames; only the frames around one moment are held."""
    wanted_us = np.array(times_us, np.int64)[:, None] + front_end.offsets_us()
    needed_us = np.unique(all_us[nearest_times(all_us, wanted_us)])
    frames = read_frames(path, info, needed_us.tolist(), short_side=front_end.short_side, num_threads=num_threads)
    squares = (
        (frame.time_us, frame.rgb if front_end.flow else centre_square(frame.rgb, front_end)) for frame in frames
    )
    held: deque[tuple[int, NDArray[np.uint8]]] = deque()
    for time_us, of_moment_us in zip(times_us, wanted_us, strict=True):
        while not held or held[-1][0] < of_moment_us[-1]:
            following = next(squares, None)
            if following is None:
                break
            held.append(following)
        if not held:
            raise MediaError(f"{path}: none of its pictures can be decoded.", hint="Check it with `ffmpeg -i`.")
        while len(held) > 1 and held[1][0] <= of_moment_us[0]:
            held.popleft()
        held_us = np.array([held_time_us for held_time_us, _ in held], np.int64)
        around = [held[place][1] for place in nearest_times(held_us, of_moment_us)]
        yield Look(time_us, _seen(around, front_end))
