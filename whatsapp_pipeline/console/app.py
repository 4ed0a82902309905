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
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from whatsapp_pipeline.archive.attachments import AttachmentFiles
from whatsapp_pipeline.console.access import Access, set_session_cookie
from whatsapp_pipeline.console.api.errors import PREFIX
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.console_context import ConsoleContext
from whatsapp_pipeline.console.error_pages import error_response, places_of, refusal_of
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
from whatsapp_pipeline.console.static_files import STATIC_FOLDER, VersionedFiles
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.store.operations.console_access import Level

_LOG = logging.getLogger(__name__)

PageFunction: TypeAlias = Callable[[Page], Response]


def create_console_app(config: ConsoleConfig, pools: ConsolePools, key: bytes) -> ASGIApp:
    """Build the console's ASGI application.

    The application opens the pools when it starts and closes them when it stops.

    Args:
        config: The console's configuration.
        pools: One pool per login of the database.
        key: The privacy key. It hashes the customers in the record of views, and the accounts and client
            addresses in the record of failed logins.
    """
    access = Access(pools, config, key)
    context = ConsoleContext(config, pools, access, key, AttachmentFiles(config.archive))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(pools.open)
        try:
            yield
        finally:
            await run_in_threadpool(pools.close)

    app = Starlette(
        routes=_routes(context),
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, 500: _failure},
    )
    return Guard(app, config)


def _routes(context: ConsoleContext) -> list[BaseRoute]:
    # The API is imported here, because FastAPI is loaded only when a console starts.
    from whatsapp_pipeline.console.api.application import api_application

    server = PageServer(context)
    return [
        Route("/health", health, methods=["GET"]),
        Mount("/static", VersionedFiles(directory=STATIC_FOLDER), name="static"),
        Mount(PREFIX, api_application(context), name="api"),
        *_login_routes(LoginPages(context.access)),
        *_customer_routes(server),
        *_order_routes(server),
        *_message_routes(server),
        *_unread_routes(server),
        *_review_routes(server),
        Route("/embed/orders/{number}", EmbeddedOrder(context).page, methods=["GET"]),
        *_account_routes(server),
    ]


def _login_routes(login: LoginPages) -> list[Route]:
    """Return the routes that need no session."""
    return [
        Route("/login", login.form, methods=["GET"]),
        Route("/login", login.log_in, methods=["POST"]),
        Route("/login/once/{link}", login.once_form, methods=["GET"]),
        Route("/login/once/{link}", login.once, methods=["POST"]),
    ]


def _customer_routes(server: PageServer) -> list[Route]:
    """Return the routes of the home page, the search, customers, cases and commitments."""
    return [
        server.get("/", home.home),
        server.get("/search", search.show_search),
        server.get("/commitments", commitments.show_commitments),
        server.get("/customers/{id}", customer.show_customer),
        server.post("/customers/{id}/note", customer.save_note, "analyst"),
        server.post("/customers/{id}/handled", cases.handle, "analyst"),
        server.post("/customers/{id}/reopened", cases.reopen, "analyst"),
        server.get("/print/customers/{id}", transcript.print_customer, "analyst"),
        server.get("/export/customers/{id}", transcript.export_customer, "analyst"),
    ]


def _order_routes(server: PageServer) -> list[Route]:
    return [
        server.get("/orders/{number:path}", order.show_order),
        server.get("/print/orders/{id}", transcript.print_order, "analyst"),
        server.get("/export/orders/{id}", transcript.export_order, "analyst"),
    ]


def _message_routes(server: PageServer) -> list[Route]:
    return [
        server.get("/messages/{ref}", message.message, "analyst"),
        server.get("/chats/{ref}", message.show_chat, "analyst"),
        server.get("/attachments/{ref}", attachment.attachment, "analyst"),
    ]


def _unread_routes(server: PageServer) -> list[Route]:
    """Return the routes of files that could not be read, and of deliveries that failed."""
    return [
        server.get("/unread", unread.unread, "analyst"),
        server.get("/unread/file", unread.unread_file, "analyst"),
        server.post("/unread/file", unread.save_reading_options, "reviewer"),
        server.get("/deliveries", deliveries.show_dead_letters, "analyst"),
        server.post("/deliveries/replay", deliveries.replay_deliveries, "reviewer"),
    ]


def _review_routes(server: PageServer) -> list[Route]:
    """Return the routes of the review.

    The fixed paths come first, because Starlette uses the first route that matches.
    """
    item = "/review/{source}:{id}"
    return [
        server.get("/review", review.show_queue, "reviewer"),
        server.get("/review/next", review.next_item, "reviewer"),
        server.get("/review/sample", review_sample.blind_sample, "reviewer"),
        server.get("/review/sample/chat:{id}", review_sample.blind_item, "reviewer"),
        server.post("/review/sample/chat:{id}", review_sample.judge_link, "reviewer"),
        server.get("/review/history", review.show_history, "reviewer"),
        server.post("/review/decisions/{id}/undo", review.undo, "reviewer"),
        server.get(item, review.item, "reviewer"),
        server.get(f"{item}/decide", review.confirm, "reviewer"),
        server.post(f"{item}/decide", review.post_decision, "reviewer"),
        server.post(f"{item}/later", review.post_snooze, "reviewer"),
        server.get(f"{item}/{{session}}", review.item, "reviewer"),
        server.get(f"{item}/{{session}}/decide", review.confirm, "reviewer"),
        server.post(f"{item}/{{session}}/decide", review.post_decision, "reviewer"),
        server.post(f"{item}/{{session}}/later", review.post_snooze, "reviewer"),
    ]


def _account_routes(server: PageServer) -> list[Route]:
    return [
        server.get("/account", account.show_account),
        server.post("/account/password", account.change_password),
        server.post("/logout", account.log_out),
    ]


class PageServer:
    """Makes routes from the functions of pages: it adds session, level, transaction and error handling."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context
        self._access = context.access

    def get(self, path: str, function: PageFunction, level: Level = "reader") -> Route:
        """Return the route of a page that users of at least `level` may open."""
        return Route(path, self._endpoint(function, level), methods=["GET"])

    def post(self, path: str, function: PageFunction, level: Level = "reader") -> Route:
        """Return the route of an action that users of at least `level` may perform."""
        return Route(path, self._endpoint(function, level), methods=["POST"])

    def _endpoint(self, function: PageFunction, level: Level) -> Callable[[Request], Awaitable[Response]]:

        async def endpoint(request: Request) -> Response:
            body = await request.body() if request.method == "POST" else b""
            return await run_in_threadpool(self._answer, function, level, request, body)

        return endpoint

    def _answer(self, function: PageFunction, level: Level, request: Request, body: bytes) -> Response:
        try:
            visitor = self._access.visitor(request)
            if visitor is None:
                return self._login_redirect(request)
            if not visitor.may(level):
                return error_response("not_allowed")
            with self._context.pools.connection(visitor.level) as conn, conn.transaction():
                return function(self._context.page(request, body, visitor, conn))
        except psycopg.errors.InvalidAuthorizationSpecification:
            # The SQL functions that record views and replays raise this error if the session ended or its
            # user was disabled while the page was being made.
            return self._login_redirect(request)
        except Exception as error:
            return error_response(refusal_of(error))

    def _login_redirect(self, request: Request) -> Response:
        """Return a redirect to the login page.

        After the login, the browser returns to the requested page or, after a POST, to the home page. If a
        trusted proxy names the user, the user is logged in here, and the browser opens the same address again
        with a GET.
        """
        proxy_user = self._access.proxy_user(request)
        if proxy_user is not None:
            token = self._access.log_in_by_proxy(proxy_user)
            if token is None:
                return error_response("not_allowed")
            response: Response = RedirectResponse(_path_and_query(request), status_code=303)
            set_session_cookie(request, response, token)
            return response
        back = _path_and_query(request) if request.method == "GET" else "/"
        query = f"?next={quote(back, safe='')}" if back != "/" else ""
        return RedirectResponse(f"/login{query}", status_code=303)


def _path_and_query(request: Request) -> str:
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
    at = places_of(error)
    _LOG.error(
        "unhandled error: %s at %s", type(error).__name__, at, extra=fields(error=type(error).__name__, at=at)
    )
    return error_response("failure")
