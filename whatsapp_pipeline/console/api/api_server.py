"""The processing that every request to the API needs: token, level, transaction, and the ETag of the answer.

What belongs here: checking a request and making the answer. What does not: routes (application.py), and the
content of answers (reading.py, reviewing.py, managing.py).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console.access import Visitor, token_hash
from whatsapp_pipeline.console.api.answers import Item, Listing
from whatsapp_pipeline.console.api.errors import ApiError
from whatsapp_pipeline.console.console_context import ConsoleContext
from whatsapp_pipeline.console.error_pages import refusal_of
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import api_tokens as store
from whatsapp_pipeline.store.operations.api_tokens import TokenLevel
from whatsapp_pipeline.store.operations.console_access import LEVELS
from whatsapp_pipeline.store.operations.console_logins import ACCESS

Row = TypeVar("Row")
_BEARER = re.compile(r"[Bb]earer ([!-~]{20,100})")


@dataclass(frozen=True, slots=True)
class Client:
    """The program of a request, and the session in which its views are recorded."""

    name: str
    level: TokenLevel
    session: bytes

    def may(self, level: TokenLevel) -> bool:
        """Return whether the client's level is `level` or includes it.

        The level manager includes no other level.
        """
        if self.level == "manager" or level == "manager":
            return self.level == level
        return LEVELS.index(self.level) >= LEVELS.index(level)


class ApiServer:
    """Checks the tokens of requests, and opens a transaction of the token's level for each request."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context

    @property
    def zone(self) -> str:
        """The archive's time zone, in which local times are stored."""
        return self._context.config.zone

    def needs(self, level: TokenLevel) -> Callable[[Request], None]:
        """Return a dependency that refuses requests without a token of at least this level.

        The dependency also refuses a query with an unknown name, or with the same name twice, so that a
        mistyped filter is not silently ignored.
        """

        def check(request: Request) -> None:
            client = self._client(request)
            if not client.may(level):
                raise ApiError("not_allowed")
            given = [name for name, _ in request.query_params.multi_items()]
            documented = _query_names(request)
            if len(set(given)) < len(given) or not set(given) <= documented:
                known = ", ".join(sorted(documented)) or "none"
                raise ApiError(
                    "invalid",
                    [{"where": "query", "message": f"each parameter may be given once; known are: {known}"}],
                )
            request.state.client = client

        return check

    def _client(self, request: Request) -> Client:
        given = _BEARER.fullmatch(request.headers.get("authorization", ""))
        if given is None:
            raise ApiError("no_token")
        with self._translated(), self._context.pools.connection(ACCESS) as conn:
            found = store.token_in_use(conn, token_hash(given[1]))
            if found is None:
                raise ApiError("no_token")
            # No cookie can refer to this session, because its hash is keyed.
            session = hmac.digest(self._context.key, f"api token:{found.id}".encode(), "sha256")
            # The time of use is stored at most once a minute. The session lasts an hour after that time.
            if found.is_stale:
                store.touch_token(conn, found.id)
            # The session is missing if the program's user was disabled, or if the console has a new key.
            if found.level != "manager" and (found.is_stale or not store.has_client_session(conn, session)):
                store.keep_client_session(conn, found.name, session)
        return Client(store.client_user(found.name), found.level, session)

    @contextmanager
    def page(self, request: Request) -> Iterator[Page]:
        """Yield a Page, in a transaction of the client's level."""
        client: Client = request.state.client
        if client.level == "manager":
            raise ApiError("not_allowed")
        visitor = Visitor(0, client.name, client.level, False, client.session)
        with self._translated(), self._transaction(client.level) as conn:
            yield self._context.page(request, b"", visitor, conn)

    @contextmanager
    def management(self, request: Request) -> Iterator[Connection]:
        """Yield a connection for tenants and business numbers, in a transaction of the client's level.

        The database lets only managers read and write these tables.
        """
        client: Client = request.state.client
        with self._translated(), self._transaction(client.level) as conn:
            yield conn

    @contextmanager
    def _transaction(self, level: TokenLevel) -> Iterator[Connection]:
        with self._context.pools.connection(level) as conn, conn.transaction():
            yield conn

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Convert errors of the block to errors of the API. Unexpected errors are logged."""
        import psycopg

        try:
            yield
        except ApiError:
            raise
        except psycopg.errors.InvalidAuthorizationSpecification:
            raise ApiError("no_token") from None  # the session ended, or the user client.<name> was disabled
        except Exception as error:
            raise ApiError(refusal_of(error)) from None


def _query_names(request: Request) -> set[str]:
    document = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    return {one["name"] for one in document.get("parameters", []) if one["in"] == "query"}


def without_nul(cursor: str | None) -> str | None:
    """Return a cursor without NUL, which PostgreSQL's text type can't store."""
    return None if cursor is None else cursor.replace("\x00", "")


def answer_page(
    request: Request,
    listing: type[Listing[Item]],
    found: Sequence[Row],
    limit: int,
    *,
    item: Callable[[Row], Item],
    cursor: Callable[[Row], str],
) -> Response:
    """Return one page of a list.

    Args:
        request: The request. If-None-Match may show that the client already has the page.
        listing: The class of the page.
        found: Rows of the list. One row more than `limit` means that another page follows.
        limit: Maximum number of items of the page.
        item: Converts a row to an item of the page.
        cursor: Returns the place of a row, after which the next page begins.
    """
    shown = found[:limit]
    following = cursor(shown[-1]) if len(found) > limit else None
    return answer(request, listing(items=[item(row) for row in shown], next=following))


def answer(request: Request, content: BaseModel, *, status: int = 200) -> Response:
    """Return the answer as JSON. If the client already has it, only the ETag is returned."""
    body = content.model_dump_json().encode()
    if request.method != "GET":
        return Response(body, status_code=status, media_type="application/json")
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    known = [
        given.strip().removeprefix("W/") for given in request.headers.get("if-none-match", "").split(",")
    ]
    if tag in known:
        return Response(status_code=304, headers=headers)
    return Response(body, status_code=status, media_type="application/json", headers=headers)
