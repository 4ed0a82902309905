"""Limits of the receiver's HTTP server: connections, time for headers and bodies, bytes in memory.

What belongs here: the limits, and the classes that enforce them below the application. What does not: what
the receiver does with a body (receiver). uvicorn has none of these limits for a request that is still being
received.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from whatsapp_pipeline.logs import fields

_LOG = logging.getLogger(__name__)
HEALTH_PATH = "/health"
# The time for the headers of a connection beyond the limit. It is short, because there are few of them.
_HEALTH_HEADER_SECONDS = 2.0
_BUSY_HEADERS = [(b"content-type", b"application/json"), (b"connection", b"close"), (b"retry-after", b"30")]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Upper bounds. The largest body that Meta sends (3 MB) is below all of them if it is signed."""

    connections: int = 256
    health_connections: int = 16
    """Number of further connections, which may request only HEALTH_PATH, so that it answers while all other
    connections are in use.
    """
    header_seconds: float = 10
    header_bytes: int = 64 * 2**10
    """Largest number of bytes of a request without its body: the first line, headers, the framing of chunks,
    trailers.
    """
    body_seconds: float = 30
    held_bytes: int = 64 * 2**20
    """Largest number of bytes of all bodies that are being received or wait for the disk."""
    unsigned_bytes: int = 64 * 2**10
    """Number of bytes that are kept of an unsigned body, which is enough for a person who inspects it."""


@dataclass(slots=True)
class HttpLoad:
    """The bytes in memory now, and how often each limit was hit."""

    held_bytes: int = 0
    too_many_connections: int = 0
    slow_headers: int = 0
    large_headers: int = 0
    slow_bodies: int = 0
    too_many_bytes: int = 0
    _logged: set[str] = field(default_factory=set)

    def hit(self, limit: str) -> None:
        """Count that a limit was hit. Only the first hit is logged, so that a flood does not fill the log."""
        setattr(self, limit, getattr(self, limit) + 1)
        if limit not in self._logged:
            self._logged.add(limit)
            _LOG.warning(
                "the receiver hit a limit (%s); /health counts how often",
                limit.replace("_", " "),
                extra=fields(limit=limit),
            )

    def refused(self) -> dict[str, int]:
        """Return how often each limit was hit, without the limits that were never hit."""
        names = ("too_many_connections", "slow_headers", "large_headers", "slow_bodies", "too_many_bytes")
        return {name: count for name in names if (count := getattr(self, name))}


class TooBusyError(Exception):
    """The bodies in memory have reached the byte limit. The sender will try again later."""


class HeldBytes:
    """The bytes that one request has in memory, counted against the limit for all requests."""

    def __init__(self, load: HttpLoad, most: int) -> None:
        self._load = load
        self._most = most
        self._mine = 0

    def add(self, size: int) -> None:
        """Count `size` more bytes. Raises TooBusyError if the limit would be exceeded."""
        if self._load.held_bytes + size > self._most:
            raise TooBusyError
        self._load.held_bytes += size
        self._mine += size

    def release(self) -> None:
        """Subtract this request's bytes from the total."""
        self._load.held_bytes -= self._mine
        self._mine = 0


@contextmanager
def held_bytes(load: HttpLoad, most: int) -> Iterator[HeldBytes]:
    """Yield the byte count of one request; its bytes are released when the block ends."""
    share = HeldBytes(load, most)
    try:
        yield share
    finally:
        share.release()


# At run time uvicorn decides which of its two implementations this is.
_HttpProtocol: Any = AutoHTTPProtocol
# The other implementation has no such method, and limits the bytes of headers itself.
_SHOWS_BODIES = hasattr(_HttpProtocol, "on_body")


class LimitedProtocol(_HttpProtocol):  # type: ignore[misc]  # a base class of type Any, as above
    """uvicorn's HTTP protocol with a limit on connections, and on the time and bytes that headers take.

    uvicorn creates one instance per connection. `limited_protocol` sets the limits of the class.
    """

    limits: ClassVar[HttpLimits]
    load: ClassVar[HttpLoad]
    app: ASGIApp
    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    """Bytes of the request that are not its body: headers, trailers, and the framing of chunks.

    Each byte of the body is subtracted twice: once because it was counted when it arrived, and once to allow
    framing up to the length of the body. The count never falls below zero, so a long body leaves no room for
    long trailers.
    """
    _is_extra = False
    """Whether the connection is beyond the limit and may only ask for HEALTH_PATH."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Accept the connection, unless there are too many, and set the deadline for its headers."""
        super().connection_made(transport)
        extra = len(self.connections) - self.limits.connections
        if extra > self.limits.health_connections:
            self.load.hit("too_many_connections")
            transport.abort()
            return
        if extra > 0:
            self._is_extra = True
            self.app = _health_only(self.app, self.load)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Set the deadline when another request begins. Cancel it when its headers are complete."""
        if self._deadline is None and self._is_idle():
            self._await_headers()
        self._header_bytes += len(data)
        super().data_received(data)
        if not self._is_idle():
            self._stop_waiting()
        if _SHOWS_BODIES and self._header_bytes > self.limits.header_bytes:
            self.load.hit("large_headers")
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Count the bytes of another request."""
        self._header_bytes = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Subtract a piece of the body from the count."""
        self._header_bytes = max(0, self._header_bytes - 2 * len(body))
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        """Return whether no request is being handled: none began, or the last one was answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def _await_headers(self) -> None:
        seconds = self.limits.header_seconds
        if self._is_extra:
            seconds = min(seconds, _HEALTH_HEADER_SECONDS)
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._is_idle() and not self.transport.is_closing():
            self.load.hit("too_many_connections" if self._is_extra else "slow_headers")
            self.transport.abort()


def _health_only(app: ASGIApp, load: HttpLoad) -> ASGIApp:
    """Return the application for a connection beyond the limit. It refuses all paths except HEALTH_PATH."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == HEALTH_PATH:
            await app(scope, receive, send)
            return
        load.hit("too_many_connections")
        await send({"type": "http.response.start", "status": 503, "headers": _BUSY_HEADERS})
        await send({"type": "http.response.body", "body": b'{"ok": false}'})

    return answer


def limited_protocol(limits: HttpLimits, load: HttpLoad) -> type[asyncio.Protocol]:
    """Return the protocol for uvicorn's `http` setting, with these limits."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits, "load": load})
