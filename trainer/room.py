"""How much disk the decoded clips will take, told and checked before any is decoded."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from avsearch import media
from avsearch.errors import TrainingError
from avsearch.front_end import FRAMES_APART_US, SAMPLE_RATE_HZ, FrontEnd
from avsearch.moments import SECOND_US, MediaInfo, Progress, Span
from trainer.decoding import FRAMES_PER_SECOND, windows

SAMPLED_FILES = 64  # more are estimated from so many, evenly chosen: probing costs a tenth of decoding
_USUAL_RATE = 25.0
_HIGHEST_RATE = 300.0
T = TypeVar("T")


def sample(sources: Sequence[T]) -> list[T]:
    """All of a few, else evenly chosen ones."""
    if len(sources) <= SAMPLED_FILES:
        return list(sources)
    return [sources[int(index)] for index in np.linspace(0, len(sources) - 1, SAMPLED_FILES)]


def require_room(
    directory: Path, sizes: Sequence[int], num_files: int, progress: Progress, *, free: Callable[[Path], int]
) -> None:
    """Tell how many bytes `num_files` will take, of which some have these sizes, and whether there are so many.

    Raises:
        TrainingError: there are not.
    """
    needed = round(sum(sizes) / max(len(sizes), 1) * num_files)
    left = free(directory)
    about = "" if len(sizes) == num_files else "about "
    if needed > left:
        raise TrainingError(
            f"{directory}: the decoded clips of {num_files} files take {about}{_size(needed)}, and {_size(left)} "
            "are free.",
            hint="Free some space or name another folder with --cache, and run the same command again.",
        )
    progress.say(
        f"The decoded clips of {num_files} files will take {about}{_size(needed)} in {directory}; "
        f"{_size(left)} are free."
    )


def free_bytes(directory: Path) -> int:
    """What may still be written below a folder."""
    return shutil.disk_usage(directory).free


def clips_bytes(info: MediaInfo, front_end: FrontEnd) -> int:
    """How many bytes the clips of a file take, from what its header says; 0 where it lacks pictures or sound."""
    if info.video is None or info.audio is None:
        return 0
    return sum(_window_bytes(info, window, front_end) for window in windows(info))


def unwritable_cache(directory: Path, reason: str | None) -> TrainingError:
    """The error of a cache that takes nothing more."""
    return TrainingError(
        f"{directory}: the cache of decoded clips cannot be written ({reason}).",
        hint="Free some space or name another folder with --cache, and run the same command again.",
    )


def _window_bytes(info: MediaInfo, window: Span, front_end: FrontEnd) -> int:
    if info.video is None or window.duration_us < SECOND_US:
        return 0
    width, height = media.scaled_size(info.video, front_end.short_side)
    told = info.video.frames_per_second
    rate = told if 0 < told <= _HIGHEST_RATE else _USUAL_RATE
    moments_s = (window.duration_us - SECOND_US) / SECOND_US
    if front_end.num_frames > 1:
        num_frames = window.duration_us // FRAMES_APART_US + 1
    else:
        num_frames = int(moments_s * rate / max(math.ceil(rate / FRAMES_PER_SECOND), 1)) + 1
    num_flows = num_frames - 1 if front_end.flow else 0
    pixels = width * height * (3 * num_frames + 2 * num_flows)
    sound = 2 * window.duration_us * SAMPLE_RATE_HZ // SECOND_US
    return pixels + sound + 8 * (num_frames + int(moments_s * rate))


def _size(num_bytes: int) -> str:
    """`12 MB`, `3.4 GB`."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{math.ceil(num_bytes / 1e6)} MB"
