"""A TCP link to a server that can go silent, as when the server's host loses its power or its network.

What belongs here: passing bytes on, and passing none on without closing a connection. What does not: faults
of HTTP (archive/fault_proxy.py).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class SilentLink:
    """The link; it runs in a loop of its own thread, see `silent_link`."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self.port = 0
        self.is_silent = False
        # Connections that were open when the link went silent. They stay silent, as after a restart
        # of the host, which knows nothing of them.
        self._lost: set[int] = set()
        self._open: set[int] = set()
        self._count = 0

    def go_silent(self) -> None:
        """Pass nothing on, on open and on new connections."""
        self.is_silent = True
        self._lost |= self._open

    def come_back(self) -> None:
        """Pass on what comes on new connections."""
        self.is_silent = False

    async def serve(self, ready: threading.Event) -> None:
        """Listen on loopback until the task is cancelled."""
        server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await server.serve_forever()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        number = self._count
        self._open.add(number)
        if self.is_silent:
            self._lost.add(number)
        try:
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
                both = self._pass(number, reader, far_writer), self._pass(number, far_reader, writer)
                await asyncio.gather(*both)
                far_writer.close()
        finally:
            self._open.discard(number)
            writer.close()

    async def _pass(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if number in self._lost:
                    continue
                writer.write(data)
                await writer.drain()
        if number not in self._lost:
            writer.close()


@contextmanager
def silent_link(upstream: int) -> Iterator[SilentLink]:
    """Run a link to a port of loopback."""
    link, loop, ready = SilentLink(upstream), asyncio.new_event_loop(), threading.Event()
    task = loop.create_task(link.serve(ready))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(30)
        yield link
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=30)
