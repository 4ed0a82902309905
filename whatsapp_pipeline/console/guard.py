"""The first checks of every request (allowed hosts, forged requests, body size), and headers of every answer.

What belongs here: rules for all routes, as one ASGI layer around the application. What does not: the user of
a request (access.py).
"""

from __future__ import annotations

import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whatsapp_pipeline.console.api.errors import PREFIX, api_error
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.error_pages import error_response
from whatsapp_pipeline.logs import fields

_LOG = logging.getLogger(__name__)
MAX_BODY_BYTES = 16 * 1024
_UNLOGGED = {"/health", "/static"}
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_HEADERS = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def content_policy(framed_by: str = "'none'") -> str:
    """Return the content security policy of a page.

    A page may load only the console's own scripts, styles and images. `framed_by` has the origins that may
    frame the page, separated by spaces.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {framed_by}"
    )


class Guard:
    """The ASGI layer around the application: it refuses and logs requests, and adds headers to answers."""

    def __init__(self, app: ASGIApp, config: ConsoleConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that breaks a rule; pass all other requests to the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 0
        _believe_proxy(scope, self._config)
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), scope)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, _limited(receive), send_with_headers)
        else:
            await refusal_for(scope, refusal)(scope, receive, send_with_headers)
        # The route's pattern is logged instead of the path, because a path can contain a login link. The
        # query is never logged.
        route = scope.get("route")
        pattern, took = getattr(route, "path", "-"), round(1000 * (time.monotonic() - started))
        if _is_api(scope) and route is not None:
            pattern = PREFIX + pattern.removeprefix(PREFIX)
        if pattern in _UNLOGGED:
            return
        _LOG.info(
            "%s %s %d %d ms",
            scope["method"],
            pattern,
            status,
            took,
            extra=fields(method=scope["method"], route=pattern, status=status, milliseconds=took),
        )

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        if _host_name(headers.get("host", "")) not in self._config.hosts:
            return "unknown_host"
        # The API uses no cookies, so a page of another site can't make a browser send a token.
        is_safe = scope["method"] in _SAFE_METHODS or _is_api(scope)
        if not is_safe and not is_same_origin(scope, headers):
            return "forged"
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:18]) > MAX_BODY_BYTES:
            return "too_large"
        return None


def is_same_origin(scope: Scope, headers: Headers) -> bool:
    """Return whether a request that changes something comes from one of the console's own pages.

    Browsers send `Sec-Fetch-Site` to HTTPS addresses and to loopback. If the header is missing, `Origin` must
    be the console itself. A request with neither is refused.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(headers.get("origin", ""))
    return origin.scheme == scope["scheme"] and origin.netloc == headers.get("host", "") != ""


def _is_api(scope: Scope) -> bool:
    return str(scope["path"]).startswith(f"{PREFIX}/")


def refusal_for(scope: Scope, kind: str) -> Response:
    """Return the answer to a refused request: JSON for the API, otherwise a page."""
    return api_error(kind) if _is_api(scope) else error_response(kind)


def _believe_proxy(scope: Scope, config: ConsoleConfig) -> None:
    """Take the client's address and the scheme from the headers of a trusted proxy.

    If the request does not come from a trusted proxy, these headers are ignored.
    """
    peer = scope["client"][0] if scope.get("client") else ""
    state = scope.setdefault("state", {})
    state["peer"] = peer
    if not config.is_trusted_proxy(peer):
        return
    headers = Headers(scope=scope)
    # The trusted proxy itself added the last entry.
    forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if forwarded:
        scope["client"] = (forwarded, 0)
    if headers.get("x-forwarded-proto", "") in {"http", "https"}:
        scope["scheme"] = headers["x-forwarded-proto"]


def _host_name(host: str) -> str:
    """Return the name of a Host header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _add_headers(headers: MutableHeaders, scope: Scope) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if "content-security-policy" not in headers:
        headers["content-security-policy"] = content_policy()
        headers["x-frame-options"] = "DENY"
    headers.setdefault("cache-control", "no-store")
    if scope["scheme"] == "https":
        headers.setdefault("strict-transport-security", "max-age=31536000")


def _limited(receive: Receive) -> Receive:
    """Return a `receive` that raises HTTPException (413) as soon as the body exceeds MAX_BODY_BYTES.

    The header Content-Length is not enough, because a chunked body has no such header.
    """
    size = 0

    async def receive_some() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise HTTPException(413)
        return message

    return receive_some
