"""The API endpoints for reading: customers, orders, conversations, search, open cases.

What belongs here: the endpoints of the levels reader and analyst. What does not: other levels (reviewing.py,
managing.py), and the classes of answers (answers.py).

Views of messages are recorded in the transaction that reads the messages, as for pages.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console.addresses import customer_address, message_address
from whatsapp_pipeline.console.api.answers import (
    BIGINT,
    REF,
    ApiCase,
    ApiClaim,
    ApiCustomer,
    ApiCustomerDetail,
    ApiHit,
    ApiMessage,
    ApiOrder,
    ApiOrderDetail,
    ApiQuote,
    ApiSession,
    ApiSummary,
    Day,
    Id,
    Listing,
)
from whatsapp_pipeline.console.api.api_server import ApiServer, answer, answer_page
from whatsapp_pipeline.console.api.errors import ApiError
from whatsapp_pipeline.console.list_cursors import CASE_CURSOR, case_cursor, parse_case_cursor
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.conversation import seen_in
from whatsapp_pipeline.console.pages.customer import read_head
from whatsapp_pipeline.console.pages.order import shown_order
from whatsapp_pipeline.console.pages.search import FoundPage, SearchWords, find_hits
from whatsapp_pipeline.domain.phone_parts import phone_key_parts
from whatsapp_pipeline.domain.summaries.metrics import business_hours_between
from whatsapp_pipeline.store.chats.search import MARK_END, MARK_START, PageHit
from whatsapp_pipeline.store.contacts.directory import (
    OrderListed,
    customer_names,
    customers_like,
    order_by_id,
    orders_page,
)
from whatsapp_pipeline.store.conversations.chat_heads import chat_head
from whatsapp_pipeline.store.conversations.message_stream import (
    END,
    Place,
    ScopeKind,
    StreamMessage,
    StreamScope,
    locate_message,
    messages_around,
)
from whatsapp_pipeline.store.links.order_sessions import sessions_of_order
from whatsapp_pipeline.store.operations.cases import open_cases

IdInPath = Annotated[int, Path(alias="id", ge=1, le=BIGINT)]
RefInPath = Annotated[str, Path(pattern=REF)]
Limit = Annotated[int, Query(ge=1, le=100, description="largest number of items per page")]
CaseCursor = Annotated[
    str | None, Query(pattern=CASE_CURSOR, description="value of `next` in the previous page")
]
NumberWanted = Annotated[
    str | None, Query(min_length=1, max_length=60, description="only orders with this number")
]
OrderCursor = Annotated[
    str | None, Query(pattern="^[0-9]{1,18}$", description="value of `next` in the previous page")
]
MessageCursor = Annotated[str | None, Query(pattern=REF, description="ref of the last message that you have")]
Order = Annotated[Literal["newest", "oldest"], Query(description="order of the messages")]
_START = Place(datetime(1, 1, 1))
_MOST_FOUND = 20


class SearchParameters(BaseModel):
    """The parameters of a search."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(min_length=1, max_length=200, description='words, "a phrase", -not, OR')
    since: Day | None = Field(None, description="first day")
    until: Day | None = Field(None, description="last day")
    side: Literal["from", "to", "unsent", "notification"] | None = None
    customer: Id | None = Field(None, description="only messages of this customer")
    order: Id | None = Field(None, description="only messages of this order")
    kind: Literal["image", "audio", "video", "document", "sticker", "contact", "location"] | None = Field(
        None, description="only messages with such an attachment"
    )
    sort: Literal["rank", "date"] = "rank"
    cursor: str | None = Field(
        None,
        pattern=r"^[0-9]{1,3}(\.[0-9]{1,20})?(e-[0-9]{1,2})?~(chat|webhook):[0-9]{1,18}$",
        description="value of `next` in the previous page",
    )


class ReadingApi:
    """The endpoints that read."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._zone = ZoneInfo(server.zone)

    def customers(self, request: Request, q: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
        """Find up to 20 customers by a part of the name or, from the level analyst on, of a phone."""
        with self._server.page(request) as page:
            words, may_read = page.clean(q), page.visitor.may("analyst")
            parts = phone_key_parts(words) if may_read else []
            found = customers_like(page.conn, words, parts, with_phones=may_read, limit=_MOST_FOUND)
        items = [
            ApiCustomer.model_validate(dict(zip(ApiCustomer.model_fields, one, strict=True))) for one in found
        ]
        return answer(request, Listing[ApiCustomer](items=items, next=None))

    def customer(self, request: Request, number: IdInPath) -> Response:
        """Return a customer with orders, summary and note."""
        with self._server.page(request) as page:
            return answer(request, self._customer(number, read_head(page, number)))

    def orders(
        self,
        request: Request,
        number: NumberWanted = None,
        cursor: OrderCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """List all orders, or those with a number, newest first.

        Leading zeros and a `#` before the number are ignored.
        """
        after = None if cursor is None else int(cursor)
        with self._server.page(request) as page:
            if after is not None and order_by_id(page.conn, after, with_device=False) is None:
                raise ApiError("not_found")
            wanted = None if number is None else page.clean(number)
            found: list[OrderListed] = []
            if wanted is None or wanted.strip("#0 "):
                found = orders_page(page.conn, number=wanted, after=after, with_device=True, limit=limit + 1)
        return answer_page(
            request,
            Listing[ApiOrder],
            found,
            limit,
            item=lambda one: ApiOrder(**_order(one)),
            cursor=lambda one: str(one.id),
        )

    def order(self, request: Request, number: IdInPath) -> Response:
        """Return an order with the sessions that are linked to it."""
        with self._server.page(request) as page:
            found = order_by_id(page.conn, number, with_device=True)
            if found is None:
                raise ApiError("not_found")
            sessions = sessions_of_order(page.conn, number, with_messages=False)
        return answer(
            request,
            ApiOrderDetail(
                **_order(found),
                sessions=[
                    ApiSession(
                        id=one.id,
                        chat=f"{one.source}:{one.chat}",
                        customer_id=one.id_contato,
                        started_at=self._local(one.started_at),
                        ended_at=self._local(one.ended_at),
                        messages=one.message_count,
                        link_status=one.order_match_status,
                        link_method=one.order_match_method,
                        link_confidence=one.order_match_confidence,
                    )
                    for one in sessions
                ],
            ),
        )

    def customer_messages(
        self,
        request: Request,
        number: IdInPath,
        order: Order = "newest",
        cursor: MessageCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """Return a customer's messages from all chats, in one list."""
        with self._server.page(request) as page:
            if not customer_names(page.conn, [number]):
                raise ApiError("not_found")
            return self.messages_of(page, StreamScope("customer", number), order, cursor, limit)

    def order_messages(
        self,
        request: Request,
        number: IdInPath,
        order: Order = "newest",
        cursor: MessageCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """Return the messages of the sessions that are linked to an order."""
        with self._server.page(request) as page:
            if order_by_id(page.conn, number, with_device=False) is None:
                raise ApiError("not_found")
            return self.messages_of(page, StreamScope("order", number), order, cursor, limit)

    def chat_messages(
        self,
        request: Request,
        ref: RefInPath,
        order: Order = "newest",
        cursor: MessageCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """Return the messages of one chat or live conversation."""
        source, number = parse_ref_of(ref)
        scope = StreamScope(source, number)
        with self._server.page(request) as page:
            if chat_head(page.conn, scope) is None:
                raise ApiError("not_found")
            return self.messages_of(page, scope, order, cursor, limit)

    def message(self, request: Request, ref: RefInPath) -> Response:
        """Return one message. For a copy in another export, the original message is returned."""
        source, number = parse_ref_of(ref)
        with self._server.page(request) as page:
            found = locate_message(page.conn, source, number)
            chat = None if found is None else (found.id_chat_file or found.conversation_id)
            if found is None or chat is None:
                raise ApiError("not_found")
            scope = StreamScope("chat" if found.source == "chat" else "webhook", chat)
            read = messages_around(page.conn, scope, found.place, before=0, after=1)
            page.record("view", seen_in(read))
            return answer(request, self._message(read[0]))

    def search(self, request: Request, given: Annotated[SearchParameters, Query()]) -> Response:
        """Find messages by their words, 20 at a time."""
        after = None
        if given.cursor is not None:
            score, last = given.cursor.split("~")
            source, number = last.split(":")
            after = (float(score), source, int(number))
        with self._server.page(request) as page:
            words = SearchWords(
                words=page.clean(given.q),
                phrase=False,
                since=given.since,
                until=given.until,
                side=given.side,
                customer=given.customer,
                order=given.order,
                kind=given.kind,
                sort=given.sort,
                after=after,
            )
            found = find_hits(page, words) if words.has_words else FoundPage([], None, [])
            if found is None:
                raise ApiError("too_common")
            hits, following, _ = found
            page.record("search", {(hit.id_contato, f"{hit.source}:{hit.chat}") for hit in hits})
        return answer(request, Listing[ApiHit](items=[self._hit(hit) for hit in hits], next=following))

    def cases(
        self,
        request: Request,
        waiting: Annotated[bool, Query(description="only customers with an unanswered message")] = False,
        handled: Annotated[
            bool, Query(description="cases that somebody marked as handled, instead of the others")
        ] = False,
        cursor: CaseCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """List open cases. Those that have been open longest come first."""
        after = None if cursor is None else parse_case_cursor(cursor)
        with self._server.page(request) as page:
            found = open_cases(page.conn, waiting=waiting, handled=handled, limit=limit + 1, after=after)
            now = page.now.replace(tzinfo=None)
        return answer_page(
            request,
            Listing[ApiCase],
            found,
            limit,
            item=lambda case: ApiCase(
                customer_id=case.id_contato,
                customer_name=case.nome,
                open_since=self._local(case.open_since),
                business_hours=business_hours_between(case.open_since, now),
                reasons=case.open_reasons,
                last_message_at=self._local(case.last_at) if case.last_at else None,
                handled_until=case.until,
                handled_by=case.made_by,
                handled_note=case.note,
                stale_since=case.stale_since,
            ),
            cursor=lambda case: case_cursor(case.open_since, case.id_contato),
        )

    def messages_of(
        self,
        page: Page,
        scope: StreamScope,
        order: str,
        cursor: str | None,
        limit: int,
        *,
        is_blind: bool = False,
    ) -> Response:
        """Return one page of messages. With `is_blind`, they have no customer and no order."""
        place = END if order == "newest" else _START
        if cursor is not None:
            located = locate_message(page.conn, *parse_ref_of(cursor))
            if located is None:
                raise ApiError("not_found")
            place = located.place
        before, after = (limit + 1, 0) if order == "newest" else (0, limit + 1)
        read = messages_around(
            page.conn, scope, place, before=before, after=after, exclusive=cursor is not None
        )
        if order == "newest":
            read.reverse()
        page.record("view", seen_in(read[:limit]))

        def shown(one: StreamMessage) -> ApiMessage:
            return self._message(one._replace(id_contato=None, id_ordem_servico=None) if is_blind else one)

        return answer_page(
            page.request, Listing[ApiMessage], read, limit, item=shown, cursor=lambda one: one.ref
        )

    def _message(self, one: StreamMessage) -> ApiMessage:
        quote = None
        if one.quote is not None or one.quote_id is not None:
            quote = ApiQuote(
                text=one.quote, ref=f"{one.quote_source}:{one.quote_id}" if one.quote_id is not None else None
            )
        return ApiMessage(
            ref=one.ref,
            at=self._local(one.at),
            side=one.side,
            type=one.type,
            text=one.text,
            sender=one.sender,
            customer_id=one.id_contato,
            order_id=one.id_ordem_servico,
            chat=f"{one.source}:{one.chat}",
            attachment_kind=one.attachment_kind,
            attachment_name=one.attachment_name,
            quote=quote,
            status=one.status,
            edited_at=self._local(one.edited_at) if one.edited_at else None,
            page=message_address(one.ref, customer=one.id_contato),
        )

    def _hit(self, hit: PageHit) -> ApiHit:
        ref = f"{hit.source}:{hit.message_id}"
        return ApiHit(
            ref=ref,
            at=self._local(hit.at),
            side=hit.side,
            type=hit.type,
            snippet=hit.snippet.replace(MARK_START, "«").replace(MARK_END, "»"),
            customer_id=hit.id_contato,
            customer_name=hit.nome,
            chat=f"{hit.source}:{hit.chat}",
            page=message_address(ref, customer=hit.id_contato),
        )

    def _customer(self, id_contato: int, head: dict[str, Any]) -> ApiCustomerDetail:
        summary = head["summary"]
        return ApiCustomerDetail(
            id=id_contato,
            name=head["nome"],
            trade_name=head["fantasia"],
            phones=[phone for phone in (head["celular"], head["telefone"]) if phone],
            note=head["note"],
            summary=None if summary is None else self._summary(summary, head["stale_since"]),
            orders=[
                ApiOrder(
                    id=order["id"],
                    number=str(order["number"]),
                    status=order["status"],
                    device=order["device"],
                    opened_on=order["opened"],
                    closed_on=order["closed"],
                    customer_id=id_contato,
                    customer_name=head["nome"],
                    page=order["address"],
                )
                for order in head["orders"]
            ],
            page=customer_address(id_contato),
        )

    def _summary(self, summary: dict[str, Any], stale_since: datetime | None) -> ApiSummary:
        def moment(name: str) -> datetime | None:
            return self._local(summary[name]) if summary[name] else None

        return ApiSummary(
            text=summary["summary"],
            claims=[ApiClaim(text=one["text"], messages=one["messages"]) for one in summary["claims"]],
            sentiment=summary["sentiment_analysis"],
            first_message_at=moment("first_interaction_date"),
            last_message_at=moment("last_interaction_date"),
            messages=summary["message_count"],
            open_since=moment("open_since"),
            open_reasons=summary["open_reasons"],
            stale_since=stale_since,
        )

    def _local(self, moment: datetime) -> datetime:
        """Return a stored local time with the offset of the archive's zone."""
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)


def parse_ref_of(ref: str) -> tuple[ScopeKind, int]:
    """Return source and id of a ref. Raises ApiError (not_found) for an impossible id."""
    source, number = ref.split(":")
    if int(number) > BIGINT:
        raise ApiError("not_found")
    return ("chat" if source == "chat" else "webhook"), int(number)


def _order(order: OrderListed) -> dict[str, Any]:
    shown = shown_order(order)
    return {
        "id": shown.id,
        "number": shown.number,
        "status": shown.status,
        "device": shown.device,
        "opened_on": shown.opened,
        "closed_on": shown.closed,
        "customer_id": shown.id_contato,
        "customer_name": shown.name,
        "page": shown.address,
    }
