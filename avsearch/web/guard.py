"""Who is let in: by the name that the server is called, the site that asks, and the token."""

from __future__ import annotations

import hmac
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from avsearch.web.refusals import error_body
from avsearch.web.settings import Settings, is_loopback

HAS_TOKEN = "avsearch.has_token"  # in a scope: whether the request knows the token
COOKIE = "avsearch_token"
OPEN_PATHS = frozenset({"/health/live", "/health/ready"})
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_TOKEN_HINT = "Send it as `Authorization: Bearer TOKEN`, or open /?token=TOKEN once."


@dataclass(frozen=True)
class Refusal:
    """Why a request is turned away."""

    status: int
    message: str
    hint: str

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="avsearch"'} if self.status == 401 else {}


@dataclass(frozen=True)
class Policy:
    """Whom a server lets in.

    Attributes:
        names: that it goes by, in lower case, beside those of this machine alone.
        takes_addresses: whether any bare address is one of its names: no other site can have one of those.
        site: that a proxy makes of it, whose pages may ask beside its own; empty for none.
        token: what requests must know; empty for none.
        is_token_needed: by every request, not only by those that change something.
    """

    names: frozenset[str]
    takes_addresses: bool
    site: str
    token: str
    is_token_needed: bool

    def refusal(self, headers: Headers, *, method: str, scheme: str) -> Refusal | None:
        """Whether a request is turned away before its token is looked at."""
        host = headers.get("host", "")
        if not self._is_own(host):
            return Refusal(421, "This server does not go by that name.", "Use the address that it printed.")
        origin, own = headers.get("origin"), f"{scheme}://{host}".lower()
        if origin is not None and origin.lower() not in {own, self.site or own}:
            return Refusal(403, "Another site asks.", "Open the page of this server itself.")
        if _is_from_elsewhere(headers, method):
            return Refusal(403, "Another site asks.", "Open the page of this server itself.")
        return None

    def knows_token(self, headers: Headers) -> bool:
        """Whether a request knows the token; compared in the same time whatever it sends."""
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer.strip() if kind.lower() == "bearer" else _cookie(headers)
        return self.is_token(given)

    def is_token(self, given: str) -> bool:
        """Whether this is the token."""
        is_equal = hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())
        return is_equal and bool(self.token)

    def _is_own(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["name"].strip("[]").rstrip(".").lower()
        return is_loopback(name) or name in self.names or (self.takes_addresses and _is_address(name))


def policy_of(settings: Settings) -> Policy:
    """Whom a server with these settings lets in."""
    host = settings.host.strip("[]").rstrip(".").lower()
    is_everywhere = host in _EVERYWHERE
    own = socket.gethostname().lower()
    names = {host, own, f"{own.partition('.')[0]}.local"} if is_everywhere else {host}
    if settings.site:
        names.add((urlsplit(settings.site).hostname or "").rstrip("."))
    return Policy(
        names=frozenset(names),
        takes_addresses=is_everywhere,
        site=settings.site,
        token=settings.token,
        is_token_needed=not settings.is_local,
    )


class Guard:
    """Turns away whoever the policy does not let in, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refusal = self._policy.refusal(headers, method=scope["method"], scheme=scope.get("scheme", "http"))
        if refusal is not None:
            await _answer(send, refusal)
            return
        if scope["path"] == "/" and (token := _token_in_address(scope)):
            await self._let_in(send, token)
            return
        scope[HAS_TOKEN] = self._policy.knows_token(headers)
        if self._policy.is_token_needed and not scope[HAS_TOKEN] and scope["path"] not in OPEN_PATHS:
            await _answer(send, Refusal(401, "This server asks for its token.", _TOKEN_HINT))
            return
        await self._app(scope, receive, send)

    async def _let_in(self, send: Send, token: str) -> None:
        """Take the token out of the address, into a cookie that only this page's own requests carry."""
        if not self._policy.is_token(token):
            await _answer(send, Refusal(401, "That is not the token.", _TOKEN_HINT))
            return
        cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
        cookie += "; Secure" if self._policy.site.startswith("https:") else ""
        headers = {"Location": "/", "Set-Cookie": cookie, "Cache-Control": "no-store", "Content-Length": "0"}
        await _send(send, 303, headers, b"")


async def _answer(send: Send, refusal: Refusal) -> None:
    body = error_body(refusal.message, refusal.hint)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    await _send(send, refusal.status, headers | refusal.headers(), body)


async def _send(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _is_from_elsewhere(headers: Headers, method: str) -> bool:
    """What browsers say of themselves: another site's page may lead here, and neither embed nor ask anything."""
    if headers.get("sec-fetch-site", "none") not in {"cross-site", "same-site"}:
        return False
    is_visit = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (is_visit and method in {"GET", "HEAD"})


def _cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return str(morsel.value) if morsel is not None else ""


def _token_in_address(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    try:
        return dict(parse_qsl(query.decode("latin-1"), max_num_fields=100)).get("token", "")
    except ValueError:  # more fields than anybody needs
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
