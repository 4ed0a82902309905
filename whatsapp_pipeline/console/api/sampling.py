"""The API endpoints for the blind sample: the next link to judge without seeing it, and the verdict.

What belongs here: the endpoints. Before the verdict, their answers have no link, score or method. What does
not: drawing links (store/links/precision_sample.py), and the effect of a verdict
(steps/links/blind_verdicts.py). The latter is imported inside functions, because it loads numerical packages
of 60 MB.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Body
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.api.answers import (
    ApiBlindCustomer,
    ApiBlindItem,
    ApiPrecision,
    ApiSample,
    CustomerVerdict,
    GivenVerdict,
    NewVerdict,
)
from whatsapp_pipeline.console.api.api_server import ApiServer, answer
from whatsapp_pipeline.console.api.errors import ApiError
from whatsapp_pipeline.console.api.reading import (
    Limit,
    MessageCursor,
    Order,
    ReadingApi,
    RefInPath,
    parse_ref_of,
)
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.review_sample import sample_precision
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.contacts.directory import customer_names
from whatsapp_pipeline.store.conversations.message_stream import StreamScope
from whatsapp_pipeline.store.links.precision_sample import BlindItem, next_links, rule_link


class SamplingApi:
    """The endpoints of the blind sample."""

    def __init__(self, server: ApiServer, reading: ReadingApi) -> None:
        self._server = server
        self._reading = reading
        self._zone = ZoneInfo(server.zone)

    def sample(self, request: Request) -> Response:
        """Return the next link to judge. The answer does not show which of its customers is linked."""
        with self._server.page(request) as page:
            found = next_links(page.conn, None, limit=1)
            bound = sample_precision(page.conn)
            if found:
                page.record("view", {(None, f"chat:{found[0].id_chat_file}")})
        precision = None
        if bound is not None:
            precision = ApiPrecision(
                at_least=bound.least,
                confidence=bound.confidence,
                verdicts=bound.verdicts,
                wrong=bound.wrong,
                links=bound.links,
            )
        return answer(request, ApiSample(item=self._item(found[0]) if found else None, precision=precision))

    def sample_item(self, request: Request, ref: RefInPath) -> Response:
        """Return a chat whose link waits for a verdict."""
        with self._server.page(request) as page:
            found = _waiting(page, ref)
            page.record("view", {(None, ref)})
        return answer(request, self._item(found))

    def sample_messages(
        self,
        request: Request,
        ref: RefInPath,
        order: Order = "newest",
        cursor: MessageCursor = None,
        limit: Limit = 50,
    ) -> Response:
        """Return the messages of a chat whose link waits for a verdict, without customers and orders."""
        with self._server.page(request) as page:
            scope = StreamScope("chat", _waiting(page, ref).id_chat_file)
            return self._reading.messages_of(page, scope, order, cursor, limit, is_blind=True)

    def judge(
        self,
        request: Request,
        ref: RefInPath,
        verdict: Annotated[NewVerdict, Body(discriminator="answer")],
    ) -> Response:
        """Store a reviewer's answer: the customer of a chat, `nobody` or `unsure`.

        The answer is then compared with the link, and the verdict is in force at once.
        """
        from whatsapp_pipeline.steps.links.blind_verdicts import BlindAnswer, judge_blind
        from whatsapp_pipeline.steps.links.decide import AlreadyDecidedError

        source, number = parse_ref_of(ref)
        contact = verdict.id if isinstance(verdict, CustomerVerdict) else None
        with self._server.page(request) as page:
            if source != "chat" or rule_link(page.conn, number) is None:
                raise ApiError("not_found")
            if contact is not None and not customer_names(page.conn, [contact]):
                raise ApiError("not_found")
            note = page.clean(verdict.reason, longest=500) or words.SAMPLE_REASON
            given = BlindAnswer(contact, verdict.answer != "unsure", note, page.visitor.name)
            try:
                outcome = judge_blind(page.conn, number, given)
            except AlreadyDecidedError:
                raise ApiError("already_decided") from None
            except PipelineError:
                raise ApiError("not_found") from None
        made = GivenVerdict(
            item=ref,
            verdict=outcome.verdict,
            customer_id=outcome.id_contato,
            method=outcome.method,
            confidence=outcome.confidence,
            is_kept=outcome.not_kept is None,
        )
        return answer(request, made, status=201)

    def _item(self, found: BlindItem) -> ApiBlindItem:
        return ApiBlindItem(
            item=f"chat:{found.id_chat_file}",
            month=found.month,
            title=found.title or None,
            messages=found.messages,
            first_at=self._local(found.first_at),
            last_at=self._local(found.last_at),
            customers=[
                ApiBlindCustomer(
                    id=one["id"],
                    name=one["nome"] or None,
                    trade_name=one["fantasia"] or None,
                    phones=[phone for phone in (one["celular"], one["telefone"]) if phone],
                )
                for one in found.contacts
            ],
        )

    def _local(self, moment: datetime | None) -> datetime | None:
        """Return a stored local time with the offset of the archive's zone."""
        return None if moment is None else moment.replace(tzinfo=self._zone)


def _waiting(page: Page, ref: str) -> BlindItem:
    """Return the chat of a ref if its link waits for a verdict, otherwise raise ApiError (not_found)."""
    source, number = parse_ref_of(ref)
    found = next_links(page.conn, None, limit=1, chat=number) if source == "chat" else []
    if not found:
        raise ApiError("not_found")
    return found[0]
