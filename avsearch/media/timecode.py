"""Pure: the timecode at which a file begins, as its maker wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from avsearch.moments import SECOND_US

_DAY_S = 24 * 60 * 60
_FRAMES = re.compile(r"\d{2}:[0-5]\d:[0-5]\d[:;.]\d{2,3}")


def start_timecode(report: Mapping[str, Any], video_index: int | None) -> str:
    """The timecode of the first frame in ffprobe's report, exactly as the file has it; "" where it has none.

    `HH:MM:SS:FF` counts frames, `HH:MM:SS;FF` or `HH:MM:SS.FF` leaves out frame numbers (drop frame). MXF
    has it in its material package, QuickTime and MP4 in a timecode track, AVI, DV, Matroska and others in a
    tag. Broadcast WAV has no frames: it says at which sample after midnight it begins, and that stays a
    time of day, `HH:MM:SS.ffffff` with six digits of microseconds. There 0 means that no clock was set.

    Args:
        report: what ffprobe says of the file, tags of the format and of the streams included.
        video_index: the stream of pictures that is read, whose own timecode comes first.
    """
    told = next((tag for tag in _told(report, video_index) if _FRAMES.fullmatch(tag)), "")
    return told or _time_of_day(report)


def _told(report: Mapping[str, Any], video_index: int | None) -> Iterator[str]:
    """All timecode tags, the most trustworthy first."""
    container = report.get("format", {})
    streams = sorted(report.get("streams", []), key=lambda it: (it["index"] != video_index, it["index"]))
    parts = [container, *streams] if container.get("format_name") == "mxf" else [*streams, container]
    for part in parts:
        yield _tags(part).get("timecode", "")


def _time_of_day(report: Mapping[str, Any]) -> str:
    """What `time_reference` of a broadcast WAV comes to at the file's own rate."""
    reference = _tags(report.get("format", {})).get("time_reference", "")
    rates = [int(stream["sample_rate"]) for stream in report.get("streams", []) if "sample_rate" in stream]
    if not re.fullmatch(r"\d{1,18}", reference) or not rates or rates[0] <= 0:
        return ""
    seconds, rest = divmod(int(reference), rates[0])
    if int(reference) == 0 or seconds >= _DAY_S:
        return ""
    minutes, second = divmod(seconds, 60)
    microsecond = rest * SECOND_US // rates[0]
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{microsecond:06d}"


def _tags(part: Mapping[str, Any]) -> dict[str, str]:
    """Tags by lower-case names: Matroska writes them in capitals."""
    return {name.lower(): str(value).strip() for name, value in part.get("tags", {}).items()}
