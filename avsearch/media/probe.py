"""What the demuxer says about a file: its streams, its length, its shape."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from avsearch.errors import MediaError
from avsearch.media import pictures, safety
from avsearch.media.runner import run
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind, VideoStream

PROBE_TIMEOUT_S = 60.0
_FIELDS = (
    "format=format_name,start_time,duration"
    ":stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,avg_frame_rate,r_frame_rate,"
    "sample_rate,channels,duration"
    ":stream_disposition=default,attached_pic:stream_tags=rotate:stream_side_data=rotation"
)


def probe(path: Path, *, audio_stream: int | None = None) -> MediaInfo:
    """Read what a file says about itself, without decoding it.

    Args:
        path: a video, a sound file or a still picture.
        audio_stream: which of several sound streams to use, counted from 0; None takes the default one.

    Raises:
        MediaError: the file is missing, is not media, or has no such sound stream.
    """
    _refuse_what_is_no_file(path)
    if pictures.is_picture(path):
        return pictures.probe_picture(path)
    command = safety.ffprobe_command(path, "-of", "json", "-show_entries", _FIELDS)
    output, _ = run(command, path=path, timeout_s=PROBE_TIMEOUT_S)
    return _media_info(path, json.loads(output), audio_stream)


def _refuse_what_is_no_file(path: Path) -> None:
    if not path.exists():
        raise MediaError(f"{path}: there is no such file.", hint="Check the path.")
    if not path.is_file():
        raise MediaError(f"{path}: is not a regular file.", hint="Give a video, a sound file or a picture.")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty.", hint="Copy it again from its source.")


def _media_info(path: Path, report: dict[str, Any], audio_stream: int | None) -> MediaInfo:
    streams = report.get("streams", [])
    video = _video_stream(streams)
    audio = _audio_stream(path, streams, audio_stream)
    if video is None and audio is None:
        raise MediaError(f"{path}: holds neither pictures nor sound.", hint="Check it with ffprobe.")
    container = report["format"]
    lengths = [container.get("duration"), *(stream.get("duration") for stream in streams)]
    return MediaInfo(
        kind=MediaKind.SOUND if video is None else MediaKind.VIDEO,
        duration_us=max(next((_microseconds(length) for length in lengths if length), 0), 0),
        start_time_us=_microseconds(container.get("start_time", "0")),
        container=container["format_name"].split(",")[0],
        video=video,
        audio=audio,
    )


def _video_stream(streams: list[dict[str, Any]]) -> VideoStream | None:
    """The default stream of moving pictures, else the first; cover art is none."""
    candidates = [
        stream
        for stream in streams
        if stream.get("codec_type") == "video"
        and not stream["disposition"]["attached_pic"]
        and stream.get("width", 0) > 0
        and stream.get("height", 0) > 0
    ]
    if not candidates:
        return None
    chosen = max(candidates, key=lambda stream: (stream["disposition"]["default"], -stream["index"]))
    rotation = _rotation(chosen)
    width, height = _displayed_size(chosen, rotation)
    return VideoStream(
        index=chosen["index"],
        codec=chosen.get("codec_name", "unknown"),
        width=width,
        height=height,
        rotation=rotation,
        frames_per_second=_frames_per_second(chosen),
    )


def _displayed_size(stream: dict[str, Any], rotation: int) -> tuple[int, int]:
    """Width and height after rotation, with the pixels made square."""
    aspect = _fraction(stream.get("sample_aspect_ratio", "1:1").replace(":", "/")) or Fraction(1)
    width, height = max(round(stream["width"] * aspect), 1), stream["height"]
    return (height, width) if rotation in {90, 270} else (width, height)


def _rotation(stream: dict[str, Any]) -> int:
    """Degrees clockwise by which a player turns the picture: 0, 90, 180 or 270.

    ffprobe reports the display matrix counter-clockwise, and an absurd number for one that is no rotation.
    """
    turns = [float(data["rotation"]) for data in stream.get("side_data_list", []) if "rotation" in data]
    counter_clockwise = turns[0] if turns else -float(stream.get("tags", {}).get("rotate", 0))
    if abs(counter_clockwise) > 360:
        return 0
    return round(-counter_clockwise / 90) * 90 % 360


def _frames_per_second(stream: dict[str, Any]) -> float:
    rate = _fraction(stream.get("avg_frame_rate", "0/0")) or _fraction(stream.get("r_frame_rate", "0/0"))
    return float(rate or 0)


def _audio_stream(path: Path, streams: list[dict[str, Any]], wanted: int | None) -> AudioStream | None:
    """The wanted stream of sound, else the default one, else the first."""
    found = [stream for stream in streams if stream.get("codec_type") == "audio"]
    audio = [_as_audio_stream(stream, ordinal) for ordinal, stream in enumerate(found)]
    if wanted is not None:
        if not 0 <= wanted < len(audio):
            raise MediaError(
                f"{path}: has {len(audio)} sound streams, none of them is number {wanted}.",
                hint="They are counted from 0.",
            )
        return audio[wanted]
    usable = [stream for stream in audio if stream.num_channels > 0]
    return max(usable, key=lambda stream: (stream.is_default, -stream.ordinal), default=None)


def _as_audio_stream(stream: dict[str, Any], ordinal: int) -> AudioStream:
    return AudioStream(
        index=stream["index"],
        ordinal=ordinal,
        codec=stream.get("codec_name", "unknown"),
        sample_rate_hz=int(stream.get("sample_rate", 0)),
        num_channels=int(stream.get("channels", 0)),
        is_default=bool(stream["disposition"]["default"]),
    )


def _fraction(text: str) -> Fraction | None:
    try:
        return Fraction(text) or None
    except (ValueError, ZeroDivisionError):
        return None


def _microseconds(seconds: str) -> int:
    return round(Fraction(seconds) * SECOND_US)
