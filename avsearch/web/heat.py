"""Where in a picture a sound comes from: the library's localizer, loaded when it is first asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import MediaError
from avsearch.front_end import padded_second
from avsearch.library import Library
from avsearch.localize import LOCALIZER_HINT, heat_map, load_localizer, overlay_png
from avsearch.media import read_sound
from avsearch.media.thumbnail import frame_at
from avsearch.moments import SECOND_US, MediaInfo, Modality, Moment, Span
from avsearch.query import parse_moment
from avsearch.web.files import readable_media
from avsearch.web.refusals import Refused
from avsearch.web.uploads import Uploads

if TYPE_CHECKING:
    from avsearch.localize import Localizer

REFERENCE = (
    r"^(moment:[0-9]{1,18}:(image|audio):[0-9]{1,18}|upload:[A-Za-z0-9_-]{8,64}(@[0-9]{1,6}(\.[0-9]{1,6})?)?)$"
)
_HALF_US = SECOND_US // 2


@dataclass(frozen=True)
class Overlay:
    """A map to lay over a thumbnail, and where its peak is, in parts of width and height."""

    png: bytes
    peak: str


@dataclass(frozen=True)
class _Referred:
    """A file, and when in it something is seen and heard."""

    path: Path
    info: MediaInfo
    frame_us: int
    second_us: int


class Heat:
    """Heat maps of a server, one at a time."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._loaded: tuple[Path, Localizer] | None = None

    def overlay(self, library: Library, uploads: Uploads, *, picture: str, sound: str, longest: int) -> Overlay:
        """The map of a picture for a sound; both are references as the API has them.

        Raises:
            Refused: the library has no localizer, or there is no such moment or upload.
            AvsearchError: the files cannot be read, or lack that side.
        """
        path = localizer_of(library)
        with ExitStack() as stack:
            seen, heard = (stack.enter_context(_refer(library, uploads, it)) for it in (picture, sound))
            localizer = self._load(path)
            frame = frame_at(seen.path, seen.info, seen.frame_us, short_side=localizer.front_end.short_side).rgb
            waveform = _second(heard)
            with self._lock:
                heat = heat_map(localizer, frame, waveform)
        scale = longest / max(heat.width, heat.height)
        size = (max(round(heat.width * scale), 1), max(round(heat.height * scale), 1))
        told = f"{heat.peak.x:.4f},{heat.peak.y:.4f},{heat.probability:.4f}"
        return Overlay(overlay_png(heat, size), told)

    def _load(self, path: Path) -> Localizer:
        with self._lock:
            if self._loaded is None or self._loaded[0] != path:
                self._loaded = path, load_localizer(path, self._device)
            return self._loaded[1]


def localizer_of(library: Library) -> Path:
    """The weights file of the library's localizer.

    Raises:
        Refused: there is none.
    """
    path = library.localizer_path()
    if path is None:
        raise Refused(
            409,
            "The library has no localizer, which says where in a picture a sound comes from.",
            hint=LOCALIZER_HINT,
        )
    return path


@contextmanager
def _refer(library: Library, uploads: Uploads, reference: str) -> Iterator[_Referred]:
    kind, _, name = reference.partition(":")
    if kind == "moment":
        moment = parse_moment(name)
        with readable_media(library, moment.media_id) as found:
            yield _of_moment(found.path, found.record.info, moment)
        return
    upload_id, _, at = name.partition("@")
    at_us = round(float(at or 0) * SECOND_US)
    with uploads.use(upload_id) as upload:
        yield _Referred(upload.path, upload.info, frame_us=at_us, second_us=at_us)


def _of_moment(path: Path, info: MediaInfo, moment: Moment) -> _Referred:
    """Of a second of sound its middle is seen; of a frame the second around it is heard."""
    if moment.modality is Modality.AUDIO:
        return _Referred(path, info, frame_us=moment.start_us + _HALF_US, second_us=moment.start_us)
    return _Referred(path, info, frame_us=moment.start_us, second_us=max(moment.start_us - _HALF_US, 0))


def _second(heard: _Referred) -> NDArray[np.float32]:
    waveform = read_sound(heard.path, heard.info, Span(heard.second_us, heard.second_us + SECOND_US))
    if not waveform.size:
        raise MediaError(
            f"{heard.path}: its sound ends before {heard.second_us / SECOND_US:.3f} s.", hint="Ask earlier."
        )
    return padded_second(waveform)
