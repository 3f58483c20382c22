"""Hits for other programs: a playlist for players, and a list of cuts for editors; pure, from hits to text.

Sources: M3U with VLC's options (https://wiki.videolan.org/M3U/); CMX 3600 as editing systems read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from avsearch.moments import SECOND_US, Hit, MediaInfo, MediaKind
from avsearch.query.timecode import DEFAULT_RATE, Clock, clock_of
from avsearch.remote import address, is_remote

LEAST_SHOWN_US = SECOND_US  # of a frame as well
STILL_SHOWN_US = 5 * SECOND_US
RECORD_START = "01:00:00:00"
_NOT_IN_REEL = re.compile(r"[^A-Z0-9_]+")
_REEL_LENGTH = 8


def m3u(hits: Iterable[Hit]) -> str:
    """An extended M3U playlist: each hit from its second on, to the end of its stretch."""
    lines = ["#EXTM3U"]
    for hit in hits:
        start_us, end_us = shown_span(hit)
        lines.append(f"#EXTINF:{(end_us - start_us) / SECOND_US:.3f},{one_line(hit.path.name)}")
        if hit.kind is not MediaKind.PICTURE:
            lines += [f"#EXTVLCOPT:start-time={_seconds(start_us)}", f"#EXTVLCOPT:stop-time={_seconds(end_us)}"]
        lines.append(address(hit.path) if is_remote(hit.path) else hit.path.as_uri())
    return "\n".join(lines) + "\n"


def edl(hits: Iterable[Hit], infos: Mapping[int, MediaInfo], *, title: str) -> str:
    """A CMX 3600 list: each hit is an event, with the timecode that its own media carries.

    The programme counts as the first hit that has pictures does, from 01:00:00:00 on.

    Args:
        hits: in the order of the events.
        infos: what the demuxer said of each media, by media id.
        title: of the list.
    """
    hits = list(hits)
    record = _record_clock(infos[hit.media_id] for hit in hits)
    mode = "DROP FRAME" if record.drops else "NON-DROP FRAME"
    lines = [f"TITLE: {one_line(title)[:70]}", f"FCM: {mode}"]
    at = record.frame(RECORD_START)
    for number, hit in enumerate(hits, start=1):
        event = _event(number, hit, infos[hit.media_id], record, at)
        lines += ["", *event.lines]
        at = event.next_frame
    return "\r\n".join(lines) + "\r\n"


def shown_span(hit: Hit) -> tuple[int, int]:
    """From where to where a hit is played, in microseconds: its stretch, at least a second where there is one."""
    if hit.kind is MediaKind.PICTURE:
        return 0, STILL_SHOWN_US
    start_us, end_us = round(hit.from_s * SECOND_US), round(hit.to_s * SECOND_US)
    duration_us = round(hit.duration_s * SECOND_US)
    end_us = max(end_us, min(start_us + LEAST_SHOWN_US, duration_us))
    return start_us, max(end_us, start_us + 1)


def one_line(text: str) -> str:
    """Text that no list takes for its own: nothing but what can be printed, on one line."""
    return "".join(it if it.isprintable() else "\N{REPLACEMENT CHARACTER}" for it in text)


class _Event:
    """One cut, as lines, and the frame of the programme that comes after it."""

    def __init__(self, lines: list[str], next_frame: int) -> None:
        self.lines = lines
        self.next_frame = next_frame


def _event(number: int, hit: Hit, info: MediaInfo, record: Clock, at: int) -> _Event:
    source, first = clock_of(info.timecode, info.video.frames_per_second if info.video else 0.0)
    start_us, end_us = shown_span(hit)
    begin = first + source.frame_at(start_us)
    length = max(source.frame_at(end_us) - source.frame_at(start_us), 1)
    length_on_record = max(record.frame_at(end_us - start_us), 1)
    ends = (source.text(begin), source.text(begin + length), record.text(at), record.text(at + length_on_record))
    channels = _channels(info)
    return _Event(
        [
            f"{number:03d}  {_reel(hit.path):<{_REEL_LENGTH}} {channels:<5} C        {' '.join(ends)}",
            f"* FROM CLIP NAME: {one_line(hit.path.name)}",
            f"* SOURCE FILE: {one_line(address(hit.path))}",
            f"* COMMENT: SCORE {hit.score:.3f}, {hit.moment_id}",
        ],
        at + length_on_record,
    )


def _channels(info: MediaInfo) -> str:
    """`B` is both pictures and sound, `V` pictures, `A` sound."""
    if info.video is not None and info.audio is not None:
        return "B"
    return "V" if info.video is not None else "A"


def _reel(path: Path) -> str:
    """A name of at most eight letters and digits, which is all that the format has."""
    return _NOT_IN_REEL.sub("_", path.stem.upper())[:_REEL_LENGTH] or "AX"


def _record_clock(infos: Iterable[MediaInfo]) -> Clock:
    for info in infos:
        if info.video is not None and info.video.frames_per_second > 0:
            return clock_of(info.timecode, info.video.frames_per_second)[0]
    return Clock(DEFAULT_RATE)


def _seconds(time_us: int) -> str:
    return f"{time_us / SECOND_US:.6f}".rstrip("0").rstrip(".")
