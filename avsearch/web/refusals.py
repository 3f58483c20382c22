"""What a client is told when it does not get what it asked for: a status, a sentence and a hint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

from avsearch.errors import AvsearchError, ClusterError, LibraryError, MediaError, UsageError, WeightsError
from avsearch.web.wire import ErrorBody

_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")
_UNKNOWN = {404: "There is nothing at this address.", 405: "This address does not know that method."}
MEANINGS = {
    400: "The request cannot be read.",
    401: "The token is missing or wrong.",
    403: "Not for this client: another site asks, or the server has no token for such requests.",
    404: "There is no such thing, or no longer.",
    408: "The body came too slowly.",
    409: "Not as the library is now.",
    413: "The body is too large.",
    416: "The range lies outside of the file.",
    421: "The server does not go by that name.",
    422: "The request cannot mean anything, or its media cannot be read.",
    503: "Not now: too much to do, or the library cannot be used.",
}
ALWAYS = (400, 401, 403, 421, 422, 503)  # what any request may meet


class Refused(HTTPException):
    """A request that is not answered as it wished.

    Args:
        status: of HTTP.
        message: one sentence that says why.
        hint: one sentence that says what to do.
        headers: of the answer.
    """

    def __init__(
        self, status: int, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers=dict(headers or {}))
        self.hint = hint


def busy(message: str = "The server has too much to do.") -> Refused:
    """Try again in a moment."""
    return Refused(503, message, hint="Try again in a moment.", headers={"Retry-After": "2"})


def refused(error: AvsearchError) -> Refused:
    """What an error of ours is to a client."""
    if isinstance(error, UsageError | MediaError):
        return Refused(422, error.message, hint=error.hint)
    if isinstance(error, LibraryError | WeightsError | ClusterError):
        return Refused(503, error.message, hint=error.hint, headers={"Retry-After": "2"})
    return Refused(422, error.message, hint=error.hint)


def documented(*statuses: int) -> dict[int | str, dict[str, object]]:
    """For the OpenAPI document: the errors of an operation, beside those that any may have."""
    return {
        status: {"model": ErrorBody, "description": MEANINGS[status]} for status in sorted({*ALWAYS, *statuses})
    }


def error_body(message: str, hint: str = "") -> bytes:
    """As JSON; halves of characters, as names on a disk may hold, are replaced."""
    return json.dumps({"error": {"message": whole(message), "hint": whole(hint)}}, ensure_ascii=False).encode()


def whole(text: str) -> str:
    """Text as UTF-8 can hold it."""
    return _HALF_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text)


def answer_errors(app: FastAPI) -> None:
    """Let an app answer errors of each kind in this way."""

    async def answer_refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        hint = getattr(error, "hint", "")
        message = (
            _UNKNOWN.get(error.status_code, str(error.detail)) if not isinstance(error, Refused) else error.detail
        )
        return _response(error.status_code, message, hint, error.headers)

    async def answer_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, AvsearchError)
        return await answer_refused(request, refused(error))

    async def answer_invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _response(422, _what_is_invalid(error), "/v1/openapi.json says what is expected.", None)

    app.add_exception_handler(StarletteHTTPException, answer_refused)
    app.add_exception_handler(AvsearchError, answer_ours)
    app.add_exception_handler(RequestValidationError, answer_invalid)


def _response(status: int, message: str, hint: str, headers: Mapping[str, str] | None) -> Response:
    return Response(error_body(message, hint), status, headers, media_type="application/json")


def _what_is_invalid(error: RequestValidationError) -> str:
    told = (f"{'.'.join(map(str, one['loc'][1:])) or one['loc'][0]}: {one['msg']}" for one in error.errors())
    return "; ".join(told)[:2000] + "."
