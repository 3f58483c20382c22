"""What ffmpeg may touch: local files only, real containers only, and bounded sizes.

A playlist named .mp4 would make ffmpeg open other files and addresses; the whitelists refuse it. FFmpeg's
own documentation of `protocol_whitelist` and `format_whitelist` (ffmpeg-formats) is the source.
"""

from __future__ import annotations

from pathlib import Path

CONTAINERS = (
    "aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "ape", "asf", "au", "av1", "avi", "caf", "dts", "dtshd",
    "dv", "eac3", "flac", "flv", "gif", "gxf", "h261", "h263", "h264", "hevc", "ivf", "loas", "m4v",
    "matroska", "mjpeg", "mlp", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "mpegvideo", "mxf", "nut",
    "obu", "ogg", "rm", "tak", "truehd", "tta", "vc1", "voc", "w64", "wav", "webm", "wtv", "wv", "xwma",
)  # fmt: skip
"""Demuxers that hold the media themselves. No playlists, no concatenation, no image sequences, no scripts."""

UNTIMED_CONTAINERS = frozenset(
    {"aac", "ac3", "amr", "amrnb", "amrwb", "dts", "dtshd", "eac3", "h261", "h263", "h264", "hevc", "loas",
     "m4v", "mjpeg", "mlp", "mp3", "mpegvideo", "truehd", "vc1"}
)  # fmt: skip
"""Bare streams: a seek lands where the bit rate suggests, so exact times need decoding from the start."""

MAX_PIXELS = 1 << 26  # 67 million: 8192 x 8192
MAX_ALLOCATION_BYTES = 1 << 30
MAX_STREAMS = 64

INPUT_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(CONTAINERS),
    "max_streams": str(MAX_STREAMS),
    "max_pixels": str(MAX_PIXELS),
}
GLOBAL_OPTIONS = ("-nostdin", "-hide_banner", "-max_alloc", str(MAX_ALLOCATION_BYTES))


def ffprobe_command(path: Path, *arguments: str) -> list[str]:
    """The ffprobe command line that reads `path` under these limits."""
    options = [part for name, value in INPUT_OPTIONS.items() for part in (f"-{name}", value)]
    limits = GLOBAL_OPTIONS[1:]  # ffprobe reads no standard input and knows no -nostdin
    return ["ffprobe", *limits, "-v", "level+error", *options, *arguments, file_url(path)]


def file_url(path: Path) -> str:
    """The path as ffmpeg must be given it: no name is ever taken for an option or another protocol."""
    return f"file:{path}"
