"""The API endpoints for tenants and their business numbers.

What belongs here: the endpoints of the level manager, whose database login may use only their tables. What
does not: processing deliveries to the numbers (steps/conversations/).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console.api.answers import (
    AddedAccount,
    ApiAccount,
    ApiTenant,
    Listing,
    NewAccount,
    NewTenant,
)
from whatsapp_pipeline.console.api.api_server import ApiServer, answer, answer_page, without_nul
from whatsapp_pipeline.console.api.errors import ApiError
from whatsapp_pipeline.console.api.reading import IdInPath, Limit
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import accounts as store
from whatsapp_pipeline.store.conversations.inbox import unpark

TenantCursor = Annotated[
    str | None, Query(max_length=100, description="value of `next` in the previous page")
]
NumberCursor = Annotated[
    str | None, Query(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="value of `next` in the previous page")
]
NumberInPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}$")]


class ManagingApi:
    """The endpoints that manage tenants and business numbers."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def tenants(self, request: Request, cursor: TenantCursor = None, limit: Limit = 50) -> Response:
        """List tenants by name, with the number of business numbers of each."""
        with self._server.management(request) as conn:
            found = store.tenants(conn, after=without_nul(cursor), limit=limit + 1)
        return answer_page(
            request,
            Listing[ApiTenant],
            found,
            limit,
            item=lambda one: ApiTenant(**one._asdict()),
            cursor=lambda one: one.name,
        )

    def add_tenant(self, request: Request, tenant: Annotated[NewTenant, Body()]) -> Response:
        """Add a tenant. If the name already exists, the existing tenant is returned."""
        with self._server.management(request) as conn:
            return answer(request, _tenant(conn, store.ensure_tenant(conn, tenant.name)), status=201)

    def disable_tenant(self, request: Request, number: IdInPath) -> Response:
        """Disable all business numbers of a tenant. Deliveries to them are stored but not processed."""
        with self._server.management(request) as conn:
            found = _tenant(conn, number)
            store.disable_accounts_of(conn, number)
            return answer(request, found.model_copy(update={"active_accounts": 0}))

    def accounts(self, request: Request, cursor: NumberCursor = None, limit: Limit = 50) -> Response:
        """List business numbers, sorted by id."""
        with self._server.management(request) as conn:
            found = store.accounts(conn, after=cursor, limit=limit + 1)
        return answer_page(
            request,
            Listing[ApiAccount],
            found,
            limit,
            item=lambda one: ApiAccount(
                phone_number_id=one.phone_number_id,
                tenant_id=one.tenant_id,
                tenant=one.tenant,
                is_active=one.is_active,
            ),
            cursor=lambda one: one.phone_number_id,
        )

    def add_account(self, request: Request, account: Annotated[NewAccount, Body()]) -> Response:
        """Add a business number, or enable it again. Deliveries that were parked for it will be processed."""
        number = account.phone_number_id
        with self._server.management(request) as conn:
            if account.tenant_id is not None:
                _tenant(conn, account.tenant_id)
            store.add_account(conn, number, account.tenant_id)
            waiting = unpark(conn, number)
            stored = _account(conn, number)
        return answer(request, AddedAccount(**stored.model_dump(), deliveries_in_line=waiting), status=201)

    def disable_account(self, request: Request, phone_number_id: NumberInPath) -> Response:
        """Disable a business number. Deliveries to it are stored but not processed."""
        with self._server.management(request) as conn:
            if not store.disable_account(conn, phone_number_id):
                raise ApiError("not_found")
            return answer(request, _account(conn, phone_number_id))


def _tenant(conn: Connection, id_tenant: int) -> ApiTenant:
    found = store.tenant_with_id(conn, id_tenant)
    if found is None:
        raise ApiError("not_found")
    return ApiTenant(**found._asdict())


def _account(conn: Connection, phone_number_id: str) -> ApiAccount:
    found = store.account_with_id(conn, phone_number_id)
    if found is None:
        raise ApiError("not_found")
    return ApiAccount(
        phone_number_id=found.phone_number_id,
        tenant_id=found.tenant_id,
        tenant=found.tenant,
        is_active=found.is_active,
    )
