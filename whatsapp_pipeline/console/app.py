"""The application: routes, and the processing that every page needs.

What belongs here: the page and the level of each address, and handling errors. What does not: the content of
a page (pages/).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import quote

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from whatsapp_pipeline.archive.attachments import AttachmentFiles
from whatsapp_pipeline.console.access import Access, set_session_cookie
from whatsapp_pipeline.console.api.errors import PREFIX
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.error_pages import error_response, refusal_of
from whatsapp_pipeline.console.guard import Guard, refusal_for
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages import (
    account,
    attachment,
    cases,
    commitments,
    customer,
    deliveries,
    home,
    message,
    order,
    review,
    review_sample,
    search,
    transcript,
    unread,
)
from whatsapp_pipeline.console.pages.embed import EmbeddedOrder
from whatsapp_pipeline.console.pages.login import LoginPages
from whatsapp_pipeline.console.pools import ConsolePools
from whatsapp_pipeline.console.server_parts import ServerParts
from whatsapp_pipeline.console.static_files import STATIC_FOLDER, VersionedFiles
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.store.operations.console_access import Level

_LOG = logging.getLogger(__name__)

PageFunction: TypeAlias = Callable[[Page], Response]


def create_console_app(config: ConsoleConfig, pools: ConsolePools, key: bytes) -> ASGIApp:
    """Build the application over open or closed pools.

    The application opens and closes them with its lifespan.

    Args:
        config: The console's configuration.
        pools: One pool per login of the database.
        key: The privacy key, for the hashes of customers in the record of views, and of accounts in the
            record of failed logins.
    """
    from whatsapp_pipeline.console.api.application import api_application

    access = Access(pools, config, key)
    parts = ServerParts(config, pools, access, key, AttachmentFiles(config.archive))
    serve = PageServer(parts)
    login = LoginPages(access)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(pools.open)
        try:
            yield
        finally:
            await run_in_threadpool(pools.close)

    routes = [
        Route("/health", health, methods=["GET"]),
        Mount("/static", VersionedFiles(directory=STATIC_FOLDER), name="static"),
        Mount(PREFIX, api_application(parts), name="api"),
        Route("/login", login.form, methods=["GET"]),
        Route("/login", login.log_in, methods=["POST"]),
        Route("/login/once/{link}", login.once_form, methods=["GET"]),
        Route("/login/once/{link}", login.once, methods=["POST"]),
        Route("/", serve.page(home.home), methods=["GET"]),
        Route("/customers/{id}", serve.page(customer.show_customer), methods=["GET"]),
        Route("/customers/{id}/note", serve.page(customer.save_note, "analyst"), methods=["POST"]),
        Route("/customers/{id}/handled", serve.page(cases.handle, "analyst"), methods=["POST"]),
        Route("/customers/{id}/reopened", serve.page(cases.reopen, "analyst"), methods=["POST"]),
        Route("/orders/{number:path}", serve.page(order.show_order), methods=["GET"]),
        Route("/messages/{ref}", serve.page(message.message, "analyst"), methods=["GET"]),
        Route("/chats/{ref}", serve.page(message.show_chat, "analyst"), methods=["GET"]),
        Route("/attachments/{ref}", serve.page(attachment.attachment, "analyst"), methods=["GET"]),
        Route("/print/customers/{id}", serve.page(transcript.print_customer, "analyst"), methods=["GET"]),
        Route("/print/orders/{id}", serve.page(transcript.print_order, "analyst"), methods=["GET"]),
        Route("/export/customers/{id}", serve.page(transcript.export_customer, "analyst"), methods=["GET"]),
        Route("/export/orders/{id}", serve.page(transcript.export_order, "analyst"), methods=["GET"]),
        Route("/unread", serve.page(unread.unread, "analyst"), methods=["GET"]),
        Route("/unread/file", serve.page(unread.unread_file, "analyst"), methods=["GET"]),
        Route("/unread/file", serve.page(unread.read_otherwise, "reviewer"), methods=["POST"]),
        Route("/deliveries", serve.page(deliveries.show_dead_letters, "analyst"), methods=["GET"]),
        Route("/deliveries/replay", serve.page(deliveries.replay_deliveries, "reviewer"), methods=["POST"]),
        Route("/review", serve.page(review.show_queue, "reviewer"), methods=["GET"]),
        Route("/review/next", serve.page(review.next_item, "reviewer"), methods=["GET"]),
        Route("/review/sample", serve.page(review_sample.blind_sample, "reviewer"), methods=["GET"]),
        Route("/review/sample/chat:{id}", serve.page(review_sample.blind_item, "reviewer"), methods=["GET"]),
        Route("/review/sample/chat:{id}", serve.page(review_sample.judge_link, "reviewer"), methods=["POST"]),
        Route("/review/history", serve.page(review.show_history, "reviewer"), methods=["GET"]),
        Route("/review/decisions/{id}/undo", serve.page(review.undo, "reviewer"), methods=["POST"]),
        *(
            Route(f"/review/{{source}}:{{id}}{path}", serve.page(function, "reviewer"), methods=[method])
            for path, function, method in (
                ("", review.item, "GET"),
                ("/decide", review.confirm, "GET"),
                ("/decide", review.post_decision, "POST"),
                ("/later", review.post_snooze, "POST"),
                ("/{session}", review.item, "GET"),
                ("/{session}/decide", review.confirm, "GET"),
                ("/{session}/decide", review.post_decision, "POST"),
                ("/{session}/later", review.post_snooze, "POST"),
            )
        ),
        Route("/embed/orders/{number}", EmbeddedOrder(parts).page, methods=["GET"]),
        Route("/commitments", serve.page(commitments.show_commitments), methods=["GET"]),
        Route("/search", serve.page(search.show_search), methods=["GET"]),
        Route("/account", serve.page(account.show_account), methods=["GET"]),
        Route("/account/password", serve.page(account.change_password), methods=["POST"]),
        Route("/logout", serve.page(account.log_out), methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, 500: _failure},
    )
    return Guard(app, config)


class PageServer:
    """Converts a page's function to an endpoint with session, level, transaction and error handling."""

    def __init__(self, parts: ServerParts) -> None:
        self._parts = parts
        self._access = parts.access

    def page(
        self, function: PageFunction, level: Level = "reader"
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint of a page that users of at least `level` may open."""

        async def endpoint(request: Request) -> Response:
            body = await request.body() if request.method == "POST" else b""
            return await run_in_threadpool(self._answer, function, level, request, body)

        return endpoint

    def _answer(self, function: PageFunction, level: Level, request: Request, body: bytes) -> Response:
        try:
            visitor = self._access.visitor(request)
            if visitor is None:
                return self._to_login(request)
            if not visitor.may(level):
                return error_response("not_allowed")
            with self._parts.pools.connection(visitor.level) as conn, conn.transaction():
                return function(self._parts.page(request, body, visitor, conn))
        except psycopg.errors.InvalidAuthorizationSpecification:
            return self._to_login(request)  # the session ended while the page was read
        except Exception as error:
            return error_response(refusal_of(error))

    def _to_login(self, request: Request) -> Response:
        named = self._access.proxy_user(request)
        if named is not None:
            token = self._access.log_in_by_proxy(named)
            if token is None:
                return error_response("not_allowed")
            response: Response = RedirectResponse(_own_address(request), status_code=303)
            set_session_cookie(request, response, token)
            return response
        back = _own_address(request) if request.method == "GET" else "/"
        query = f"?next={quote(back, safe='')}" if back != "/" else ""
        return RedirectResponse(f"/login{query}", status_code=303)


def _own_address(request: Request) -> str:
    """Return the path and query of a request, as the browser sent them."""
    path = quote(request.url.path, safe="/:~")
    return f"{path}?{request.url.query}" if request.url.query else path


def health(_: Request) -> Response:
    """Answer that the process runs.

    The database is not checked, because a restart of the console would not fix it.
    """
    return PlainTextResponse("ok")


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    kind = {405: "wrong_method", 400: "bad_request", 413: "too_large"}.get(status, "not_found")
    return refusal_for(request.scope, kind)


def _failure(_: Request, error: Exception) -> Response:
    _LOG.error("a page failed (%s)", type(error).__name__, extra=fields(error=type(error).__name__))
    return error_response("failure")
