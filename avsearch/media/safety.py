"""What ffmpeg may touch: local files only, real containers only, and bounded sizes.

A playlist named .mp4 would make ffmpeg open other files and addresses; the whitelists refuse it. FFmpeg's
own documentation of `protocol_whitelist` and `format_whitelist` (ffmpeg-formats) is the source. Each attack
with its protection and its test is in docs/security.md.
"""

from __future__ import annotations

import errno
import math
import os
import resource
import stat
from pathlib import Path
from typing import BinaryIO

import ffmpeg

from avsearch.errors import MediaError

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

WITHOUT_PTS = UNTIMED_CONTAINERS | {"avi"}
"""Decoders count the frames of these to know the time, so none may be left out and no seek is exact."""

GUESSED_PTS = frozenset({"asf", "gxf", "mpeg"})
"""Not every packet of these has its time: a decoder that leaves frames out guesses wrongly when a keyframe is."""

MAX_PIXELS = 1 << 26  # 67 million: 8192 x 8192
MAX_ALLOCATION_BYTES = 1 << 30
MAX_STREAMS = 64
MEMORY_LIMIT_BYTES = 2 << 30  # of one process; 8192 x 8192 pictures in H.264 take half of it
MAX_PACKETS = 1 << 24  # of pictures; a day at 150 frames a second has 13 million
LONGEST_US = 7 * 24 * 3600 * 1_000_000  # times beyond a week are damage, in headers and in packets
SAMPLE_RATES_HZ = range(1_000, 4_000_001)  # bats are recorded at 0.5 MHz; at 1 Hz a packet is an hour
MAX_HOLE_BYTES = 16 << 30  # of a file that was written in parts
_CPU_SLACK_S = 60
_GRAPH_FILE = "avsearch-file:"

INPUT_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(CONTAINERS),
    "max_streams": str(MAX_STREAMS),
    "max_pixels": str(MAX_PIXELS),
}
GLOBAL_OPTIONS = ("-nostdin", "-hide_banner", "-max_alloc", str(MAX_ALLOCATION_BYTES))
KEPT_ENVIRONMENT = ("PATH", "HOME", "LD_LIBRARY_PATH")
"""Where programs and their libraries are. Not kept: proxies, FFREPORT (which writes files), AV_LOG_FORCE_COLOR
(which would garble what is read from stderr), LD_PRELOAD, and whatever else."""

BROKEN_OFF = {
    r"exceeds max_streams parameter": f"it has more than {MAX_STREAMS} streams",
    r"Failed to compensate for timestamp delta": "its sound has a pause that is too long to be filled with silence",
    r"Cannot allocate memory": f"decoding it takes more than {MEMORY_LIMIT_BYTES >> 30} GiB of memory",
}
"""Errors after which ffmpeg leaves something out and may still end as if all were well, and what they mean."""


def ffprobe_command(path: Path, *arguments: str) -> list[str]:
    """The ffprobe command line that reads `path` under these limits."""
    options = [part for name, value in INPUT_OPTIONS.items() for part in (f"-{name}", value)]
    limits = GLOBAL_OPTIONS[1:]  # ffprobe reads no standard input and knows no -nostdin
    return ["ffprobe", *limits, "-v", "level+error", *options, *arguments, file_url(path)]


def file_url(path: Path) -> str:
    """The path as ffmpeg must be given it: no name is ever taken for an option or another protocol."""
    return f"file:{path}"


def printed_name(path: Path) -> bytes:
    """How ffmpeg begins what it says about a file: with question marks for most control characters."""
    name = bytes(ord("?") if byte < 8 or 13 < byte < 32 else byte for byte in os.fsencode(path))
    return b"file:" + name + b": "


def graph_file(path: Path) -> str:
    """What stands for a path in a graph of ffmpeg-python, which fails on names that are not UTF-8."""
    return _GRAPH_FILE + os.fsencode(path).hex()


def ffmpeg_command(graph: ffmpeg.nodes.OutputStream, *options: str) -> list[str]:
    """The ffmpeg command line of a graph whose files are named by `graph_file`, under these limits."""
    arguments = map(str, graph.global_args(*GLOBAL_OPTIONS, *options).compile())
    return [_with_file(argument) for argument in arguments]


def _with_file(argument: str) -> str:
    if not argument.startswith(_GRAPH_FILE):
        return argument
    return file_url(Path(os.fsdecode(bytes.fromhex(argument.removeprefix(_GRAPH_FILE)))))


def process_environment() -> dict[str, str]:
    """What a started process sees of our environment."""
    return {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}


def process_limits(timeout_s: float) -> dict[int, int]:
    """Resource (`resource.RLIMIT_...`) -> the most that a started process may take of it.

    Memory is what it can write to (`RLIMIT_DATA`): address space alone says little where there are threads.
    CPU time ends a process that puts out for ever, since `timeout_s` counts only the time spent waiting for it.
    """
    return {
        resource.RLIMIT_DATA: MEMORY_LIMIT_BYTES,
        resource.RLIMIT_CPU: math.ceil(timeout_s * (os.cpu_count() or 1)) + _CPU_SLACK_S,
        resource.RLIMIT_CORE: 0,
    }


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; never wait for a FIFO, nor touch a device, that has taken its place.

    Raises:
        MediaError: it is no regular file, or one whose bytes are for the most part not there.
        OSError: it cannot be opened.
    """
    no_file = MediaError(f"{path}: is not a regular file.", hint="Give a video, a sound file or a picture.")
    if not stat.S_ISREG(path.stat().st_mode):
        raise no_file
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb")
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise no_file
        _refuse_holes(path, file.fileno())
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _refuse_holes(path: Path, descriptor: int) -> None:
    """Refuse a file that claims terabytes and has none of them: reading its zeros would take hours."""
    end, at, hole_bytes = os.fstat(descriptor).st_size, 0, 0
    try:
        while hole_bytes <= MAX_HOLE_BYTES and (hole := os.lseek(descriptor, at, os.SEEK_HOLE)) < end:
            at = _next_data(descriptor, hole, end)
            hole_bytes += at - hole
    except OSError:
        return  # the file system knows of no holes
    if hole_bytes > MAX_HOLE_BYTES:
        told = f"most of its {end >> 30} GiB were never written"
        raise MediaError(f"{path}: is not complete: {told}.", hint="Copy it again from its source.")


def _next_data(descriptor: int, hole: int, end: int) -> int:
    try:
        return os.lseek(descriptor, hole, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # the hole reaches to the end
            return end
        raise
