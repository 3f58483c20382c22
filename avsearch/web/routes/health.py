"""How the server is."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from avsearch.web.refusals import documented
from avsearch.web.routes.shared import offered
from avsearch.web.services import Use
from avsearch.web.wire import LiveOut, ReadyOut

router = APIRouter(tags=["health"])
_FIGURES = {
    200: {"description": "Figures for Prometheus.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/health/live", responses=documented(), operation_id="live")
async def live() -> LiveOut:
    """Whether the server runs; always yes."""
    return LiveOut(live=True)


@router.get(
    "/health/ready",
    responses=documented() | {503: {"model": ReadyOut, "description": "The library cannot be asked now."}},
    operation_id="ready",
)
def ready(services: Use, response: Response) -> ReadyOut:
    """Whether queries can be answered, and if not, why."""
    problem = services.served.state.problem
    if services.served.is_ready:
        return ReadyOut(ready=True, message="", hint="")
    response.status_code = 503
    if problem is None:
        return ReadyOut(ready=False, message="The library is not there any more.", hint="")
    return ReadyOut(ready=False, message=problem.message, hint=problem.hint)


@offered(router, "/metrics", responses=_FIGURES | documented(), operation_id="metrics")
def metrics(services: Use) -> Response:
    """Figures in the format of Prometheus."""
    return Response(generate_latest(services.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
