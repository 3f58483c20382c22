"""Media of the library: what is known of them, their bytes, and what is made of them to be looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from avsearch.errors import LibraryError
from avsearch.library import Library, remove
from avsearch.media.playable import content_type
from avsearch.media.thumbnail import thumbnail
from avsearch.moments import SECOND_US, MediaInfo, Modality, Moment
from avsearch.query import parse_moment
from avsearch.remote import address
from avsearch.web.files import known_media, open_media, readable_media
from avsearch.web.heat import REFERENCE
from avsearch.web.observing import seen_of
from avsearch.web.previews import form_of
from avsearch.web.ranges import ALWAYS_ASKED, Sent, bytes_response, file_response
from avsearch.web.refusals import Refused, documented, whole
from avsearch.web.routes.shared import (
    FILE,
    JPEG,
    MediaId,
    MomentId,
    Points,
    Size,
    binary,
    offered,
    stretch,
    waveform_of,
)
from avsearch.web.services import Services, Use, require_token
from avsearch.web.wire import AudioOut, MediaOut, RemovedOut, Seconds, VideoOut, WaveformOut

router = APIRouter(tags=["media"])
_MIDDLE_US = SECOND_US // 2
Reference = Annotated[
    str,
    Query(pattern=REFERENCE, description="`moment:MOMENT_ID`, `upload:UPLOAD_ID` or `upload:UPLOAD_ID@SECONDS`."),
]


@router.get("/v1/media/{media_id}", responses=documented(404), operation_id="media")
def media(media_id: MediaId, services: Use) -> MediaOut:
    """What is known of a media."""
    record = known_media(services.served.library(), media_id)
    return MediaOut(
        media_id=media_id,
        kind=record.kind,
        name=whole(record.paths[0].name),
        paths=[whole(address(path)) for path in record.paths],
        labels=[whole(label) for label in record.labels],
        duration_s=record.duration_us / SECOND_US,
        container=whole(record.info.container),
        timecode=whole(record.info.timecode),
        video=_video(record.info),
        audio=_audio(record.info),
        content_hash=record.content_hash,
        content_type=content_type(record.info),
    )


@router.delete(
    "/v1/media/{media_id}",
    responses=documented(404, 409),
    dependencies=[Depends(require_token)],
    operation_id="remove_media",
)
def remove_media(media_id: MediaId, services: Use) -> RemovedOut:
    """Take a media's files out of the library; the files themselves stay. Needs the token."""
    library = services.served.library()
    record = known_media(library, media_id)
    try:
        done = remove(library, [str(path) for path in record.paths])
    except LibraryError as error:
        raise Refused(409, error.message, hint=error.hint) from error
    services.served.look()
    return RemovedOut(files=done.num_files, media=done.num_media)


@offered(router, "/v1/media/{media_id}/file", responses=FILE | documented(404, 416), operation_id="media_file")
async def media_file(request: Request, media_id: MediaId, services: Use) -> Response:
    """The bytes of a media's file, or a range of them."""
    library = services.served.library()
    found, file = await run_in_threadpool(open_media, library, media_id)
    record = found.record
    sent = Sent(content_type(record.info), record.content_hash, record.paths[0].name, ALWAYS_ASKED)
    return file_response(request, file, sent)


@offered(
    router,
    "/v1/media/{media_id}/preview",
    responses={
        **binary("video/mp4", "video/webm", "audio/mpeg", "audio/mp4", "image/jpeg", partial=True),
        307: {"description": "The file itself can be played: it is at /v1/media/{media_id}/file."},
        **documented(404, 416),
    },
    operation_id="media_preview",
)
async def media_preview(request: Request, media_id: MediaId, services: Use) -> Response:
    """A file that every browser plays; times in it are those of the original. 503 while it is being made."""
    library = services.served.library()
    is_playable, _ = await services.showing.run(request, lambda: services.previews.is_playable(library, media_id))
    if is_playable:
        return RedirectResponse(f"/v1/media/{media_id}/file", 307, {"Cache-Control": "private, max-age=600"})
    content_hash, form = await run_in_threadpool(form_of, library, media_id)
    file = await services.previews.open(library, media_id, content_hash, form)
    return file_response(request, file, Sent(form.content_type, f"{content_hash}{form.suffix}"))


@router.get("/v1/media/{media_id}/waveform", responses=documented(404), operation_id="media_waveform")
async def media_waveform(
    request: Request,
    media_id: MediaId,
    services: Use,
    start_s: Annotated[Seconds, Query()] = 0.0,
    end_s: Annotated[Seconds | None, Query()] = None,
    points: Points = 200,
) -> WaveformOut:
    """How loud a media is over time."""
    library = services.served.library()
    record = await run_in_threadpool(known_media, library, media_id)
    span = stretch(record.info, start_s, end_s)

    def make(target: Path) -> None:
        with readable_media(library, media_id) as found:
            target.write_bytes(waveform_of(found.path, record.info, span, num_points=points))

    name = f"{record.content_hash}-{span.start_us}-{span.end_us}-{points}.json"
    made = await _made(request, services, name, make)
    return WaveformOut.model_validate(json.loads(made))


@offered(
    router, "/v1/moments/{moment_id}/thumbnail", responses=JPEG | documented(404), operation_id="moment_thumbnail"
)
async def moment_thumbnail(request: Request, moment_id: MomentId, services: Use, size: Size = 320) -> Response:
    """The frame of a moment as a JPEG, of a second of sound that in its middle; `size` is its longer side."""
    moment = parse_moment(moment_id)
    library = services.served.library()
    record = await run_in_threadpool(known_media, library, moment.media_id)
    if record.info.video is None:
        raise Refused(404, "This media has no pictures.")
    name = f"{record.content_hash}-{_seen_us(moment)}-{size}.jpg"
    made = await _made(request, services, name, lambda target: _write_thumbnail(library, moment, size, target))
    return bytes_response(request, made, Sent("image/jpeg", name))


@offered(router, "/v1/heatmap", responses=binary("image/png") | documented(404, 409), operation_id="heatmap")
async def heatmap(
    request: Request, services: Use, picture: Reference, sound: Reference, size: Size = 320
) -> Response:
    """Where in a picture a sound comes from, as a PNG to lay over its thumbnail; `X-Peak: x,y,probability`."""
    library = services.served.library()
    overlay, waited_s = await services.showing.run(
        request,
        lambda: services.heat.overlay(library, services.uploads, picture=picture, sound=sound, longest=size),
    )
    seen_of(request).stages["queue"] = waited_s
    headers = {"X-Peak": overlay.peak, "Cache-Control": "no-store"}
    return Response(overlay.png, media_type="image/png", headers=headers)


def _video(info: MediaInfo) -> VideoOut | None:
    if (video := info.video) is None:
        return None
    return VideoOut(
        codec=whole(video.codec),
        width=video.width,
        height=video.height,
        rotation=video.rotation,
        frames_per_second=video.frames_per_second,
    )


def _audio(info: MediaInfo) -> AudioOut | None:
    if (audio := info.audio) is None:
        return None
    return AudioOut(codec=whole(audio.codec), sample_rate_hz=audio.sample_rate_hz, num_channels=audio.num_channels)


def _seen_us(moment: Moment) -> int:
    return moment.start_us + (_MIDDLE_US if moment.modality is Modality.AUDIO else 0)


def _write_thumbnail(library: Library, moment: Moment, size: int, target: Path) -> None:
    with readable_media(library, moment.media_id) as found:
        target.write_bytes(thumbnail(found.path, found.record.info, _seen_us(moment), longest=size))


async def _made(request: Request, services: Services, name: str, make: Callable[[Path], None]) -> bytes:
    """A small file of the cache, made where it is not there."""

    def read() -> bytes:
        with services.cache.open(name, make) as file:
            return file.read()

    made, waited_s = await services.showing.run(request, read)
    seen_of(request).stages["queue"] = waited_s
    return made
