"""The HTTP server: it checks the size and the signature of a body, writes the body to the spool and answers.

What belongs here: the routes and the server around them. What does not: anything that reads the content of a
body, and anything that would make an answer wait for the database.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.webhook.drainer import CORRUPT, Drainer, DrainRefusedError, damaged, drain_now
from whatsapp_pipeline.webhook.http_limits import (
    HEALTH_PATH,
    HeldBytes,
    HttpLimits,
    HttpLoad,
    TooBusyError,
    held_bytes,
    limited_protocol,
)
from whatsapp_pipeline.webhook.quarantine import Quarantine, quarantine_directory
from whatsapp_pipeline.webhook.records import MAX_BODY_BYTES
from whatsapp_pipeline.webhook.signature import HEADER, is_signed
from whatsapp_pipeline.webhook.spool import (
    LOCK,
    STRAY,
    SpoolError,
    SpoolWriter,
    list_stray,
    segments,
    spool_directory,
)

_LOG = logging.getLogger(__name__)
PATH = "/api/whatsapp/webhook"
_OK = b'{"ok": true}'
# A body over MAX_BODY_BYTES is read up to this size and discarded, so that its sender can read the answer.
_DISCARD_BYTES = 4 * MAX_BODY_BYTES
# Checking the signature of a larger body takes milliseconds.
_LARGE_BYTES = 256 * 2**10


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """The receiver's settings. The repr leaves out the secrets."""

    spool_dir: Path
    secrets: tuple[str, ...]
    verify_token: str | None
    insecure: bool = False
    limits: HttpLimits = field(default_factory=HttpLimits)

    def __repr__(self) -> str:
        return f"ReceiverConfig(spool_dir={self.spool_dir}, insecure={self.insecure})"


def config_from(settings: Settings, *, insecure: bool) -> ReceiverConfig:
    """Return the receiver's part of the settings.

    Raises SettingError if there is no secret, unless `insecure`.
    """
    if not settings.whatsapp_app_secrets and not insecure:
        raise SettingError(
            "WHATSAPP_APP_SECRET is not set, so a forged message cannot be detected; "
            "set it, or pass --insecure to accept unsigned bodies on a machine that nobody else can reach"
        )
    verify_token = settings.whatsapp_verify_token
    return ReceiverConfig(
        spool_dir=spool_directory(settings),
        secrets=tuple(secret.get_secret_value() for secret in settings.whatsapp_app_secrets),
        verify_token=verify_token.get_secret_value() if verify_token else None,
        insecure=insecure,
    )


class TooLargeError(Exception):
    """The body has more than MAX_BODY_BYTES."""


class Receiver:
    """The endpoints that write to one spool."""

    def __init__(self, config: ReceiverConfig, writer: SpoolWriter, load: HttpLoad) -> None:
        self._config = config
        self._load = load
        self._writer = writer
        self._quarantine = Quarantine(quarantine_directory(config.spool_dir))
        self._ok = Response(_OK, media_type="application/json")
        self._unavailable = Response(_OK, status_code=503, media_type="application/json")
        self._busy = _refusal(503, {"retry-after": "30"})
        self._refusing = False

    async def receive(self, request: Request) -> Response:
        """Accept a delivery and answer 200 once it is on disk.

        A body with a bad signature is answered with 200, too, but it is kept in quarantine and not in the
        spool. The answer is 503 when the disk or the memory has no room, 413 for a body that is too large,
        and 408 for a body that takes too long to arrive.
        """
        with held_bytes(self._load, self._config.limits.held_bytes) as share:
            try:
                async with asyncio.timeout(self._config.limits.body_seconds):
                    body = await self._body(request, share)
            except TooLargeError:
                return _refusal(413)
            except TimeoutError:
                self._load.hit("slow_bodies")
                return _refusal(408)
            except TooBusyError:
                self._load.hit("too_many_bytes")
                return self._busy
            except ClientDisconnect:
                return Response(status_code=400)  # the client has left, so nobody reads this answer
            return await self._store(request, body)

    async def _body(self, request: Request, share: HeldBytes) -> bytes:
        """Read a body. Of a body without a signature, only the first `unsigned_bytes` are kept.

        Raises TooLargeError for a body of more than MAX_BODY_BYTES.
        """
        most = MAX_BODY_BYTES if self._may_be_signed(request) else self._config.limits.unsigned_bytes
        chunks: list[bytes] = []
        size = kept = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= MAX_BODY_BYTES and kept < most:
                part = chunk[: most - kept]
                share.add(len(part))
                chunks.append(part)
                kept += len(part)
            elif size > _DISCARD_BYTES:
                break
        if size > MAX_BODY_BYTES:
            raise TooLargeError
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _may_be_signed(self, request: Request) -> bool:
        return self._config.insecure or any(name == HEADER for name, _ in request.scope["headers"])

    async def _store(self, request: Request, body: bytes) -> Response:
        """Write a body to the spool, or to the quarantine if its signature is bad; return the answer."""
        if len(body) > _LARGE_BYTES:  # in a thread, so that other requests are answered meanwhile
            accepted = await asyncio.to_thread(self._accepts, request, body)
        else:
            accepted = self._accepts(request, body)
        if not accepted:
            self._quarantine.keep(body)
            return self._ok
        try:
            await self._writer.append(body)
        except SpoolError as error:
            if not self._refusing:
                _LOG.error(
                    "%s; the receiver answers 503 until it can write again", error, extra=fields(status=503)
                )
            self._refusing = True
            return self._unavailable
        self._refusing = False
        return self._ok

    async def takes_deliveries(self) -> bool:
        """Return whether the next delivery will be accepted. After a refusal, a trial write decides.

        A load balancer may send no deliveries to this process until /health reports success. So the next
        delivery can't be the trial.
        """
        if self._refusing:
            self._refusing = not await asyncio.to_thread(self._writer.takes)
        return not self._refusing

    def _accepts(self, request: Request, body: bytes) -> bool:
        header = next((value for name, value in request.scope["headers"] if name == HEADER), None)
        if header is None and self._config.insecure:
            return True
        # Without a secret no signature can be checked.
        if self._config.insecure and not self._config.secrets:
            return True
        return is_signed(body, header, self._config.secrets)

    async def verify(self, request: Request) -> Response:
        """Answer the subscription handshake with the challenge as plain text, or with 403."""
        query = request.query_params
        token = self._config.verify_token
        given = query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        right = token is not None and hmac.compare_digest(given, token.encode())
        if right and query.get("hub.mode") == "subscribe" and "hub.challenge" in query:
            return PlainTextResponse(query["hub.challenge"].encode("utf-8", "replace"))
        return PlainTextResponse("forbidden", status_code=403)


def _refusal(status: int, headers: dict[str, str] | None = None) -> Response:
    """Return a refusal that closes the connection, because the rest of the body may still arrive."""
    return Response(
        b'{"ok": false}',
        status_code=status,
        media_type="application/json",
        headers={"connection": "close", **(headers or {})},
    )


def create_receiver_app(
    config: ReceiverConfig, writer: SpoolWriter, drainer: Drainer | None, load: HttpLoad | None = None
) -> Starlette:
    """Build the application. While it runs, it owns `writer` and `drainer`.

    `drainer` is None when another process drains the spool.
    """
    load = load or HttpLoad()
    receiver = Receiver(config, writer, load)
    stop = threading.Event()
    # A daemon thread, so that a hanging database does not keep the process from ending. The spool is on disk.
    thread = threading.Thread(target=drainer.run, args=(stop,), daemon=True) if drainer else None

    async def health(_: Request) -> Response:
        state = drainer.state if drainer else None
        draining = {"drained": state.drained, "waiting": state.last_error} if state else {}
        ok = await receiver.takes_deliveries()
        problems = await asyncio.to_thread(spool_problems, config.spool_dir, drainer)
        shown = {"problems": problems} if problems else {}
        hit = {"limits_hit": refused} if (refused := load.refused()) else {}
        return JSONResponse({"ok": ok, **draining, **shown, **hit}, status_code=200 if ok else 503)

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
        Route(HEALTH_PATH, health, methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def serve_receiver(
    config: ReceiverConfig,
    database_url: Callable[[], str],
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
    refusal: Callable[[], str | None] | None = None,
) -> None:
    """Serve until the process is interrupted. Raises SpoolError if the spool is not writable.

    While `refusal` returns a reason, deliveries stay in the spool.
    """
    import uvicorn

    url = database_url()
    writer = open_spool(config.spool_dir, url, refusal=refusal)
    drainer = Drainer(config.spool_dir, url, seal=writer.seal, refusal=refusal)
    load = HttpLoad()
    app = create_receiver_app(config, writer, drainer, load)
    if config.insecure:
        say("--insecure: the receiver accepts bodies from anybody who reaches this port, signed or not")
    say(f"receiving webhooks on http://{host}:{port}{PATH}")
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
        http=limited_protocol(config.limits, load),
        backlog=2 * config.limits.connections,
    )


def open_spool(directory: Path, url: str, *, refusal: Callable[[], str | None] | None = None) -> SpoolWriter:
    """Open the spool. If it has no room, drain it into the database first, unless `refusal` has a reason.

    Raises SpoolError when the spool still cannot be written.
    """
    try:
        return SpoolWriter(directory)
    except SpoolError as error:
        if not segments(directory):
            raise
        _LOG.warning(
            "%s; emptying the spool into the database first", error, extra=fields(reason=type(error).__name__)
        )
        try:
            if refusal is not None and (reason := refusal()):
                raise DrainRefusedError(reason)
            with connect(url, application_name="whatsapp-pipeline webhook drainer") as conn:
                drain_now(directory, conn, wait_seconds=60)
        except (psycopg.Error, PipelineError, OSError) as second:
            raise error from second
    return SpoolWriter(directory)


def spool_problems(directory: Path, drainer: Drainer | None) -> list[str]:
    """List the problems in the spool's folder that do not stop the receiver from accepting deliveries."""
    counted = {
        f"damaged segment(s) in {CORRUPT}/: check them, then delete them": damaged(directory),
        f"stray file(s) in {STRAY}/: the receiver did not write them and moved them there": (
            list_stray(directory)
        ),
        "segment(s) cannot be read; they contain accepted deliveries: correct the file permissions, "
        "do not delete them": sorted(drainer.state.unreadable) if drainer else [],
    }
    problems = [f"{len(found)} {words}" for words, found in counted.items() if found]
    if drainer and (reason := drainer.state.lock_error):
        problems.append(
            f"{LOCK} cannot be opened ({reason}), so accepted deliveries wait in the spool: "
            "correct its owner and permissions"
        )
    return problems
