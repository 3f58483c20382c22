"""The application: routes within the layers that guard and observe them."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from avsearch.web.bodies import PatientBodies
from avsearch.web.guard import Guard, policy_of
from avsearch.web.observing import Observed, note_route
from avsearch.web.refusals import answer_errors
from avsearch.web.routes import health, library, media, page, search, uploads
from avsearch.web.services import Services

API_VERSION = "1"
_DESCRIPTION = "Search footage by picture and by sound, across the two. Every error has a message and a hint."


def build_app(services: Services) -> ASGIApp:
    """Everything that is reached over the network, in its layers.

    Observed -> PatientBodies -> Guard -> routes
    """
    guarded = Guard(build_api(services), policy_of(services.settings))
    return Observed(PatientBodies(guarded, services.settings.limits), services.metrics)


def build_api(services: Services) -> FastAPI:
    """The routes, and the OpenAPI document of them."""
    api = _routes()
    api.state.services = services
    api.state.page = page.read_page()
    answer_errors(api)
    return api


def api_document() -> dict[str, Any]:
    """The OpenAPI document, which is the same whatever is served."""
    return _routes().openapi()


def _routes() -> FastAPI:
    api = FastAPI(
        title="avsearch",
        version=API_VERSION,
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(note_route)],
    )
    for part in (search, uploads, media, library, health, page):
        api.include_router(part.router)
    _secure(api)
    return api


def _secure(api: FastAPI) -> None:
    """Say in the document that some requests need the token."""
    make: Any = api.openapi

    def openapi() -> dict[str, Any]:
        document: dict[str, Any] = make()
        schemes = document["components"].setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer"}
        for path, method in (("/v1/media/{media_id}", "delete"), ("/v1/index", "post")):
            document["paths"][path][method]["security"] = [{"token": []}]
        return document

    api.openapi = openapi  # type: ignore[method-assign]
