"""What several routes take and give: sizes, stretches of time, files in answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from starlette.responses import Response

from avsearch.media.peaks import sound_peaks
from avsearch.moments import SECOND_US, MediaInfo, Span
from avsearch.web.refusals import Refused
from avsearch.web.wire import MOMENT_ID, UPLOAD_ID

LONGEST_DRAWN_S = 3600.0
Size = Annotated[int, Query(ge=16, le=1920, description="Pixels of the longer side.")]
Points = Annotated[int, Query(ge=1, le=4000, description="How many parts.")]
MediaId = Annotated[int, InPath(ge=0, le=2**63 - 1)]
MomentId = Annotated[str, InPath(pattern=MOMENT_ID, description="As `moment_id` of a hit.")]
UploadId = Annotated[str, InPath(pattern=UPLOAD_ID)]

_BINARY = {"type": "string", "format": "binary"}
Route = TypeVar("Route", bound=Callable[..., Any])


def binary(*content_types: str, partial: bool = False) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: an answer that is a file, whole, in part, or known to the client already."""
    told = {"content": {kind: {"schema": _BINARY} for kind in content_types}}
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "The file.", **told},
        304: {"description": "The client has it."},
    }
    if partial:
        answers[206] = {"description": "A part of the file.", **told}
    return answers


FILE = binary("*/*", partial=True)
JPEG = binary("image/jpeg")


def offered(router: APIRouter, path: str, **options: Any) -> Callable[[Route], Route]:  # noqa: ANN401
    """A GET whose answer is made by the route itself and is no JSON."""
    return router.get(path, response_class=Response, response_model=None, **options)


def stretch(info: MediaInfo, start_s: float, end_s: float | None) -> Span:
    """The stretch that is drawn: of a file without an end to its name, its whole length.

    Raises:
        Refused: it is empty, or too long.
    """
    if info.audio is None:
        raise Refused(404, "This media has no sound.")
    end = end_s if end_s is not None else max(info.duration_us / SECOND_US, start_s + 1)
    if end <= start_s:
        raise Refused(422, "The stretch ends before it begins.", hint="Give start_s < end_s.")
    if end - start_s > LONGEST_DRAWN_S:
        if end_s is not None:
            raise Refused(422, f"More than {LONGEST_DRAWN_S:.0f} s are not drawn.", hint="Ask for less at a time.")
        end = start_s + LONGEST_DRAWN_S
    return Span(round(start_s * SECOND_US), max(round(end * SECOND_US), round(start_s * SECOND_US) + 1))


def waveform_of(path: Path, info: MediaInfo, span: Span, *, num_points: int) -> bytes:
    """A waveform as JSON.

    Raises:
        MediaError: the sound cannot be decoded.
    """
    peaks = sound_peaks(path, info, span, num_points=num_points)
    drawn = [[round(float(low), 4), round(float(high), 4)] for low, high in peaks]
    return json.dumps(
        {"start_s": span.start_us / SECOND_US, "end_s": span.end_us / SECOND_US, "peaks": drawn}
    ).encode()
