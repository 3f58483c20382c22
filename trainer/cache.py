"""Clips decoded once: a folder of safetensors files by content hash, so that a run can go on where one stopped."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from avsearch import media, pairs
from avsearch.errors import MediaError, TrainingError
from avsearch.front_end import SAMPLE_RATE_HZ, FrontEnd
from avsearch.moments import SECOND_US, Failed, MediaInfo, Progress, Span

VERSION = 1  # counts up whenever the same file gives other clips
FRAMES_PER_SECOND = 6
WHOLE_CLIP_US = 12 * SECOND_US
WINDOW_US = 4 * SECOND_US
MAX_WINDOWS = 30
_INT16 = 32767


@dataclass(frozen=True)
class CachedClip:
    """A stretch of one media in the cache.

    The file holds `frames` (T, H, W, 3) uint8, `frame_us` (T,) int64 and `sound` (N,) int16 at 48 kHz, whose
    first sample lies at `sound_start_us` (1,) int64. Every frame has its whole second of sound around it.
    """

    path: Path
    source: Path
    content_hash: str


def fill_cache(
    files: Sequence[Path], directory: Path, front_end: FrontEnd, progress: Progress
) -> tuple[list[CachedClip], list[Failed]]:
    """Decode each file that is not in the cache yet; returns clips and failures in the order of `files`.

    Copies of one content give its clips once.

    Raises:
        TrainingError: the cache cannot be written.
    """
    directory = directory / f"{front_end.short_side}px-{VERSION}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error.strerror) from error
    progress.stage("decode", len(files), "file")
    clips: dict[Path, CachedClip] = {}
    failures: list[Failed] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for result in pool.map(lambda path: _cached(path, directory, front_end), files):
            if isinstance(result, Failed):
                failures.append(result)
            else:
                clips.update({clip.path: clip for clip in result})
            progress.advance()
    return list(clips.values()), failures


def windows(info: MediaInfo) -> list[Span]:
    """Which stretches of a file to keep: all of a short one, up to thirty of 4 s spread over a long one."""
    if info.duration_us <= WHOLE_CLIP_US:
        return [Span(0, info.duration_us)] if info.duration_us > 0 else []
    count = min(MAX_WINDOWS, info.duration_us // WINDOW_US)
    starts = np.linspace(0, info.duration_us - WINDOW_US, count).astype(np.int64)
    return [Span(int(start), int(start) + WINDOW_US) for start in starts]


def _cached(path: Path, directory: Path, front_end: FrontEnd) -> list[CachedClip] | Failed:
    """The clips of one file: from the cache where its listing is complete, else decoded now."""
    if path.exists() and not path.is_file():
        return Failed(path, "is not a regular file.")
    try:
        content = media.content_hash(path)
    except OSError as error:
        return Failed(path, f"cannot be read ({error.strerror}).")
    try:
        listing = directory / f"{content}.json"
        names = _listed(listing)
        if names is None:
            names = [clip.name for clip in _decode(path, content, directory, front_end)]
            _publish(listing, json.dumps(names).encode())
    except MediaError as error:
        return Failed(path, str(error).removeprefix(f"{path}: "))
    except OSError as error:
        raise _unwritable(directory, error.strerror) from error
    except SafetensorError as error:  # what safetensors makes of a full disk
        raise _unwritable(directory, str(error)) from error
    if not names:
        return Failed(path, "has no second with both picture and sound.")
    return [CachedClip(directory / name, path, content) for name in names]


def _listed(listing: Path) -> list[str] | None:
    """The clips of a content, where all of them are there."""
    try:
        names: list[str] = json.loads(listing.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return names if all((listing.parent / name).exists() for name in names) else None


def _decode(path: Path, content: str, directory: Path, front_end: FrontEnd) -> Iterator[Path]:
    info = media.probe(path)
    if info.video is None or info.audio is None:
        missing = "pictures" if info.video is None else "sound"
        raise MediaError(f"{path}: has no {missing}, and training needs both.")
    times_us = media.frame_times(path, info).times_us
    for number, window in enumerate(windows(info)):
        clip = _decode_window(path, info, window, times_us, front_end.short_side)
        if clip is not None:
            target = directory / f"{content}-{number:02d}.safetensors"
            aside = _aside(target)
            save_file(clip, aside)
            aside.replace(target)
            yield target


def _decode_window(
    path: Path, info: MediaInfo, window: Span, times_us: np.ndarray, short_side: int
) -> dict[str, np.ndarray] | None:
    """Frames about six a second, each with a whole second of sound around it; None where there is none."""
    sound = media.read_sound(path, info, window)
    sound_end_us = window.start_us + sound.size * SECOND_US // SAMPLE_RATE_HZ
    whole = pairs.has_whole_second(times_us, start_us=window.start_us, end_us=sound_end_us)
    chosen = pairs.thinned(times_us[whole], apart_us=SECOND_US // FRAMES_PER_SECOND)
    frames = [
        frame
        for frame in media.read_frames(path, info, chosen.tolist(), short_side=short_side)
        if pairs.has_whole_second(np.array([frame.time_us]), start_us=window.start_us, end_us=sound_end_us).all()
    ]
    if not frames:
        return None
    return {
        "frames": np.stack([frame.rgb for frame in frames]),
        "frame_us": np.array([frame.time_us for frame in frames], np.int64),
        "sound": (sound * _INT16).astype(np.int16),
        "sound_start_us": np.array([window.start_us], np.int64),
    }


def _publish(path: Path, content: bytes) -> None:
    aside = _aside(path)
    aside.write_bytes(content)
    aside.replace(path)


def _aside(path: Path) -> Path:
    """A name of this thread's own: copies of one content may be decoded side by side."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")


def _unwritable(directory: Path, reason: str | None) -> TrainingError:
    return TrainingError(
        f"{directory}: the cache of decoded clips cannot be written ({reason}).",
        hint="Free some space or name another folder with --cache, and run the same command again.",
    )
