"""A light copy of a file that every browser plays; a time in it is the same time in the file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ffmpeg
from PIL import Image

from avsearch.errors import MediaError
from avsearch.media import safety
from avsearch.media.frames import video_of
from avsearch.media.pictures import read_picture
from avsearch.media.playable import MAX_CHANNELS, pixel_format
from avsearch.media.runner import run, running
from avsearch.media.sound import resampled
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind

VERSION = 1  # of what is made; counted up, so that what was kept before is not taken for it
SHORT_SIDE = 480
LONGEST_PICTURE = 2048
FASTEST = 30.0  # frames a second
TIMEOUT_S = 60.0
LONGEST_S = 3600.0  # that making one may take
LARGEST_BYTES = 1 << 30  # what would be larger ends there
_REMUXED_BYTES = 1 << 30  # of a file whose pictures are taken as they are
_PATIENCE_PER_SECOND = 10.0
_REMUXED = frozenset({"mov", "matroska", "mpegts", "flv"})  # containers with true times for each packet
_APART = "isnan(prev_selected_t)+gte(t-prev_selected_t,{:.6f})"
_MADE_US = re.compile(rb"^out_time_us=(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Form:
    """What a preview is: the MIME type, the suffix of its name, and what ffmpeg calls the container."""

    content_type: str
    suffix: str
    container: str


MP4 = Form("video/mp4", ".mp4", "mp4")
WEBM = Form("video/webm", ".webm", "webm")
MP3 = Form("audio/mpeg", ".mp3", "mp3")
M4A = Form("audio/mp4", ".m4a", "mp4")
JPEG = Form("image/jpeg", ".jpg", "mjpeg")


def preview_form(info: MediaInfo) -> Form:
    """What the preview of a file will be, by its kind and the encoders that ffmpeg has.

    Raises:
        MediaError: ffmpeg is missing.
    """
    if info.kind is MediaKind.PICTURE:
        return JPEG
    if info.kind is MediaKind.SOUND:
        return MP3 if "libmp3lame" in encoders() else M4A
    return MP4 if "libx264" in encoders() else WEBM


def write_preview(path: Path, info: MediaInfo, target: Path, *, tell: Callable[[float], None]) -> None:
    """Make a preview in a bounded time.

    Args:
        path: the file.
        info: what `probe` said of it.
        target: where to write; nothing is there, and its folder exists.
        tell: told now and then how much is made, from 0 to 1, where the length is known.

    Raises:
        MediaError: the file cannot be decoded, it takes too long, or the disk refuses.
    """
    form = preview_form(info)
    if form is JPEG:
        _write_picture(path, info, target)
        return
    graph = _sound(path, info, target, form) if info.video is None else _video(path, info, target, form)
    _convert(safety.ffmpeg_command(graph, "-nostats", "-progress", "pipe:1"), path, info, tell)


@cache
def encoders() -> frozenset[str]:
    """The names of ffmpeg's encoders.

    Raises:
        MediaError: ffmpeg is missing.
    """
    output, _ = run(["ffmpeg", "-hide_banner", "-nostdin", "-encoders"], path=Path("ffmpeg"), timeout_s=TIMEOUT_S)
    lines = (line.split() for line in output.decode("utf-8", "replace").splitlines())
    return frozenset(words[1] for words in lines if len(words) > 1)


def _write_picture(path: Path, info: MediaInfo, target: Path) -> None:
    video = video_of(path, info)
    scale = min(1.0, LONGEST_PICTURE / max(video.width, video.height))
    size = (max(round(video.width * scale), 1), max(round(video.height * scale), 1))
    try:
        Image.fromarray(read_picture(path, size)).save(target, "JPEG", quality=85)
    except OSError as error:
        raise MediaError(f"{path}: its preview cannot be written ({error.strerror}).") from error


def _convert(argv: list[str], path: Path, info: MediaInfo, tell: Callable[[float], None]) -> None:
    """Run it; patience is earned by output, and ends after an hour."""
    end = time.monotonic() + LONGEST_S
    made_us = 0
    with running(argv, path=path, timeout_s=TIMEOUT_S) as process:
        for _, block in process.blocks():
            if time.monotonic() > end:
                raise MediaError(
                    f"{path}: making its preview takes too long.", hint="Play it with another program."
                )
            if found := _MADE_US.findall(block):
                process.grant(_PATIENCE_PER_SECOND * max(int(found[-1]) - made_us, 0) / SECOND_US)
                made_us = max(int(found[-1]), made_us)
                tell(min(made_us / info.duration_us, 1.0) if info.duration_us else 0.0)


def _sound(path: Path, info: MediaInfo, target: Path, form: Form) -> ffmpeg.nodes.OutputStream:
    source = ffmpeg.input(safety.graph_file(path), **safety.INPUT_OPTIONS)
    return _output([_heard(source, path, info)], target, form, {"acodec": _sound_encoder(form), "b:a": "128k"})


def _video(path: Path, info: MediaInfo, target: Path, form: Form) -> ffmpeg.nodes.OutputStream:
    source = ffmpeg.input(safety.graph_file(path), **safety.INPUT_OPTIONS)
    takes_pictures = form is MP4 and _is_taken(path, info)
    streams = [source[str(video_of(path, info).index)] if takes_pictures else _seen(source, path, info)]
    options: dict[str, Any] = {"vcodec": "copy"} if takes_pictures else _picture_encoder(form)
    if info.audio is not None:
        streams.append(_heard(source, path, info))
        options |= {"acodec": _sound_encoder(form), "b:a": "128k"}
    return _output(streams, target, form, options)


def _is_taken(path: Path, info: MediaInfo) -> bool:
    """Whether the pictures can be taken over as they are: then nothing is encoded but the sound."""
    video = video_of(path, info)
    is_right = video.codec == "h264" and info.container in _REMUXED and path.stat().st_size <= _REMUXED_BYTES
    return is_right and pixel_format(path, video.index) in {"yuv420p", "yuvj420p"}


def _seen(source: ffmpeg.nodes.FilterableStream, path: Path, info: MediaInfo) -> ffmpeg.nodes.FilterableStream:
    """The pictures, small, square-pixelled, and not more of them in a second than a screen shows."""
    video = video_of(path, info)
    scale = min(1.0, SHORT_SIDE / min(video.width, video.height), 4 * SHORT_SIDE / max(video.width, video.height))
    width, height = (max(round(side * scale / 2) * 2, 2) for side in (video.width, video.height))
    stream = source[str(video.index)]
    if not 0 < video.frames_per_second <= FASTEST + 0.5:
        stream = stream.filter("select", _APART.format(0.9 / FASTEST))
    return stream.filter("scale", width, height).filter("setsar", 1).filter("format", "yuv420p")


def _heard(source: ffmpeg.nodes.FilterableStream, path: Path, info: MediaInfo) -> ffmpeg.nodes.FilterableStream:
    """The sound at 48 kHz, silence where it leaves something out; with two channels where it has a few."""
    audio = info.audio
    if audio is None or _is_of_tracks(audio):
        return resampled(source, path, info).filter("aformat", channel_layouts="mono")
    stream = source[str(audio.index)].filter("aresample", 48_000, **{"async": 1, "first_pts": 0})
    return stream.filter("aformat", channel_layouts="mono" if audio.num_channels == 1 else "stereo")


def _is_of_tracks(audio: AudioStream) -> bool:
    """Whether channels are a recorder's tracks, or more than ffmpeg knows how to mix."""
    return audio.num_channels > MAX_CHANNELS or (audio.codec.startswith("pcm_") and audio.num_channels > 2)


def _picture_encoder(form: Form) -> dict[str, Any]:
    if form is WEBM:
        return {"vcodec": "libvpx", "b:v": "1M", "deadline": "realtime", "cpu-used": 8, "g": 60}
    light = {"vcodec": "libx264", "preset": "veryfast", "crf": 26, "maxrate": "1500k", "bufsize": "3M", "g": 60}
    return {**light, "profile:v": "main"}


def _sound_encoder(form: Form) -> str:
    return {MP3: "libmp3lame", WEBM: "libopus" if "libopus" in encoders() else "libvorbis"}.get(form, "aac")


def _output(
    streams: list[ffmpeg.nodes.FilterableStream], target: Path, form: Form, options: dict[str, Any]
) -> ffmpeg.nodes.OutputStream:
    """One file without the original's titles, chapters and other streams; times as they come."""
    if form.container == "mp4":
        options = options | {"movflags": "+faststart"}
    if streams and "vcodec" in options:
        options = options | {"fps_mode": "passthrough"}
    return ffmpeg.output(
        *streams,
        safety.graph_file(target),
        format=form.container,
        fs=LARGEST_BYTES,
        map_metadata=-1,
        map_chapters=-1,
        loglevel="level+error",
        **options,
    )
