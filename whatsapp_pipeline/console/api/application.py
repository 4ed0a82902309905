"""The API's application: its routes, its OpenAPI document, and its answers to invalid requests.

What belongs here: the function and the level of each address. What does not: the functions (reading.py,
reviewing.py, sampling.py and the other modules of this package).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from whatsapp_pipeline.console.api import answers as shapes
from whatsapp_pipeline.console.api.api_server import ApiServer
from whatsapp_pipeline.console.api.commitments import CommitmentsApi
from whatsapp_pipeline.console.api.deliveries import DeliveriesApi
from whatsapp_pipeline.console.api.errors import STATUSES, ApiError, api_error, message_of
from whatsapp_pipeline.console.api.managing import ManagingApi
from whatsapp_pipeline.console.api.pipeline_state import PipelineStateApi
from whatsapp_pipeline.console.api.reading import ReadingApi
from whatsapp_pipeline.console.api.reviewing import ReviewingApi
from whatsapp_pipeline.console.api.sampling import SamplingApi
from whatsapp_pipeline.console.api.unread_files import UnreadFilesApi
from whatsapp_pipeline.console.console_context import ConsoleContext
from whatsapp_pipeline.store.operations.api_tokens import TokenLevel


class _ApiRoute(NamedTuple):
    level: TokenLevel
    method: str
    path: str
    function: Callable[..., Response]
    answer: type[BaseModel]
    status: int = 200


def api_application(context: ConsoleContext) -> FastAPI:
    """Return the application that is mounted under `/api/v1`."""
    server = ApiServer(context)
    app = FastAPI(
        title="WhatsApp Pipeline",
        version="1",
        description="Customers, orders, conversations, review decisions, tenants and business numbers.",
        docs_url=None,  # FastAPI's pages for the document load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,
    )
    for route in _routes(server):
        app.add_api_route(
            route.path,
            route.function,
            methods=[route.method],
            status_code=route.status,
            response_model=route.answer,
            responses=_refusals(route),
            dependencies=[
                Depends(HTTPBearer(auto_error=False)),
                Depends(server.needs(route.level)),
            ],
            tags=[route.level],
            name=route.function.__name__,
            operation_id=route.function.__name__,
        )
    app.add_exception_handler(ApiError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _no_route)
    return app


def _routes(server: ApiServer) -> list[_ApiRoute]:
    reading = ReadingApi(server)
    return [
        *_reading_routes(reading),
        _ApiRoute(
            "reader",
            "GET",
            "/commitments",
            CommitmentsApi(server).commitments,
            shapes.Listing[shapes.ApiCommitment],
        ),
        *_review_routes(ReviewingApi(server)),
        *_sample_routes(SamplingApi(server, reading)),
        _ApiRoute("reader", "GET", "/state", PipelineStateApi(server).state, shapes.ApiState),
        *_unread_file_routes(UnreadFilesApi(server)),
        *_delivery_routes(DeliveriesApi(server)),
        *_managing_routes(ManagingApi(server)),
    ]


def _reading_routes(read: ReadingApi) -> list[_ApiRoute]:
    messages = shapes.Listing[shapes.ApiMessage]
    return [
        _ApiRoute("reader", "GET", "/customers", read.customers, shapes.Listing[shapes.ApiCustomer]),
        _ApiRoute("reader", "GET", "/customers/{id}", read.customer, shapes.ApiCustomerDetail),
        _ApiRoute("analyst", "GET", "/customers/{id}/messages", read.customer_messages, messages),
        _ApiRoute("reader", "GET", "/orders", read.orders, shapes.Listing[shapes.ApiOrder]),
        _ApiRoute("reader", "GET", "/orders/{id}", read.order, shapes.ApiOrderDetail),
        _ApiRoute("analyst", "GET", "/orders/{id}/messages", read.order_messages, messages),
        _ApiRoute("analyst", "GET", "/chats/{ref}/messages", read.chat_messages, messages),
        _ApiRoute("analyst", "GET", "/messages/{ref}", read.message, shapes.ApiMessage),
        _ApiRoute("analyst", "GET", "/search", read.search, shapes.Listing[shapes.ApiHit]),
        _ApiRoute("reader", "GET", "/cases", read.cases, shapes.Listing[shapes.ApiCase]),
    ]


def _review_routes(review: ReviewingApi) -> list[_ApiRoute]:
    return [
        _ApiRoute("reviewer", "GET", "/review", review.queue, shapes.Listing[shapes.ApiQueuedItem]),
        _ApiRoute("reviewer", "GET", "/review/{ref}", review.item, shapes.ApiItem),
        _ApiRoute("reviewer", "GET", "/review/{ref}/scopes", review.scopes, shapes.Listing[shapes.ApiScope]),
        _ApiRoute("reviewer", "POST", "/review/{ref}/decisions", review.decide, shapes.MadeDecision, 201),
        _ApiRoute("reviewer", "GET", "/decisions", review.decisions, shapes.Listing[shapes.ApiDecision]),
        _ApiRoute("reviewer", "POST", "/decisions/{id}/undo", review.undo, shapes.UndoneDecision),
    ]


def _sample_routes(sample: SamplingApi) -> list[_ApiRoute]:
    messages = shapes.Listing[shapes.ApiMessage]
    return [
        _ApiRoute("reviewer", "GET", "/sample", sample.sample, shapes.ApiSample),
        _ApiRoute("reviewer", "GET", "/sample/{ref}", sample.sample_item, shapes.ApiBlindItem),
        _ApiRoute("reviewer", "GET", "/sample/{ref}/messages", sample.sample_messages, messages),
        _ApiRoute("reviewer", "POST", "/sample/{ref}/verdicts", sample.judge, shapes.GivenVerdict, 201),
    ]


def _unread_file_routes(files: UnreadFilesApi) -> list[_ApiRoute]:
    return [
        _ApiRoute("analyst", "GET", "/unread", files.unread, shapes.Listing[shapes.ApiUnreadFile]),
        _ApiRoute("analyst", "GET", "/unread/file", files.unread_file, shapes.ApiUnreadDetail),
        _ApiRoute("analyst", "GET", "/rereads", files.rereads, shapes.Listing[shapes.ApiReread]),
        _ApiRoute("reviewer", "POST", "/rereads", files.request_reread, shapes.ApiReread, 201),
    ]


def _delivery_routes(letters: DeliveriesApi) -> list[_ApiRoute]:
    dead_letters = shapes.Listing[shapes.ApiDeadLetter]
    return [
        _ApiRoute("analyst", "GET", "/dead-letters", letters.dead_letters, dead_letters),
        _ApiRoute("reviewer", "POST", "/dead-letters/replay", letters.replay, shapes.Replayed),
    ]


def _managing_routes(manage: ManagingApi) -> list[_ApiRoute]:
    disable_account = "/accounts/{phone_number_id}/disable"
    return [
        _ApiRoute("manager", "GET", "/tenants", manage.tenants, shapes.Listing[shapes.ApiTenant]),
        _ApiRoute("manager", "POST", "/tenants", manage.add_tenant, shapes.ApiTenant, 201),
        _ApiRoute("manager", "POST", "/tenants/{id}/disable", manage.disable_tenant, shapes.ApiTenant),
        _ApiRoute("manager", "GET", "/accounts", manage.accounts, shapes.Listing[shapes.ApiAccount]),
        _ApiRoute("manager", "POST", "/accounts", manage.add_account, shapes.AddedAccount, 201),
        _ApiRoute("manager", "POST", disable_account, manage.disable_account, shapes.ApiAccount),
    ]


def _refusals(route: _ApiRoute) -> dict[int | str, dict[str, Any]]:
    """Return the errors that a route can answer with, for the OpenAPI document."""
    never = set() if route.method == "POST" else {409}
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": shapes.ApiRefusal, "description": message_of(status)}
        for status in STATUSES
        if status not in never
    }
    if route.method == "GET":
        found[304] = {"description": "the answer is the one with the ETag in If-None-Match"}
    return found


def _refused(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ApiError):
        return api_error("failure")
    return api_error(error.kind, error.fields, message=error.message)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    # The answer contains neither the value that was sent nor pydantic's context, which may contain it.
    fields = [
        {"where": ".".join(str(part) for part in one["loc"])[:200], "message": str(one["msg"])[:200]}
        for one in found[:20]
    ]
    return api_error("invalid", fields)


def _no_route(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 404
    kind = {400: "bad_request", 405: "wrong_method", 413: "too_large"}.get(status, "not_found")
    answer = api_error(kind)
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer
