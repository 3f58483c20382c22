"""ffmpeg and ffprobe: their versions, and whether ffmpeg decodes and encodes what is needed."""

from __future__ import annotations

import re

from avsearch.doctor.check import Check, State
from avsearch.doctor.requirements import numbers
from avsearch.errors import AvsearchError
from avsearch.media.measured import run_measured
from avsearch.media.runner import INSTALL_HINT

OLDEST = (5, 1)
NEEDED = ("h264", "aac", "mjpeg", "pcm_s16le")
"""Decoders without which little footage can be read; the demo's clips too."""
WANTED = ("hevc", "vp9", "av1", "mpeg4", "prores", "dnxhd", "mp3", "flac", "opus", "vorbis")
WRITTEN = "libx264"
"""The encoder of the films that the demo and `avsearch localize` write, and of the page's previews."""
_TIMEOUT_S = 60.0
_LISTED = re.compile(r"^ [VAS][A-Z.]{5} (\S+)(?:.*\(codec (\S+)\))?", re.MULTILINE)
_VERSION = re.compile(r"version n?(\S+)")


def tool_checks() -> list[Check]:
    """A check of each program, and one of what ffmpeg can read and write."""
    ffmpeg, ffprobe = _program("ffmpeg"), _program("ffprobe")
    return [ffmpeg, ffprobe] if ffmpeg.state is State.BROKEN else [ffmpeg, ffprobe, _codecs()]


def _program(name: str) -> Check:
    text = _output(name, "-version")
    if text is None:
        return Check(name, State.BROKEN, "cannot be started", INSTALL_HINT)
    version = found[1] if (found := _VERSION.search(text)) else "unknown"
    release = numbers(version)
    details = {"version": version}
    if release and release < OLDEST:  # a version without numbers was built from git
        return Check(name, State.BROKEN, f"{version} is too old", INSTALL_HINT, details)
    return Check(name, State.OK, version, details=details)


def _codecs() -> Check:
    decoders, encoders = _listed("-decoders"), _listed("-encoders")
    missing = [name for name in (*NEEDED, *WANTED) if name not in decoders]
    details = {"missing_decoders": missing, "missing_encoders": [] if WRITTEN in encoders else [WRITTEN]}
    lacks = [f"cannot read {', '.join(missing)}"] if missing else []
    lacks += [] if WRITTEN in encoders else [f"lacks {WRITTEN}, without which it writes no films"]
    if not lacks:
        return Check("codecs", State.OK, f"all {len(NEEDED) + len(WANTED)} that are common", details=details)
    state = State.BROKEN if set(NEEDED) & set(missing) else State.OPTIONAL
    hint = "Install an ffmpeg with all codecs, for example Debian's with `apt-get install ffmpeg`."
    return Check("codecs", state, f"ffmpeg {'; '.join(lacks)}", hint, details)


def _listed(option: str) -> frozenset[str]:
    """The codecs of a list that ffmpeg prints, by their own names and by those of their implementations."""
    return frozenset(name for names in _LISTED.findall(_output("ffmpeg", option) or "") for name in names if name)


def _output(*argv: str) -> str | None:
    """What a program prints; None where it cannot be started or fails."""
    try:
        done = run_measured([argv[0], "-hide_banner", *argv[1:]], timeout_s=_TIMEOUT_S)
    except AvsearchError:
        return None
    return done.output.decode("utf-8", "replace") if done.status == 0 else None
