"""Pure: which of a file's streams are read, and why others cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from avsearch.errors import MediaError
from avsearch.media.safety import SAMPLE_RATES_HZ
from avsearch.moments import AudioStream, VideoStream

Stream = Mapping[str, Any]
"""One stream as ffprobe's JSON has it."""

_MAX_PIXEL_ASPECT = 100  # a header that claims more is wrong
_ENCRYPTED_TAGS = frozenset({"drms", "drmi", "drmt", "enca", "encv"})
_PROTECTED = re.compile("DRM protected stream")  # Windows Media
_NO_DECODER = re.compile(r"Unsupported codec .*?for input stream (\d+)")
_ENCRYPTED = "are encrypted"
_COPY_HINT = "Get a copy without copy protection."
_DECODER_HINT = "Install a newer ffmpeg, or convert it on a machine that plays it."


@dataclass(frozen=True)
class Streams:
    """The streams that are read; `left_out` says in sentences what cannot be, though the file has it."""

    video: VideoStream | None
    audio: AudioStream | None
    has_pictures: bool
    left_out: tuple[str, ...] = ()


def choose_streams(path: Path, report: Mapping[str, Any], *, log: str, wanted: int | None) -> Streams:
    """The default stream of each kind that can be decoded, else the first such one.

    Args:
        path: the file, for messages.
        report: what ffprobe says.
        log: what it warned of meanwhile.
        wanted: which stream of sound, counted from 0; None leaves the choice to the file.

    Raises:
        MediaError: nothing can be decoded, or not the stream of sound that is wanted.
    """
    streams: Sequence[Stream] = report.get("streams", [])
    faults = _faults(report, streams, log)
    pictures = [it for it in streams if it.get("codec_type") == "video" and not it["disposition"]["attached_pic"]]
    sounds = [it for it in streams if it.get("codec_type") == "audio"]
    video = _first([it for it in pictures if it["index"] not in faults])
    audio = _first([it for it in sounds if it["index"] not in faults])
    if wanted is not None:
        audio = _wanted(path, sounds, faults, wanted)
    left_out = tuple(
        f"Its {name} {faults[found[0]['index']]}."
        for name, found, chosen in (("pictures", pictures, video), ("sounds", sounds, audio))
        if found and chosen is None
    )
    if video is None and audio is None:
        raise _nothing(path, streams, left_out)
    return Streams(
        video=None if video is None else _video_stream(video),
        audio=None if audio is None else _audio_stream(audio, sounds.index(audio)),
        has_pictures=bool(pictures),
        left_out=left_out,
    )


def mentions_encryption(report: Mapping[str, Any]) -> bool:
    """Whether a packet seen so far is encrypted, or a header has what decryption needs."""
    return any(map(_is_encrypted, (*report.get("packets", []), *report.get("streams", []))))


def _is_encrypted(part: Mapping[str, Any]) -> bool:
    return any("Encryption" in data.get("side_data_type", "") for data in part.get("side_data_list", []))


def _faults(report: Mapping[str, Any], streams: Sequence[Stream], log: str) -> dict[int, str]:
    """Why some streams cannot be decoded, by their indexes: the end of a sentence about what they hold."""
    encrypted = {packet["stream_index"] for packet in report.get("packets", []) if _is_encrypted(packet)}
    if _PROTECTED.search(log):
        encrypted |= {stream["index"] for stream in streams}
    without_decoder = {int(found[1]) for found in _NO_DECODER.finditer(log)}
    faults: dict[int, str] = {}
    for stream in streams:
        index, kind = stream["index"], stream.get("codec_type")
        if index in encrypted or stream.get("codec_tag_string") in _ENCRYPTED_TAGS:
            faults[index] = _ENCRYPTED
        elif index in without_decoder or stream.get("codec_name", "unknown") == "unknown":
            faults[index] = f"are coded {_coding(stream)}"
        elif kind == "video" and min(stream.get("width", 0), stream.get("height", 0)) <= 0:
            faults[index] = "have no size that could be found out"
        elif kind == "audio" and min(int(stream.get("channels", 0)), int(stream.get("sample_rate", 0))) <= 0:
            faults[index] = "have no channels or no rate that could be found out"
        elif kind == "audio" and int(stream["sample_rate"]) not in SAMPLE_RATES_HZ:
            faults[index] = f"have {stream['sample_rate']} samples a second, which cannot be"
    return faults


def _coding(stream: Stream) -> str:
    """How a stream without a decoder is coded; a tag is shown where it is printable."""
    tag = stream.get("codec_tag_string", "")
    names = (stream.get("codec_name", "unknown"), tag if re.fullmatch(r"[\w .-]+", tag) else "unknown")
    name = next((name.strip() for name in names if name != "unknown"), "")
    return f"as {name}, which this ffmpeg cannot decode" if name else "in a way that the header does not name"


def _first(usable: Sequence[Stream]) -> Stream | None:
    return max(usable, key=lambda stream: (stream["disposition"]["default"], -stream["index"]), default=None)


def _wanted(path: Path, sounds: Sequence[Stream], faults: Mapping[int, str], wanted: int) -> Stream:
    if not 0 <= wanted < len(sounds):
        raise MediaError(
            f"{path}: has {len(sounds)} sound streams, none of them is number {wanted}.",
            hint="They are counted from 0.",
        )
    chosen = sounds[wanted]
    if chosen["index"] in faults:
        fault = faults[chosen["index"]]
        raise MediaError(f"{path}: the sounds of stream {wanted} {fault}.", hint="Choose another stream.")
    return chosen


def _nothing(path: Path, streams: Sequence[Stream], left_out: Sequence[str]) -> MediaError:
    if left_out:
        told = " ".join(left_out)
        hint = _COPY_HINT if _ENCRYPTED in told else _DECODER_HINT
        return MediaError(f"{path}: {told[0].lower()}{told[1:]}", hint=hint)
    kinds = {"cover art" if it.get("codec_type") == "video" else it.get("codec_type", "unknown") for it in streams}
    only = f", only {' and '.join(sorted(kinds))}" if kinds else " nor anything else"
    return MediaError(f"{path}: holds neither pictures nor sound{only}.", hint="Check it with ffprobe.")


def _video_stream(stream: Stream) -> VideoStream:
    rotation = _rotation(stream)
    width, height = _displayed_size(stream, rotation)
    return VideoStream(
        index=stream["index"],
        codec=stream["codec_name"],
        width=width,
        height=height,
        rotation=rotation,
        frames_per_second=_frames_per_second(stream),
    )


def _displayed_size(stream: Stream, rotation: int) -> tuple[int, int]:
    """Width and height after rotation, with the pixels made square."""
    aspect = _fraction(stream.get("sample_aspect_ratio", "1:1").replace(":", "/")) or Fraction(1)
    if not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT:
        aspect = Fraction(1)
    width, height = max(round(stream["width"] * aspect), 1), stream["height"]
    return (height, width) if rotation in {90, 270} else (width, height)


def _rotation(stream: Stream) -> int:
    """Degrees clockwise by which a player turns the picture: 0, 90, 180 or 270.

    ffprobe reports the display matrix counter-clockwise, and an absurd number for one that is no rotation.
    """
    turns = [_degrees(data["rotation"]) for data in stream.get("side_data_list", []) if "rotation" in data]
    counter_clockwise = turns[0] if turns else -_degrees(stream.get("tags", {}).get("rotate", 0))
    return round(-counter_clockwise / 90) * 90 % 360


def _degrees(told: str | float) -> float:
    """An angle; 0 for what is none."""
    try:
        angle = float(told)
    except ValueError:
        return 0.0
    return angle if abs(angle) <= 360 else 0.0


def _frames_per_second(stream: Stream) -> float:
    """The average, unless it is above the base rate, which is the finest that all times fit into."""
    rates = [_fraction(stream.get(name, "0/0")) for name in ("avg_frame_rate", "r_frame_rate")]
    return float(min((rate for rate in rates if rate is not None), default=0))


def _audio_stream(stream: Stream, ordinal: int) -> AudioStream:
    return AudioStream(
        index=stream["index"],
        ordinal=ordinal,
        codec=stream["codec_name"],
        sample_rate_hz=int(stream["sample_rate"]),
        num_channels=int(stream["channels"]),
        is_default=bool(stream["disposition"]["default"]),
    )


def _fraction(text: str) -> Fraction | None:
    """`30000/1001` or `16/15`; None for what is no number above 0."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None
