"""The API endpoints for the review: the queue, an item with its candidates, deciding, undoing, the history.

What belongs here: the endpoints of the level reviewer. What does not: making a decision
(steps/links/decide.py). That module is imported inside functions, because it loads numerical packages of 60
MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from fastapi import Body, Query
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.api.answers import (
    BIGINT,
    ApiCandidate,
    ApiDecision,
    ApiItem,
    ApiLinkedNow,
    ApiQueuedItem,
    ApiReason,
    ApiScope,
    ApiScopeEffect,
    Listing,
    MadeDecision,
    NewDecision,
    UndoneDecision,
    UndoReason,
)
from whatsapp_pipeline.console.api.api_server import ApiServer, answer, answer_page
from whatsapp_pipeline.console.api.errors import ApiError
from whatsapp_pipeline.console.api.reading import (
    IdInPath,
    Limit,
    RefInPath,
    parse_ref_of,
)
from whatsapp_pipeline.console.list_cursors import QUEUE_CURSOR, parse_queue_cursor, queue_cursor
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.review_evidence import shown_candidates
from whatsapp_pipeline.console.review_state import (
    decide_item,
    newest_unseen,
    parse_shown_state,
    scopes_of,
    shown_text,
)
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.links.review_pages import (
    ItemToReview,
    PastDecision,
    item_to_review,
    past_decisions,
    queued_items,
)

if TYPE_CHECKING:
    from whatsapp_pipeline.steps.links.decide import DecisionKind, DecisionOutcome
    from whatsapp_pipeline.steps.links.scope_effects import ScopeEffect

QueueCursor = Annotated[
    str | None,
    Query(
        pattern=QUEUE_CURSOR,
        description="value of `next` in the previous page",
    ),
]
DecisionCursor = Annotated[
    str | None, Query(pattern="^[0-9]{1,18}$", description="value of `next` in the previous page")
]
Session = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, description="number of the session whose order must be decided")
]
AskedDecision = Annotated[
    str | None,
    Query(
        pattern="^(contact:[0-9]{1,18}|no_contact)$",
        description="compute the effect of this decision in each scope: `contact:8` or `no_contact`",
    ),
]


class ReviewingApi:
    """The endpoints for the review."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._zone = ZoneInfo(server.zone)

    def queue(self, request: Request, cursor: QueueCursor = None, limit: Limit = 50) -> Response:
        """List the items that wait for a decision, most valuable first."""
        after = None if cursor is None else parse_queue_cursor(cursor)
        with self._server.page(request) as page:
            found = queued_items(page.conn, page.visitor.name, limit=limit + 1, after=after)
        return answer_page(
            request,
            Listing[ApiQueuedItem],
            found,
            limit,
            item=lambda one: ApiQueuedItem(
                item=f"{one.source}:{one.id}",
                session=one.session_number,
                title=one.title,
                status=one.status,
                messages=one.messages,
                first_at=self._local(one.first_at),
                last_at=self._local(one.last_at),
                value=one.value,
                customer_name=one.customer,
                best=one.best,
                confidence=one.confidence,
            ),
            cursor=lambda one: queue_cursor(one.place),
        )

    def item(self, request: Request, ref: RefInPath, session: Session = None) -> Response:
        """Return an item with its candidates, and the `state` to send back with a decision."""
        with self._server.page(request) as page:
            found = _item(page, ref, session)
            page.record("view", {(None, ref)})
        return answer(
            request,
            ApiItem(
                item=ref,
                session=session,
                title=found.title,
                status=found.status,
                flags=found.flags,
                customer_id=found.id_contato,
                order_id=found.id_ordem_servico,
                messages=found.messages,
                first_at=self._local(found.first_at),
                last_at=self._local(found.last_at),
                candidates=_candidates(found),
                state=shown_text(found),
            ),
        )

    def scopes(self, request: Request, ref: RefInPath, decision: AskedDecision = None) -> Response:
        """List the possible scopes of a decision on a chat's customer, with the chats of each.

        The usual scope is first.

        With `decision`, the effect of that decision in each scope is computed, too.
        """
        from whatsapp_pipeline.steps.links.scope_effects import scope_effects

        with self._server.page(request) as page:
            found = _item(page, ref, None)
            try:
                offers = scopes_of(page.conn, found)
            except PipelineError:
                raise ApiError("not_found") from None
            effects: Sequence[ScopeEffect | None] = [None] * len(offers)
            if decision is not None:
                _, _, customer = decision.partition(":")
                kind: DecisionKind = "contact" if customer else "no_contact"
                effects = scope_effects(page.conn, offers, kind, int(customer) if customer else None)
        items = [
            ApiScope(
                scope=one.scope,
                target=one.target,
                chats=one.chats,
                messages=one.messages,
                months=list(one.months),
                linked_now=[ApiLinkedNow(customer_id=id_, chats=chats) for id_, chats in one.linked_now],
                effect=None if effect is None else _scope_effect(effect),
            )
            for one, effect in zip(offers, effects, strict=True)
        ]
        return answer(request, Listing[ApiScope](items=items, next=None))

    def decide(
        self,
        request: Request,
        ref: RefInPath,
        decision: Annotated[NewDecision, Body(discriminator="decision")],
    ) -> Response:
        """Decide the customer of a chat or the order of a session. The decision is in force at once."""
        from whatsapp_pipeline.steps.links.decide import AlreadyDecidedError, ChatDecision

        given = decision.model_dump()
        with self._server.page(request) as page:
            found = _item(page, ref, given.get("session"))
            wanted = ChatDecision(
                found.id,
                decision.decision,
                given.get("id"),
                page.clean(decision.reason, longest=500) or words.REVIEW_REASON,
                page.visitor.name,
                given.get("scope"),
                session=found.session_number,
                nobody_kind=given.get("nobody_kind"),
            )
            shown = parse_shown_state(decision.state)
            try:
                outcome = decide_item(page.conn, found, wanted, shown=shown)
            except AlreadyDecidedError:
                raise _already_decided(newest_unseen(page.conn, found, shown)) from None
            except PipelineError:
                raise ApiError("not_found") from None
        made = MadeDecision(
            id=outcome.id_override,
            chats=_refs(outcome),
            outranked=[f"{place.source}:{place.id}" for place in outcome.outranked],
            pending=[f"{place.source}:{place.id}" for place in outcome.pending],
        )
        return answer(request, made, status=201)

    def decisions(self, request: Request, cursor: DecisionCursor = None, limit: Limit = 50) -> Response:
        """List all decisions, newest first."""
        before = None if cursor is None else int(cursor)
        with self._server.page(request) as page:
            found = past_decisions(page.conn, before=before, limit=limit + 1)
        return answer_page(
            request,
            Listing[ApiDecision],
            found,
            limit,
            item=lambda one: ApiDecision(
                id=one.id,
                decision=one.decision,
                nobody_kind=one.nobody_kind,
                target_kind=one.target_kind,
                target=one.target,
                session=one.session_number,
                customer_id=one.id_contato,
                order_id=one.id_ordem_servico,
                reason=one.reason,
                made_by=one.made_by,
                made_at=one.made_at,
                removed_at=one.removed_at,
                removed_by=one.removed_by,
                removed_reason=one.removed_reason,
                superseded_by=one.superseded_by,
            ),
            cursor=lambda one: str(one.id),
        )

    def undo(
        self,
        request: Request,
        number: IdInPath,
        why: Annotated[UndoReason, Body()],
    ) -> Response:
        """Withdraw a decision. The decision that was in force before it is in force again."""
        from whatsapp_pipeline.steps.links.decide import undo_decision

        with self._server.page(request) as page:
            newest = past_decisions(page.conn, before=number + 1 if number < BIGINT else None, limit=1)
            if not newest or newest[0].id != number:
                raise ApiError("not_found")
            reason = page.clean(why.reason, longest=500) or words.UNDO_REASON
            try:
                outcome = undo_decision(page.conn, number, reason=reason, removed_by=page.visitor.name)
            except PipelineError:
                raise ApiError("not_in_force") from None
        return answer(request, UndoneDecision(id=number, chats=_refs(outcome)))

    def _local(self, moment: datetime | None) -> datetime | None:
        """Return a stored local time with the offset of the archive's zone."""
        return None if moment is None else moment.replace(tzinfo=self._zone)


def _scope_effect(effect: ScopeEffect) -> ApiScopeEffect:
    return ApiScopeEffect(
        chats=effect.chats,
        messages=effect.messages,
        moved=[ApiLinkedNow(customer_id=id_, chats=chats) for id_, chats in effect.moved],
        pending=effect.pending,
        kept=effect.kept,
    )


def _item(page: Page, ref: str, session: int | None) -> ItemToReview:
    source, number = parse_ref_of(ref)
    found = item_to_review(page.conn, source, number, session)
    if found is None:
        raise ApiError("not_found")
    return found


def _already_decided(newest: PastDecision | None) -> ApiError:
    """Return the error for a decision that came too late: another decision was made, or the link changed."""
    if newest is None:
        return ApiError("already_decided")
    return ApiError(
        "already_decided",
        message=f"decision {newest.id} of {newest.made_by} at {newest.made_at.isoformat(timespec='seconds')} "
        "came after `state` was read; read it again",
    )


def _refs(outcome: DecisionOutcome) -> list[str]:
    return [
        *(f"chat:{chat}" for chat in outcome.chats),
        *(f"webhook:{one}" for one in outcome.conversations),
    ]


def _candidates(found: ItemToReview) -> list[ApiCandidate]:
    return [
        ApiCandidate(
            id=one.id,
            label=one.data.get("name") or one.data.get("number"),
            detail={
                name: value
                for name, value in one.data.items()
                if name not in {"id", "name", "number", "confidence", "evidence"}
            },
            probability=one.confidence,
            log_odds=one.log_odds,
            reasons=[
                ApiReason(name=step.name, words=step.words, weight=step.weight, sum=step.total)
                for step in one.steps
            ],
        )
        for one in shown_candidates(found)
    ]
