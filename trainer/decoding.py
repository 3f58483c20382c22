"""One file -> the clips that are kept of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import Enum
from pathlib import Path

import numpy as np

from avsearch import media, pairs
from avsearch.errors import MediaError
from avsearch.front_end import FRAMES_APART_US, MOMENT_SAMPLES, SAMPLE_RATE_HZ, FrontEnd, num_samples
from avsearch.moments import SECOND_US, MediaInfo, Span
from trainer.moments import ClipArrays

FRAMES_PER_SECOND = 6
WHOLE_CLIP_US = 12 * SECOND_US
WINDOW_US = 4 * SECOND_US
MAX_WINDOWS = 30
_INT16 = 32767


class _Nothing(Enum):
    """Why a window has no clip."""

    SHORT = "no frame has a whole second around it"
    SILENT = "those that have one have digital silence"


def windows(info: MediaInfo) -> list[Span]:
    """Which stretches of a file to keep: all of a short one, up to thirty of 4 s spread over a long one."""
    if info.duration_us <= WHOLE_CLIP_US:
        return [Span(0, info.duration_us)] if info.duration_us > 0 else []
    count = min(MAX_WINDOWS, info.duration_us // WINDOW_US)
    starts = np.linspace(0, info.duration_us - WINDOW_US, count).astype(np.int64)
    return [Span(int(start), int(start) + WINDOW_US) for start in starts]


def decode(path: Path, front_end: FrontEnd, *, done: Collection[int] = ()) -> Iterator[tuple[int, ClipArrays]]:
    """The number and the arrays of each window that has a clip; windows that are `done` are left out.

    Raises:
        MediaError: the file has no pictures or no sound, or cannot be decoded.
    """
    info = examined(path)
    times_us = media.frame_times(path, info).times_us
    found = set[_Nothing | None]()
    for number, window in enumerate(windows(info)):
        if number not in done:
            clip = _decode_window(path, info, window, times_us, front_end)
            if isinstance(clip, _Nothing):
                found.add(clip)
            else:
                found.add(None)
                yield number, clip
    if _Nothing.SILENT in found and None not in found and not done:
        raise MediaError(f"{path}: its sound is silence.")


def examined(path: Path) -> MediaInfo:
    """What the demuxer says of a file.

    Raises:
        MediaError: it cannot be read, or training cannot use it.
    """
    info = media.probe(path)
    if info.video is None or info.audio is None:
        missing = "pictures" if info.video is None else "sound"
        raise MediaError(f"{path}: has no {missing}, and training needs both.")
    return info


def _decode_window(
    path: Path, info: MediaInfo, window: Span, times_us: np.ndarray, front_end: FrontEnd
) -> ClipArrays | _Nothing:
    """The sound of a window, and its frames as the front end needs them; or why there is no moment in it."""
    sound = media.read_sound(path, info, window)
    end_us = window.start_us + sound.size * SECOND_US // SAMPLE_RATE_HZ
    kept = np.rint(sound * _INT16).astype(np.int16)
    whole = pairs.has_whole_second(times_us, start_us=window.start_us, end_us=end_us)
    if not whole.any():
        return _Nothing.SHORT
    whole[whole] = _are_heard(kept, times_us[whole] - window.start_us)
    if not whole.any():
        return _Nothing.SILENT
    if front_end.num_frames == 1:
        wanted = pairs.thinned(times_us[whole], apart_us=SECOND_US // FRAMES_PER_SECOND)
    else:
        inside = times_us[(times_us >= window.start_us) & (times_us < window.end_us)]
        wanted = np.unique(pairs.nearest(inside, _grid(inside)))
    frames = list(media.read_frames(path, info, wanted.tolist(), short_side=front_end.short_side))
    shown_us = np.array([frame.time_us for frame in frames], np.int64)
    is_moment = pairs.has_whole_second(shown_us, start_us=window.start_us, end_us=end_us)
    is_moment[is_moment] = _are_heard(kept, shown_us[is_moment] - window.start_us)
    if not is_moment.any():
        return _Nothing.SHORT
    chosen = np.flatnonzero(is_moment)
    if front_end.num_frames > 1:
        chosen = np.searchsorted(shown_us, pairs.nearest(shown_us, _grid(shown_us)))
    rgb = np.stack([frames[index].rgb for index in chosen])
    return ClipArrays(
        frames=rgb,
        frame_us=shown_us[chosen],
        times_us=np.union1d(times_us[whole], shown_us[is_moment]),
        sound=kept,
        start_us=window.start_us,
        flow=_flow(rgb) if front_end.flow else None,
    )


def _are_heard(sound: np.ndarray, middles_us: np.ndarray) -> np.ndarray:
    """(N,) int16, (M,) times from its start -> (M,) bool: whether the whole second around each is not silence.

    A second of digital silence goes with every picture: a network can learn nothing from it.
    """
    heard = np.concatenate([[0], np.cumsum(sound != 0)])
    first = np.array([num_samples(int(it)) for it in middles_us - pairs.HALF_SECOND_US], np.int64)
    last = np.minimum(first + MOMENT_SAMPLES, sound.size)
    return np.asarray(heard[last] > heard[first])


def _grid(times_us: np.ndarray) -> np.ndarray:
    """Times 40 ms apart from the first of (N,) ascending ones to the last."""
    return np.arange(times_us[0], times_us[-1] + FRAMES_APART_US // 2, FRAMES_APART_US)


def _flow(rgb: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) uint8 -> (T - 1, H, W, 2) uint8, quantised."""
    return _tvl1_flow(rgb) if len(rgb) > 1 else np.zeros((0, *rgb.shape[1:3], 2), np.uint8)


def _tvl1_flow(rgb: np.ndarray) -> np.ndarray:
    """As `avsearch.flow` computes it, which wants OpenCV, an extra."""
    from avsearch.flow import tvl1_flow  # noqa: PLC0415

    flow: np.ndarray = tvl1_flow(rgb)
    return flow
