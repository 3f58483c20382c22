"""Which files every browser plays as they are."""

from __future__ import annotations

import json
from pathlib import Path

from avsearch.media import safety
from avsearch.media.runner import run
from avsearch.moments import AudioStream, MediaInfo, MediaKind

PROBE_TIMEOUT_S = 30.0
LARGEST_PICTURE = 4096  # pixels of a side that a phone still shows
LARGEST_BYTES = 64 << 20  # of a picture that is sent as it is
MAX_CHANNELS = 8
MAX_RATE_HZ = 192_000
_PICTURES = frozenset({"jpeg", "png", "webp"})
_SOUNDS = frozenset(
    {("mp3", "mp3"), ("flac", "flac"), ("mov", "aac"), ("mov", "mp3"), ("ogg", "vorbis"), ("ogg", "opus"),
     ("wav", "pcm_u8"), ("wav", "pcm_s16le"), ("wav", "pcm_s24le"), ("wav", "pcm_f32le"),
     ("matroska", "opus"), ("matroska", "vorbis")}
)  # fmt: skip
_VIDEOS = {
    "mov": (frozenset({"h264"}), frozenset({"aac", "mp3"})),
    "matroska": (frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"})),
}
_PIXELS = frozenset({"yuv420p", "yuvj420p"})
_QUICKTIME = b"qt  "  # of the same container as MP4, but not every browser opens it
_CONTENT_TYPES = {
    "mov": "mp4", "matroska": "webm", "ogg": "ogg", "mp3": "mpeg", "wav": "wav", "flac": "flac",
    "avi": "x-msvideo", "mpegts": "mp2t", "mpeg": "mpeg", "aiff": "aiff", "aac": "aac",
}  # fmt: skip


def is_playable(path: Path, info: MediaInfo) -> bool:
    """Whether every browser shows or plays a file as it is: container, codecs, pixels and which sound is chosen.

    Args:
        path: the file.
        info: what `probe` said of it.

    Raises:
        MediaError: it cannot be read.
    """
    if info.kind is MediaKind.PICTURE:
        return _is_shown(path, info)
    if info.kind is MediaKind.SOUND:
        return info.audio is not None and (info.container, info.audio.codec) in _SOUNDS and _is_heard(info.audio)
    videos, sounds = _VIDEOS.get(info.container, (frozenset(), frozenset()))
    if info.video is None or info.video.codec not in videos:
        return False
    if info.audio is not None and not (info.audio.codec in sounds and _is_heard(info.audio)):
        return False
    return pixel_format(path, info.video.index) in _PIXELS and not _is_quicktime(path)


def pixel_format(path: Path, stream: int) -> str:
    """How a stream of pictures is stored, in ffmpeg's words, as `yuv420p`; empty where that is unknown.

    Raises:
        MediaError: the file cannot be read.
    """
    options = ("-of", "json", "-select_streams", str(stream), "-show_entries", "stream=pix_fmt")
    output, _ = run(safety.ffprobe_command(path, *options), path=path, timeout_s=PROBE_TIMEOUT_S)
    streams = json.loads(output).get("streams", [])
    return str(streams[0].get("pix_fmt", "")) if streams else ""


def content_type(info: MediaInfo) -> str:
    """The MIME type of a file as it is; never one that a browser would run."""
    if info.kind is MediaKind.PICTURE:
        return f"image/{info.container}" if info.container in _PICTURES else "application/octet-stream"
    kind = "video" if info.kind is MediaKind.VIDEO else "audio"
    subtype = _CONTENT_TYPES.get(info.container)
    return f"{kind}/{subtype}" if subtype else "application/octet-stream"


def _is_shown(path: Path, info: MediaInfo) -> bool:
    if info.video is None or info.container not in _PICTURES:
        return False
    is_light = path.stat().st_size <= LARGEST_BYTES
    return is_light and max(info.video.width, info.video.height) <= LARGEST_PICTURE


def _is_heard(audio: AudioStream) -> bool:
    """Whether it is the sound that a browser would choose, of channels and a rate that it takes."""
    is_chosen = audio.is_default or audio.ordinal == 0
    return is_chosen and audio.num_channels <= MAX_CHANNELS and audio.sample_rate_hz <= MAX_RATE_HZ


def _is_quicktime(path: Path) -> bool:
    with safety.open_file(path) as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] == _QUICKTIME
