"""The two ways to receive that the spool is measured against, in the same framework and server.

`insert`: what most receivers do, an INSERT and a COMMIT per request. `none`: no storage at all, the ceiling.
Run as `python -m bench.webhook.baselines insert --port N`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.webhook.bodies import SECRET
from whatsapp_pipeline.webhook.receiver import PATH
from whatsapp_pipeline.webhook.signature import HEADER, is_signed

POOL = 16
_OK = Response(b'{"ok": true}', media_type="application/json")


def application(kind: str) -> Starlette:
    pool: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for _n in range(POOL if kind == "insert" else 0):
            pool.put_nowait(
                await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"], autocommit=True)
            )
        yield

    async def receive(request: Request) -> Response:
        body = await request.body()
        header = next((value for name, value in request.scope["headers"] if name == HEADER), None)
        if is_signed(body, header, [SECRET]) and kind == "insert":
            conn = await pool.get()
            try:
                await conn.execute(
                    "INSERT INTO webhook_inbox (delivery_id, received_at, body) VALUES (%b, now(), %b)",
                    (uuid4(), body),
                )
            finally:
                pool.put_nowait(conn)
        return _OK

    async def health(_: Request) -> Response:
        return JSONResponse({"ok": True})

    routes = [Route(PATH, receive, methods=["POST"]), Route("/health", health)]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["insert", "none"])
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    uvicorn.run(application(arguments.kind), port=arguments.port, access_log=False, log_level="warning")
