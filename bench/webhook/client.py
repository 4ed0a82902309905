"""A load generator that costs little: keep-alive connections over bare asyncio, latencies kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

from bench.webhook.bodies import sign
from whatsapp_pipeline.webhook.receiver import PATH


@dataclass
class Measured:
    """Results of a run: seconds, answers by status, latencies in milliseconds."""

    seconds: float = 0.0
    answers: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.answers.get(200, 0) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def row(self) -> str:
        other = sum(n for code, n in self.answers.items() if code != 200)
        return (
            f"{self.rate:,.0f} | {self.percentile(0.5):.1f} | {self.percentile(0.99):.1f} | "
            f"{max(self.latencies):.0f} | {other}"
        )


def requests_of(bodies: Iterable[bytes]) -> list[bytes]:
    """Frame and sign beforehand, so that the load costs the machine as little as it can."""
    return [
        (
            f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: {sign(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        + body
        for body in bodies
    ]


class _Connection(asyncio.Protocol):
    """One keep-alive connection: an answer in, the next request out."""

    def __init__(
        self,
        source: Iterator[bytes],
        more: Callable[[], bool],
        measured: Measured,
        done: asyncio.Future[None],
    ) -> None:
        self._source, self._more, self._measured, self._done = source, more, measured, done
        self._transport: asyncio.Transport | None = None
        self._began = 0.0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        request = next(self._source, None) if self._more() else None
        if request is None:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(b"}"):  # every answer of the receiver is one small JSON object
            return
        code = int(self._answer[9:12])
        self._answer = b""
        self._measured.latencies.append((time.perf_counter() - self._began) * 1000)
        self._measured.answers[code] = self._measured.answers.get(code, 0) + 1
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


def load(port: int, requests: Iterable[bytes], *, connections: int, seconds: float) -> Measured:
    """Post from several connections until the requests or the seconds are used up."""
    measured = Measured()
    source = iter(requests)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        stop_at = time.perf_counter() + seconds
        finished = [loop.create_future() for _ in range(connections)]
        began = time.perf_counter()
        for done in finished:
            await loop.create_connection(
                lambda done=done: _Connection(  # type: ignore[misc]  # bound at once
                    source, lambda: time.perf_counter() < stop_at, measured, done
                ),
                "127.0.0.1",
                port,
            )
        await asyncio.wait_for(asyncio.gather(*finished), seconds + 30)
        measured.seconds = time.perf_counter() - began

    import uvloop

    uvloop.run(run())
    return measured
