"""What the receiver's HTTP side may cost: connections, time for headers and bodies, bytes held.

What belongs here: the limits and what enforces them below the application. What does not: what is done with
a body (receiver). uvicorn bounds none of these for a request that is still coming in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from whatsapp_pipeline.logs import fields

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Upper bounds. A body of 3 MB, the largest that Meta sends, fits into every one of them."""

    connections: int = 256
    header_seconds: float = 10
    body_seconds: float = 30
    held_bytes: int = 64 * 2**20
    """Bytes of bodies that are still coming in or waiting for the disk, over all connections."""
    unsigned_bytes: int = 64 * 2**10
    """How much is kept of a body that nobody signed: enough to look at."""


@dataclass(slots=True)
class HttpLoad:
    """What is held now, and how often a limit was hit."""

    held_bytes: int = 0
    too_many_connections: int = 0
    slow_headers: int = 0
    slow_bodies: int = 0
    too_many_bytes: int = 0
    _logged: set[str] = field(default_factory=set)

    def hit(self, limit: str) -> None:
        """Count that a limit was hit; the first time is a warning, so that a flood does not fill the log."""
        setattr(self, limit, getattr(self, limit) + 1)
        if limit not in self._logged:
            self._logged.add(limit)
            _LOG.warning(
                "the limit on %s was hit; /health counts how often",
                limit.replace("_", " "),
                extra=fields(limit=limit),
            )

    def refused(self) -> dict[str, int]:
        """Return the limits that were hit, with how often."""
        names = ("too_many_connections", "slow_headers", "slow_bodies", "too_many_bytes")
        return {name: count for name in names if (count := getattr(self, name))}


class TooBusyError(Exception):
    """More bytes are held than the limit allows; the sender tries again later."""


class HeldBytes:
    """The share of one request in the bytes that are held."""

    def __init__(self, load: HttpLoad, most: int) -> None:
        self._load = load
        self._most = most
        self._mine = 0

    def add(self, size: int) -> None:
        """Count `size` more bytes; raises TooBusyError when they are too many."""
        if self._load.held_bytes + size > self._most:
            raise TooBusyError
        self._load.held_bytes += size
        self._mine += size

    def release(self) -> None:
        """Give the share back."""
        self._load.held_bytes -= self._mine
        self._mine = 0


@contextmanager
def held_bytes(load: HttpLoad, most: int) -> Iterator[HeldBytes]:
    """Count the bytes of one request while the block lasts."""
    share = HeldBytes(load, most)
    try:
        yield share
    finally:
        share.release()


# Which of uvicorn's two implementations it is, is decided at run time.
_HttpProtocol: Any = AutoHTTPProtocol


class LimitedProtocol(_HttpProtocol):  # type: ignore[misc]  # a base class of type Any, as above
    """uvicorn's HTTP protocol with a limit on connections and on the time that headers take.

    uvicorn makes one for each connection; `limited_protocol` gives the class its limits.
    """

    limits: ClassVar[HttpLimits]
    load: ClassVar[HttpLoad]
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take the connection, unless there are too many; its headers have to come in time."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self.load.hit("too_many_connections")
            transport.abort()
            return
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Start the clock when a further request begins; stop it once its headers are there."""
        if self._deadline is None and self._is_idle():
            self._await_headers()
        super().data_received(data)
        if not self._is_idle():
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        """Tell whether no request is under way: none began, or the last one was answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def _await_headers(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self.limits.header_seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._is_idle() and not self.transport.is_closing():
            self.load.hit("slow_headers")
            self.transport.abort()


def limited_protocol(limits: HttpLimits, load: HttpLoad) -> type[asyncio.Protocol]:
    """Return the protocol for uvicorn's `http` setting, with these limits."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits, "load": load})
