"""The HTTP side: cap the body, check the signature, spool it, answer.

What belongs here: the two routes and the server around them. What does not: anything that reads what a body
says, and the database, which no answer waits for.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.webhook.drainer import Drainer
from whatsapp_pipeline.webhook.quarantine import Quarantine, quarantine_directory
from whatsapp_pipeline.webhook.records import MAX_BODY_BYTES
from whatsapp_pipeline.webhook.signature import HEADER, is_signed
from whatsapp_pipeline.webhook.spool import SpoolError, SpoolWriter, spool_directory

_LOG = logging.getLogger(__name__)
PATH = "/api/whatsapp/webhook"
_OK = b'{"ok": true}'
# A body over the cap is read on to here, so that its sender gets to read the answer.
_DISCARD_BYTES = 4 * MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """What the receiver must know; secrets have no repr."""

    spool_dir: Path
    secrets: tuple[str, ...]
    verify_token: str | None
    insecure: bool = False

    def __repr__(self) -> str:
        return f"ReceiverConfig(spool_dir={self.spool_dir}, insecure={self.insecure})"


def config_from(settings: Settings, *, insecure: bool) -> ReceiverConfig:
    """Read the receiver's part of the settings; raises SettingError without a secret, unless `insecure`."""
    if not settings.whatsapp_app_secrets and not insecure:
        raise SettingError(
            "WHATSAPP_APP_SECRET is not set, so nobody's messages could be told from a forger's; "
            "set it, or pass --insecure to accept unsigned bodies on a machine nobody else reaches"
        )
    return ReceiverConfig(
        spool_dir=spool_directory(settings),
        secrets=settings.whatsapp_app_secrets,
        verify_token=settings.whatsapp_verify_token,
        insecure=insecure,
    )


class TooLargeError(Exception):
    """The body is over the cap."""


class Receiver:
    """The endpoints over one spool."""

    def __init__(self, config: ReceiverConfig, writer: SpoolWriter) -> None:
        self._config = config
        self._writer = writer
        self._quarantine = Quarantine(quarantine_directory(config.spool_dir))
        self._ok = Response(_OK, media_type="application/json")
        self._unavailable = Response(_OK, status_code=503, media_type="application/json")
        self._refusing = False

    async def receive(self, request: Request) -> Response:
        """Take a delivery: 200 once it is on disk, 503 when the disk takes none, 413 over the cap."""
        try:
            body = await _body(request)
        except TooLargeError:
            return Response(b'{"ok": false}', status_code=413, media_type="application/json")
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        if not self._accepts(request, body):
            self._quarantine.keep(body)
            return self._ok
        try:
            await self._writer.append(body)
        except SpoolError as error:
            if not self._refusing:
                _LOG.error("%s; answering 503 until it does", error)
            self._refusing = True
            return self._unavailable
        self._refusing = False
        return self._ok

    async def takes_deliveries(self) -> bool:
        """Say whether the next delivery will be taken; after a refusal, by a trial.

        Who asks may be what sends no deliveries here until the answer is yes.
        """
        if self._refusing:
            self._refusing = not await asyncio.to_thread(self._writer.takes)
        return not self._refusing

    def _accepts(self, request: Request, body: bytes) -> bool:
        header = next((value for name, value in request.scope["headers"] if name == HEADER), None)
        if header is None and self._config.insecure:
            return True
        # Insecure without a secret: whatever signature came cannot be checked.
        if self._config.insecure and not self._config.secrets:
            return True
        return is_signed(body, header, self._config.secrets)

    async def verify(self, request: Request) -> Response:
        """Answer the subscription handshake: the bare challenge, or 403."""
        query = request.query_params
        token = self._config.verify_token
        given = query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        right = token is not None and hmac.compare_digest(given, token.encode())
        if right and query.get("hub.mode") == "subscribe" and "hub.challenge" in query:
            return PlainTextResponse(query["hub.challenge"].encode("utf-8", "replace"))
        return PlainTextResponse("forbidden", status_code=403)


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > _DISCARD_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise TooLargeError
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def create_app(config: ReceiverConfig, writer: SpoolWriter, drainer: Drainer | None) -> Starlette:
    """Build the application; it owns `writer` and `drainer` (None: somebody else drains) while it runs."""
    receiver = Receiver(config, writer)
    stop = threading.Event()
    # A daemon: a database that hangs must not keep the process, and the spool is on disk.
    thread = threading.Thread(target=drainer.run, args=(stop,), daemon=True) if drainer else None

    async def health(_: Request) -> Response:
        state = drainer.state if drainer else None
        draining = {"drained": state.drained, "waiting": state.last_error} if state else {}
        ok = await receiver.takes_deliveries()
        return JSONResponse({"ok": ok, **draining}, status_code=200 if ok else 503)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if thread is not None:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            if thread is not None:
                thread.join(timeout=10)
            writer.close()

    routes = [
        Route(PATH, receiver.receive, methods=["POST"]),
        Route(PATH, receiver.verify, methods=["GET"]),
        Route("/health", health, methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def serve(
    config: ReceiverConfig,
    database_url: Callable[[], str],
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
) -> None:
    """Serve until interrupted; raises SpoolError when the spool is not writable."""
    import uvicorn

    writer = SpoolWriter(config.spool_dir)
    drainer = Drainer(config.spool_dir, database_url(), seal=writer.seal)
    app = create_app(config, writer, drainer)
    if config.insecure:
        say("--insecure: bodies are accepted from anybody who reaches this port, signed or not")
    say(f"receiving webhooks on http://{host}:{port}{PATH}")
    uvicorn.run(app, host=host, port=port, access_log=False, log_level="warning", timeout_graceful_shutdown=5)
