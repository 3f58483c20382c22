"""What is told of every request: a line of JSON, figures for Prometheus, and the time of each stage."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import TextIO
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avsearch.web.guard import HEADERS
from avsearch.web.ranges import HEAD
from avsearch.web.refusals import error_body, whole

SEEN = "avsearch.seen"  # in a scope: what is known of the request so far
LOGGER = "avsearch.web"
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 120)
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})


@dataclass
class Seen:
    """One request: `stages` in seconds by name, `route` as it is documented, `notes` of names and ids."""

    id: str = field(default_factory=lambda: uuid4().hex[:12])
    began: float = field(default_factory=time.perf_counter)
    route: str = "other"
    status: int = 0
    num_bytes: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def timing(self) -> str:
        """For the header `Server-Timing`, in milliseconds."""
        told = {**self.stages, "total": self.seconds}
        return ", ".join(f"{name};dur={1000 * seconds:.1f}" for name, seconds in told.items())


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "avsearch_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.request_s = Histogram(
            "avsearch_request_seconds", "From a request's head to the end of its answer.", ("route",),
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.stage_s = Histogram(
            "avsearch_stage_seconds", "Stages of requests.", ("stage",), buckets=_BUCKETS, registry=self.registry
        )
        self.ready = Gauge("avsearch_library_ready", "1 if the library can be asked.", registry=self.registry)
        self.media = Gauge("avsearch_library_media", "Media that can be found.", ("kind",), registry=self.registry)
        self.moments = Gauge("avsearch_library_moments", "Moments.", ("modality",), registry=self.registry)
        self.uploads = Gauge("avsearch_uploads", "Uploads that are kept.", registry=self.registry)
        self.upload_bytes = Gauge("avsearch_upload_bytes", "Their size.", registry=self.registry)
        self.tasks = Gauge("avsearch_tasks", "Work under way or waiting.", ("crew",), registry=self.registry)

    def note(self, method: str, seen: Seen) -> None:
        """Count a request that is over."""
        known = method if method in _METHODS else "other"
        self.requests.labels(known, seen.route, str(seen.status)).inc()
        self.request_s.labels(seen.route).observe(seen.seconds)
        for stage, seconds in seen.stages.items():
            self.stage_s.labels(stage).observe(seconds)


class Observed:
    """The outermost layer: whatever happens within, the client gets an answer with its headers, and it is noted."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = logging.getLogger(LOGGER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = Seen()
        inner = dict(scope) | {SEEN: seen, HEAD: scope["method"] == "HEAD"}
        if inner[HEAD]:
            inner["method"] = "GET"  # the server leaves the body out by itself

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                message = {**message, "headers": _complete(message["headers"], seen)}
            elif message["type"] == "http.response.body":
                seen.num_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(inner, receive, send_observed)
        except Exception:  # a client learns nothing of it, the log everything
            self._log.exception("failed", extra={"fields": {"request_id": seen.id, "path": whole(scope["path"])}})
            if seen.status:
                raise  # in the middle of an answer: the connection is cut
            await _answer_failure(send_observed)
        finally:
            self._note(scope, seen)

    def _note(self, scope: Scope, seen: Seen) -> None:
        self._metrics.note(scope["method"], seen)
        fields = {
            "request_id": seen.id,
            "client": (scope.get("client") or ["local"])[0],
            "method": scope["method"],
            "path": whole(scope["path"])[:500],
            "status": seen.status,
            "bytes": seen.num_bytes,
            "ms": round(1000 * seen.seconds, 1),
            **(
                {"stages_ms": {name: round(1000 * it, 1) for name, it in seen.stages.items()}}
                if seen.stages
                else {}
            ),
            **seen.notes,
        }
        self._log.info("request", extra={"fields": fields})


def seen_of(request: Request) -> Seen:
    """What is known of a request so far."""
    seen = request.scope[SEEN]
    assert isinstance(seen, Seen)
    return seen


def note_route(request: Request) -> None:
    """A dependency of all routes: tell which one it is, by its documented path."""
    seen_of(request).route = getattr(request.scope.get("route"), "path", "other")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: MutableMapping[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)  # ASCII only: nothing that a terminal would obey


def log_to(stream: TextIO | None = None) -> None:
    """Let everything that the server and uvicorn tell go to a stream as JSON, stderr by default."""
    outlet = logging.StreamHandler(stream or sys.stderr)
    outlet.setFormatter(JsonLines())
    for name in (LOGGER, "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [outlet]
        logger.propagate = False
        logger.setLevel(logging.INFO if name == LOGGER else logging.WARNING)


def _complete(headers: list[tuple[bytes, bytes]], seen: Seen) -> list[tuple[bytes, bytes]]:
    known = {name.lower() for name, _ in headers}
    own = HEADERS | {"Server-Timing": seen.timing(), "X-Request-Id": seen.id, "Cache-Control": "no-store"}
    added = ((name.lower().encode(), value.encode()) for name, value in own.items())
    return [*headers, *((name, value) for name, value in added if name not in known)]


async def _answer_failure(send: Send) -> None:
    body = error_body("Something went wrong here.", "The server's log says what, under the id of this answer.")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
