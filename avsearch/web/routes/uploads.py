"""Files to ask with."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from avsearch.media.playable import content_type
from avsearch.media.thumbnail import thumbnail
from avsearch.moments import SECOND_US
from avsearch.web.ranges import ALWAYS_ASKED, Sent, bytes_response, file_response
from avsearch.web.refusals import Refused, documented
from avsearch.web.routes.shared import FILE, JPEG, Points, Size, UploadId, offered, stretch, waveform_of
from avsearch.web.services import Use
from avsearch.web.uploads import Receiving, Upload, Uploads, shown_name
from avsearch.web.wire import Seconds, UploadOut, WaveformOut

router = APIRouter(tags=["uploads"])
_WRITTEN_BYTES = 1 << 20  # at once
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Filename = Annotated[str | None, Header(alias="X-Filename", description="The file's name, percent-encoded.")]


@router.post(
    "/v1/uploads", status_code=201, responses=documented(408, 413), openapi_extra=_BODY, operation_id="upload"
)
async def upload(request: Request, services: Use, name: Filename = None) -> UploadOut:
    """Send a picture, a sound or a video to ask with; the body is the file itself."""
    uploads = services.uploads
    named = shown_name(unquote(name or ""))
    with uploads.receive() as receiving:
        await _receive(request, receiving)
        if not receiving.size_bytes:
            raise Refused(422, f"{named}: the file is empty.", hint="Send the bytes of a file as the body.")
        kept, _ = await services.asking.run(request, lambda: uploads.keep(receiving, named))
    return _out(kept, uploads)


@router.delete("/v1/uploads/{upload_id}", status_code=204, responses=documented(404), operation_id="delete_upload")
async def delete_upload(upload_id: UploadId, services: Use) -> None:
    """Forget an upload at once."""
    await run_in_threadpool(services.uploads.remove, upload_id)


@offered(router, "/v1/uploads/{upload_id}/file", responses=FILE | documented(404, 416), operation_id="upload_file")
async def upload_file(request: Request, upload_id: UploadId, services: Use) -> Response:
    """The bytes of an upload, or a range of them."""
    with services.uploads.use(upload_id) as kept:
        sent = Sent(content_type(kept.info), upload_id, kept.name, ALWAYS_ASKED)
        return file_response(request, await run_in_threadpool(kept.path.open, "rb"), sent)


@offered(
    router, "/v1/uploads/{upload_id}/thumbnail", responses=JPEG | documented(404), operation_id="upload_thumbnail"
)
async def upload_thumbnail(
    request: Request,
    upload_id: UploadId,
    services: Use,
    at_s: Annotated[Seconds, Query()] = 0.0,
    size: Size = 320,
) -> Response:
    """A frame of an upload as a JPEG; `size` is its longer side in pixels."""
    with services.uploads.use(upload_id) as kept:
        if kept.info.video is None:
            raise Refused(404, f"{kept.name}: has no pictures.")
        made, _ = await services.showing.run(
            request, lambda: thumbnail(kept.path, kept.info, round(at_s * SECOND_US), longest=size)
        )
    return bytes_response(request, made, Sent("image/jpeg", f"{upload_id}-{at_s}-{size}"))


@router.get("/v1/uploads/{upload_id}/waveform", responses=documented(404), operation_id="upload_waveform")
async def upload_waveform(
    request: Request,
    upload_id: UploadId,
    services: Use,
    start_s: Annotated[Seconds, Query()] = 0.0,
    end_s: Annotated[Seconds | None, Query()] = None,
    points: Points = 200,
) -> WaveformOut:
    """How loud an upload is over time."""
    with services.uploads.use(upload_id) as kept:
        span = stretch(kept.info, start_s, end_s)
        made, _ = await services.showing.run(
            request, lambda: waveform_of(kept.path, kept.info, span, num_points=points)
        )
    return WaveformOut.model_validate(json.loads(made))


async def _receive(request: Request, receiving: Receiving) -> None:
    """Write the body as it comes, a megabyte at a time."""
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= _WRITTEN_BYTES:
            await run_in_threadpool(receiving.write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(receiving.write, bytes(waiting))


def _out(kept: Upload, uploads: Uploads) -> UploadOut:
    video = kept.info.video
    return UploadOut(
        upload_id=kept.id,
        name=kept.name,
        kind=kept.info.kind,
        duration_s=kept.info.duration_us / SECOND_US,
        width=video.width if video else 0,
        height=video.height if video else 0,
        has_sound=kept.info.audio is not None,
        has_picture=video is not None,
        expires_in_s=uploads.expires_in_s(kept),
    )
