"""Why a file cannot be opened or decoded, in words for people, out of what ffprobe and ffmpeg printed."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsearch.errors import MediaError
from avsearch.media import safety

_COPY_AGAIN = "Copy it again from its source."
_NEWER = "Install a newer ffmpeg, or convert it on a machine that plays it."
_NO_MEDIA = "Give a video, a sound file or a picture."
_MAX_WORDS = 240
_LINE = re.compile(r"^(?:\[(?P<who>[^\]]*?) @ [^\]]*\] )?\[(?P<level>\w+)\] (?P<text>.*)")
_TELLING_WARNING = re.compile(r"is not implemented|Could not open codec")
_NOTHING_DECODED = re.compile("Cannot determine format of input stream|Failed to configure output pad")
_TOO_MUCH_CPU = {-signal.SIGXCPU, 255}  # ffmpeg catches the signal, cleans up and ends with 255


@dataclass(frozen=True)
class _Known:
    """Words of ffprobe's, what they come to, and what to do."""

    words: str
    meaning: str
    hint: str


_KNOWN = (
    _Known(
        "ormat not on whitelist", "is a playlist, a script or another kind of file that stays closed", _NO_MEDIA
    ),
    _Known("misdetection possible", "is no media", _NO_MEDIA),
    _Known("ncryption info|DRM protected", "is encrypted", "Get a copy without copy protection."),
    _Known("moov atom not found", "was cut off or never finished: its index is missing", _COPY_AGAIN),
    _Known("is not implemented", "is coded in a way that this ffmpeg cannot decode", _NEWER),
    _Known("Could not open codec", "the decoder of a stream cannot be started with what its header says", _NEWER),
    _Known("error reading header", "its header is damaged", _COPY_AGAIN),
    _Known("End of file|ended prematurely", "ends before its header does", _COPY_AGAIN),
    _Known("Invalid data found", "is no media, or its first bytes are damaged", _NO_MEDIA),
)


def why_not_opened(path: Path, log: str) -> MediaError | None:
    """The reason that a log of `-v level+warning` holds, ffprobe's own words in brackets; None if it has none."""
    known = next((known for known in _KNOWN if re.search(known.words, log)), None)
    words = "; ".join(_words(path, log))[:_MAX_WORDS].rstrip(".;, ")
    if known is None:
        return MediaError(f"{path}: {words}.", hint=_COPY_AGAIN) if words else None
    return MediaError(f"{path}: {known.meaning} ({words}).", hint=known.hint)


def why_nothing_follows(path: Path, log: str) -> MediaError:
    """The reason for a file with a header and not one packet of pictures or sound behind it."""
    words = "; ".join(_words(path, log))[:_MAX_WORDS].rstrip(".;, ")
    told = f" ({words})" if words else ""
    return MediaError(f"{path}: has a header, but no pictures or sound follow{told}.", hint=_COPY_AGAIN)


def why_failed(status: int, told: Sequence[str], *, is_whole: bool) -> str:
    """Why ffmpeg gave less than a file holds; empty if it did not.

    Args:
        status: that it ended with.
        told: the errors that it printed.
        is_whole: whether its output was read to the end, and not left early.
    """
    broken_off = _broken_off(status, told) if is_whole else ""
    if broken_off or status == 0:
        return broken_off
    if any(_NOTHING_DECODED.search(line) for line in told):
        return f"not one packet of it can be decoded ({told[0]})."
    last = list(dict.fromkeys(told[-2:]))  # what went wrong inside, and what that came to
    return f"{'; '.join(last)}." if last else f"ffmpeg ended with status {status}, giving no reason."


def _broken_off(status: int, told: Sequence[str]) -> str:
    """Which limit kept it from reading on, whatever its exit status."""
    if status in _TOO_MUCH_CPU:
        return "decoding it takes too much computing time."
    lines = "\n".join(told)
    return next((f"{why}." for words, why in safety.BROKEN_OFF.items() if re.search(words, lines)), "")


def _words(path: Path, log: str) -> dict[str, None]:
    """What went wrong, each once, without addresses in memory, the path and long lists."""
    told: dict[str, None] = {}
    for line in map(_LINE.match, log.splitlines()):
        if line is None:
            continue
        is_error = line["level"] in {"error", "fatal", "panic"}
        if is_error or _TELLING_WARNING.search(line["text"]):
            text = line["text"].removeprefix(f"file:{path}: ").split(". ")[0].strip().rstrip(".")
            who = f"{line['who']}: " if line["who"] and "whitelist" in text else ""
            told[who + re.sub(r" '[^']*'", "", text)] = None
    return told
