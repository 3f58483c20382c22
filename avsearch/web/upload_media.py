"""What an upload is: named by its content, probed, and decoded a little, before anybody may ask with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media.given import HEAD_BYTES, picture_suffix
from avsearch.media.thumbnail import frame_at
from avsearch.media.waiting import still_waiting
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality

_SMALL_PX = 32
_NAMELESS = ".bin"  # says nothing, so that the content alone decides


def suffix_of(path: Path, name: str) -> str:
    """The suffix that a file has here: a picture's by its first bytes, another's as its sender named it."""
    with path.open("rb") as file:
        suffix = picture_suffix(file.read(HEAD_BYTES))
    if suffix:
        return suffix
    named = Path(name).suffix.lower()
    return named if named in media.MEDIA_EXTENSIONS - media.PICTURE_EXTENSIONS else _NAMELESS


def admitted(path: Path) -> MediaInfo:
    """What is known of a file, of those of its sides that do decode; its length too where its header lacks it.

    Raises:
        MediaError: it cannot be used.
    """
    info = media.probe(path)
    failures: list[MediaError] = []
    sides: list[Modality] = []
    if info.video is not None and _decodes(lambda: _see(path, info), failures):
        sides.append(Modality.IMAGE)
    if info.audio is not None and _decodes(lambda: _hear(path, info), failures):
        sides.append(Modality.AUDIO)
    if not sides:
        raise failures[0]
    info = info.limited_to(sides)
    if info.duration_us or info.kind is MediaKind.PICTURE or info.audio is None:
        return info
    return replace(info, duration_us=_measured_us(path, info))


def _decodes(decode: Callable[[], None], failures: list[MediaError]) -> bool:
    try:
        decode()
    except MediaError as error:
        failures.append(error)
        still_waiting()  # if the time is over, that is why
        return False
    return True


def _see(path: Path, info: MediaInfo) -> None:
    frame_at(path, info, 0, short_side=_SMALL_PX)


def _hear(path: Path, info: MediaInfo) -> None:
    if next(media.sound_seconds(path, info), None) is None:
        raise MediaError(f"{path}: its sound is empty.", hint="Record it again.")


def _measured_us(path: Path, info: MediaInfo) -> int:
    """How long the sound lasts: browsers record files that do not say so."""
    end_us = 0
    for second in media.sound_seconds(path, info):
        end_us = second.start_us + second.waveform.size * SECOND_US // media.SAMPLE_RATE_HZ
        still_waiting()
    return end_us
