"""A proxy in front of an HTTP server that delays, refuses, cuts off and counts requests without a body.

    python -m whatsapp_pipeline_tests.archive.fault_proxy UPSTREAM_PORT DELAY_SECONDS [ADDRESS]

prints its port and runs until it is ended. It listens on the address on which the server does: loopback, if
none is named.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple
from urllib.parse import unquote

Fault = Literal["reset", "slow_down", "internal", "truncate"] | None
_BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
_FAILED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code>'
    b"<Message>We encountered an internal error.</Message></Error>"
)
_TOGETHER_SECONDS = 60.0


class Request(NamedTuple):
    """One request that came: its method and its decoded path with the query."""

    method: str
    target: str

    @property
    def is_listing(self) -> bool:
        """True if it lists objects."""
        return "list-type=" in self.target


def _no_fault(_: Request) -> Fault:
    return None


class FaultProxy:
    """The proxy; it runs in a loop of its own thread, see `fault_proxy`."""

    def __init__(self, upstream: int, delay: float = 0.0, address: str = "127.0.0.1") -> None:
        self._upstream = upstream
        self._address = address
        self.delay = delay
        self.fault: Callable[[Request], Fault] = _no_fault
        self.requests: list[Request] = []
        self.port = 0
        self.in_flight = self.most_in_flight = 0
        # How many requests must be under way at once before any is answered; 0: each is answered as it comes.
        self.together = 0
        self._are_together = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self.loop = asyncio.new_event_loop()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, self._address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and cut those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in list(self._clients):
            client.transport.abort()

    def answer_together(self, count: int) -> None:
        """Answer no further request before `count` are under way at once; then answer all as they come.

        With 0, requests that are held and all further ones are answered as they come.
        """

        def hold() -> None:
            self.together = count
            if count:
                self._are_together.clear()
            else:
                self._are_together.set()

        self.loop.call_soon_threadsafe(hold)

    def go_away(self, seconds: float | None) -> None:
        """Refuse connections for some time, from any thread; None: until `come_back`."""

        def leave() -> None:
            self.loop.create_task(self.stop())
            if seconds is not None:
                self.loop.call_later(seconds, lambda: self.loop.create_task(self.start()))

        self.loop.call_soon_threadsafe(leave)

    def come_back(self) -> None:
        """Accept connections again."""
        asyncio.run_coroutine_threadsafe(self.start(), self.loop).result()

    async def _serve(self, client: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        self._clients.add(out)
        try:
            server, upward = await asyncio.open_connection(self._address, self._upstream)
            try:
                while await self._answer(client, out, server, upward):
                    pass
            finally:
                upward.close()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._clients.discard(out)
            out.transport.abort()

    async def _answer(
        self,
        client: asyncio.StreamReader,
        out: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        upward: asyncio.StreamWriter,
    ) -> bool:
        """Pass one request on; return whether the connection goes on."""
        head = await client.readuntil(b"\r\n\r\n")
        head, body = await _whole_request(head, client, out)
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        request = Request(method, unquote(target))
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.in_flight >= self.together:
                self._are_together.set()
            await asyncio.wait_for(self._are_together.wait(), _TOGETHER_SECONDS)
            fault = self.fault(request)
            if self.delay:
                await asyncio.sleep(self.delay)
            if fault == "reset":
                return False
            if fault in ("slow_down", "internal"):
                status, said = (b"503 Slow Down", _BUSY) if fault == "slow_down" else (b"500 Failed", _FAILED)
                length = f"Content-Length: {len(said)}\r\nContent-Type: application/xml\r\n\r\n".encode()
                out.write(b"HTTP/1.1 " + status + b"\r\n" + length + (said if method != "HEAD" else b""))
                await out.drain()
                return True
            upward.write(head + body)
            return await _pass_answer(server, out, has_body=method != "HEAD", is_cut=fault == "truncate")
        finally:
            self.in_flight -= 1


async def _whole_request(
    head: bytes, client: asyncio.StreamReader, out: asyncio.StreamWriter
) -> tuple[bytes, bytes]:
    """Read the body of a request; return its head, without a wish to be asked for the body, and the body."""
    lines = head.split(b"\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    if fields.pop(b"expect", b"").lower() == b"100-continue":
        out.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await out.drain()
        head = b"\r\n".join(line for line in lines if not line.lower().startswith(b"expect:"))
    if fields.get(b"transfer-encoding", b"").lower() != b"chunked":
        return head, await client.readexactly(int(fields.get(b"content-length", b"0")))
    body = b""
    while True:
        size = await client.readuntil(b"\r\n")
        body += size + await client.readexactly(int(size, 16) + 2)
        if int(size, 16) == 0:
            return head, body


async def _pass_answer(
    server: asyncio.StreamReader, out: asyncio.StreamWriter, *, has_body: bool, is_cut: bool
) -> bool:
    head = await server.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), None)
    out.write(head)
    if not has_body or lines[0].split(b" ")[1] in (b"204", b"304"):
        await out.drain()
        return True
    if length is None:
        return await _pass_chunks(server, out)
    left = length // 2 if is_cut else length
    while left:
        data = await server.read(min(left, 1 << 16))
        out.write(data)
        await out.drain()
        left -= len(data)
    if is_cut:
        out.close()
        await out.wait_closed()
    return not is_cut


async def _pass_chunks(server: asyncio.StreamReader, out: asyncio.StreamWriter) -> bool:
    while True:
        size = await server.readuntil(b"\r\n")
        out.write(size + await server.readexactly(int(size, 16) + 2))
        await out.drain()
        if int(size, 16) == 0:
            return True


@contextmanager
def fault_proxy(upstream: int, delay: float = 0.0) -> Iterator[FaultProxy]:
    """Run a proxy in a thread until the block ends."""
    proxy = FaultProxy(upstream, delay)
    thread = threading.Thread(target=proxy.loop.run_forever, name="fault-proxy", daemon=True)
    thread.start()
    try:
        proxy.come_back()
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), proxy.loop).result()
        proxy.loop.call_soon_threadsafe(proxy.loop.stop)
        thread.join()


def main() -> None:
    """Run a proxy as a process of its own."""
    proxy = FaultProxy(int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
    proxy.loop.run_until_complete(proxy.start())
    sys.stdout.write(f"{proxy.port}\n")
    sys.stdout.flush()
    proxy.loop.run_forever()


if __name__ == "__main__":
    main()
