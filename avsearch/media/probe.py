"""What the demuxer says about a file: its streams, its length, its shape."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from avsearch.errors import MediaError
from avsearch.media import pictures, safety
from avsearch.media.reasons import why_not_opened, why_nothing_follows
from avsearch.media.runner import OUTPUT_LIMIT_BYTES, Running, running
from avsearch.media.streams import choose_streams, mentions_encryption
from avsearch.media.timecode import start_timecode
from avsearch.moments import SECOND_US, MediaInfo, MediaKind

PROBE_TIMEOUT_S = 60.0
_FIELDS = (
    "format=format_name,start_time,duration:format_tags=timecode,time_reference"
    ":stream=index,codec_type,codec_name,codec_tag_string,width,height,sample_aspect_ratio,avg_frame_rate,"
    "r_frame_rate,sample_rate,channels,duration"
    ":stream_disposition=default,attached_pic:stream_tags=rotate,timecode:stream_side_data=rotation,side_data_type"
    ":packet=stream_index:packet_side_data=side_data_type"
)
_FIRST_PACKETS = 4  # encrypted packets say so; these few were read already to know the streams
_MORE_PACKETS = 400  # where one stream is encrypted, the others are looked at too


@dataclass(frozen=True)
class Examined:
    """What a file says about itself; `left_out` names in sentences what it has that cannot be read here."""

    info: MediaInfo
    left_out: tuple[str, ...] = ()


def probe(path: Path, *, audio_stream: int | None = None) -> MediaInfo:
    """Read what a file says about itself, without decoding it.

    Args:
        path: a video, a sound file or a still picture.
        audio_stream: which of several sound streams to use, counted from 0; None takes the default one.

    Raises:
        MediaError: the file is missing, is not media, or has no such sound stream.
    """
    return examine(path, audio_stream=audio_stream).info


def examine(path: Path, *, audio_stream: int | None = None) -> Examined:
    """`probe`, with what is left out: pictures or sound that are encrypted or that no decoder is there for.

    Args:
        path: as for `probe`.
        audio_stream: as for `probe`.

    Raises:
        MediaError: as `probe`.
    """
    require_file(path)
    if pictures.is_picture(path):
        return Examined(pictures.probe_picture(path))
    report, log = _report(path, _FIRST_PACKETS)
    if mentions_encryption(report):
        report, log = _report(path, _MORE_PACKETS)
    if not report.get("packets"):
        raise why_nothing_follows(path, log)
    streams = choose_streams(path, report, log=log, wanted=audio_stream)
    container = report["format"]
    lengths = [container.get("duration"), *(stream.get("duration") for stream in report["streams"])]
    info = MediaInfo(
        kind=MediaKind.VIDEO if streams.has_pictures else MediaKind.SOUND,
        duration_us=next(filter(_is_plausible, map(_microseconds, filter(None, lengths))), 0),
        start_time_us=_microseconds(container.get("start_time", "0")),
        container=container["format_name"].split(",")[0],
        video=streams.video,
        audio=streams.audio,
        timecode=start_timecode(report, streams.video.index if streams.video else None),
    )
    return Examined(info, streams.left_out)


def require_file(path: Path) -> None:
    """Refuse what is no file with something in it, before anything opens it: a FIFO would wait for ever.

    Raises:
        MediaError: it is missing, empty, or a folder, FIFO, socket or device.
    """
    if not path.exists():
        raise MediaError(f"{path}: there is no such file.", hint="Check the path.")
    if not path.is_file():
        raise MediaError(f"{path}: is not a regular file.", hint="Give a video, a sound file or a picture.")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty.", hint="Copy it again from its source.")


def _report(path: Path, num_packets: int) -> tuple[dict[str, Any], str]:
    """What ffprobe reports, with the first packets, and its log: its warnings tell people why it fails."""
    options = ("-v", "level+warning", "-of", "json", "-show_entries", _FIELDS)
    command = safety.ffprobe_command(path, *options, "-read_intervals", f"%+#{num_packets}")
    process: Running | None = None
    try:
        with running(command, path=path, timeout_s=PROBE_TIMEOUT_S) as process:
            output = process.read(OUTPUT_LIMIT_BYTES)
    except MediaError as error:
        reason = why_not_opened(path, process.stderr) if process is not None and _gave_up(process) else None
        raise reason or error from error
    return json.loads(output), process.stderr


def _gave_up(process: Running) -> bool:
    """Whether ffprobe itself ended it; limits on time, memory and streams have reasons of their own."""
    return process.process.returncode == 1 and not any(re.search(it, process.stderr) for it in safety.BROKEN_OFF)


def _is_plausible(duration_us: int) -> bool:
    return 0 <= duration_us <= safety.LONGEST_US


def _microseconds(seconds: str) -> int:
    return round(Fraction(seconds) * SECOND_US)
