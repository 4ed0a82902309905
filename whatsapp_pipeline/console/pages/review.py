"""Review: the items that wait for a decision, deciding, and the history of decisions.

What belongs here: the pages of a reviewer, and the actions of their buttons. What does not: making a decision
(steps/links/decide.py), and drawing evidence (review_evidence.py).

steps/links/decide.py is imported inside functions, because it loads numerical packages of 60 MB, which a
console without reviewers does not need.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.list_cursors import parse_queue_cursor, queue_cursor
from whatsapp_pipeline.console.page import Page, number_or_none
from whatsapp_pipeline.console.pages.conversation import read_conversation, seen_in
from whatsapp_pipeline.console.pages.review_evidence import shown_candidates
from whatsapp_pipeline.console.pages.search import customers_named
from whatsapp_pipeline.console.review_state import (
    decide_item,
    newest_unseen,
    parse_shown_state,
    scopes_of,
    shown_text,
)
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.contacts.directory import customer_names, order_by_id, orders_numbered
from whatsapp_pipeline.store.conversations.message_stream import Place, StreamScope
from whatsapp_pipeline.store.links import chat_state, live_review
from whatsapp_pipeline.store.links.precision_sample import next_links
from whatsapp_pipeline.store.links.review_pages import (
    ItemToReview,
    PastDecision,
    QueuedItem,
    count_items,
    decision_effect,
    item_to_review,
    past_decisions,
    queued_items,
)

if TYPE_CHECKING:
    from whatsapp_pipeline.steps.links.decide import DecisionKind, DecisionScope, NobodyKind

_Chosen = TypeVar("_Chosen", bound=str)
_LISTED, _HISTORY = 20, 50
_SNOOZE = timedelta(days=7)
_NOBODY: tuple[NobodyKind, ...] = ("unregistered", "new_customer", "private_or_supplier", "wrong_number")
_ABOUT_ORDERS = ("order", "no_order")
_SCOPES: tuple[DecisionScope, ...] = ("chat", "phone", "title")


def _one_of(choices: tuple[_Chosen, ...], typed: str | None) -> _Chosen | None:
    """Return the choice that a form sent; None for any other value."""
    return next((choice for choice in choices if choice == typed), None)


def show_queue(page: Page) -> Response:
    """Show the waiting items, most valuable first, and the next link of the blind sample."""
    after = parse_queue_cursor(page.text("after"))
    found = queued_items(page.conn, page.visitor.name, limit=_LISTED + 1, after=after)
    more = urlencode({"after": queue_cursor(found[_LISTED - 1].place)}) if len(found) > _LISTED else None
    return page.render(
        "review.html",
        items=[(item, item_address(item)) for item in found[:_LISTED]],
        total=count_items(page.conn),
        more=f"/review?{more}" if more else None,
        is_first=after is None,
        sample=next_links(page.conn, None, limit=1) if after is None else [],
        done=_decided_just_now(page),
    )


def next_item(page: Page) -> Response:
    """Redirect to the most valuable item or, if none waits, to the queue.

    That page shows the decision that was made just before.
    """
    done = number_or_none(page.text("done"))
    query = "" if done is None else f"?{urlencode({'done': done})}"
    first = queued_items(page.conn, page.visitor.name, limit=1)
    path = item_address(first[0]) if first else "/review"
    return page.redirect(path + query)


def _decided_just_now(page: Page) -> dict[str, Any] | None:
    """Return the decision that was made just before, with its effect.

    None if the address names no decision, or if the decision was withdrawn meanwhile.
    """
    number = number_or_none(page.text("done"))
    if number is None or number == 2**63 - 1:
        return None
    newest = past_decisions(page.conn, before=number + 1, limit=1)
    if not newest or newest[0].id != number or newest[0].removed_at is not None:
        return None
    effect = decision_effect(page.conn, number)
    return {"decision": newest[0], **{name: len(places) for name, places in effect._asdict().items()}}


def item_address(found: QueuedItem | ItemToReview) -> str:
    """Return the path of an item's page."""
    path = f"/review/{found.source}:{found.id}"
    return path if found.session_number is None else f"{path}/{found.session_number}"


def item(page: Page) -> Response:
    """Show an item, with its messages beside its candidates."""
    found = _item(page)
    path = item_address(found)
    start = Place(found.first_at) if found.session_number is not None and found.first_at else None
    scope = StreamScope("chat" if found.source == "chat" else "webhook", found.id)
    conversation, messages = read_conversation(page, scope, path, start=start)
    page.record("view", seen_in(messages) | {(None, f"{found.source}:{found.id}")})
    return page.render(
        "review_item.html",
        item=found,
        path=path,
        conversation=conversation,
        shown=shown_text(found),
        candidates=shown_candidates(found),
        others=_others(page, found),
        who=page.text("who"),
        done=_decided_just_now(page),
        nobody=_NOBODY,
    )


def _others(page: Page, found: ItemToReview) -> list[tuple[str, str]] | None:
    """Return the customers or orders of a search, as (choice, label); None without a search."""
    who = page.text("who")
    if not who:
        return None
    if found.session_number is None:
        return [
            (f"contact:{id_}", f"{name or words.NO_NAME} ({words.CUSTOMER_NUMBER.lower()} {id_})")
            for id_, name in customers_named(page, who)
        ]
    orders = orders_numbered(page.conn, who, with_device=True) if who.strip("#0 ") else []
    return [
        (f"order:{one.id}", " · ".join(filter(None, (one.numero or str(one.id), one.nome, one.equipamento))))
        for one in orders
    ]


def confirm(page: Page) -> Response:
    """Show the effect of a choice before the decision is made."""
    found = _item(page)
    kind, id_ = _choice(page.text("choice"), found)
    return page.render(
        "review_confirm.html",
        item=found,
        path=item_address(found),
        kind=kind,
        choice=page.text("choice"),
        whom=_whom(page, kind, id_),
        scopes=_scopes(page, found, kind, id_) if found.session_number is None else [],
        order_now=_whom(page, "order", found.id_ordem_servico) if kind in _ABOUT_ORDERS else "",
        shown=page.text("shown"),
        nobody=_NOBODY,
        problem=None,
    )


def _scopes(page: Page, found: ItemToReview, kind: DecisionKind, id_: int | None) -> list[dict[str, Any]]:
    """Return the possible scopes of a decision on a customer, each with its effect."""
    from whatsapp_pipeline.steps.links.scope_effects import scope_effects

    try:
        offers = scopes_of(page.conn, found)
    except PipelineError:
        raise PageError("not_found") from None
    if kind == "not_contact":  # a refusal applies to the chat only
        offers = [offer for offer in offers if offer.scope == "chat"]
    effects = scope_effects(page.conn, offers, kind, id_)
    names = customer_names(page.conn, [contact for effect in effects for contact, _ in effect.moved])
    return [
        {
            "scope": effect.offer.scope,
            "target": effect.offer.target,
            "chats": effect.chats,
            "messages": effect.messages,
            "pending": effect.pending,
            "kept": effect.kept,
            "moved": [(names.get(contact) or words.NO_NAME, chats) for contact, chats in effect.moved],
        }
        for effect in effects
    ]


def post_decision(page: Page) -> Response:
    """Make the decision. It is in force at once."""
    from whatsapp_pipeline.steps.links.decide import AlreadyDecidedError, ChatDecision

    found = _item(page)
    fields = page.form()
    kind, id_ = _choice(fields.get("choice", ""), found)
    scope, nobody = fields.get("scope"), fields.get("nobody")
    reason = page.clean(fields.get("reason", ""), longest=500)
    wanted = ChatDecision(
        found.id,
        kind,
        id_,
        reason or words.REVIEW_REASON,
        page.visitor.name,
        _one_of(_SCOPES, scope) if kind in {"contact", "no_contact"} else None,
        session=found.session_number,
        nobody_kind=_one_of(_NOBODY, nobody) if kind == "no_contact" else None,
    )
    shown = parse_shown_state(fields.get("shown", ""))
    try:
        outcome = decide_item(page.conn, found, wanted, shown=shown)
    except AlreadyDecidedError:
        return _decided_meanwhile(page, found, newest_unseen(page.conn, found, shown))
    except PipelineError:
        raise PageError("bad_request") from None
    return page.redirect(f"/review/next?{urlencode({'done': outcome.id_override})}")


def _decided_meanwhile(page: Page, found: ItemToReview, newest: PastDecision | None) -> Response:
    """Show that the item changed after the reviewer saw it.

    The page names the newest decision that the reviewer has not seen. Without one, it says that the link
    changed.
    """
    return page.render(
        "review_decided.html",
        status=409,
        item=found,
        newest=newest,
        path=item_address(found),
    )


def post_snooze(page: Page) -> Response:
    """Hide an item from this reviewer's queue for a week."""
    found = _item(page)
    put_off = chat_state.snooze if found.source == "chat" else live_review.snooze_conversation
    put_off(
        page.conn,
        found.id,
        found.session_number,
        reviewer=page.visitor.name,
        until=datetime.now(UTC) + _SNOOZE,
    )
    return page.redirect("/review/next")


def show_history(page: Page) -> Response:
    """List decisions, newest first, with person, time and reason, and whether they can be withdrawn."""
    decisions = past_decisions(page.conn, before=number_or_none(page.text("before")), limit=_HISTORY + 1)
    more = len(decisions) > _HISTORY
    del decisions[_HISTORY:]
    return page.render(
        "review_history.html",
        decisions=decisions,
        undone=number_or_none(page.text("undone")),
        older=f"/review/history?{urlencode({'before': decisions[-1].id})}" if more else None,
        is_first=not page.text("before"),
        not_undone=page.text("problem") == "1",
    )


def undo(page: Page) -> Response:
    """Withdraw a decision. The decision that was in force before it is in force again."""
    from whatsapp_pipeline.steps.links.decide import undo_decision

    number = page.number("id")
    reason = page.clean(page.form().get("reason", ""), longest=500) or words.UNDO_REASON
    try:
        undo_decision(page.conn, number, reason=reason, removed_by=page.visitor.name)
    except PipelineError:
        return page.redirect("/review/history?problem=1")
    return page.redirect(f"/review/history?undone={number}")


def _item(page: Page) -> ItemToReview:
    source, number = page.request.path_params["source"], page.number("id")
    session = page.number("session") if "session" in page.request.path_params else None
    if source not in {"chat", "webhook"} or (session is not None and session > 2**31 - 1):
        raise PageError("not_found")
    found = item_to_review(page.conn, source, number, session)
    if found is None:
        raise PageError("not_found")
    return found


def _choice(text: str, found: ItemToReview) -> tuple[Any, int | None]:
    """Return kind and id of a choice such as `contact:7`, `no_contact`, `order:70`, `no_order`."""
    match = re.fullmatch(r"(contact|order|not_contact):([0-9]{1,19})|(no_contact|no_order)", text)
    kind = (match[1] or match[3]) if match else ""
    id_ = number_or_none(match[2]) if match and match[2] else None
    fits = kind.endswith("order") == (found.session_number is not None)
    if match is None or not fits or (match[2] and id_ is None):
        raise PageError("bad_request")
    return kind, id_


def _whom(page: Page, kind: str, id_: int | None) -> str:
    """Return the name of a choice's customer, or the number of its order; '' without an id.

    Raises PageError (not_found) for an unknown id.
    """
    if id_ is None:
        return ""
    if kind == "order":
        one = order_by_id(page.conn, id_, with_device=False)
        if one is None:
            raise PageError("not_found")
        return str(one.numero or one.id)
    names = customer_names(page.conn, [id_])
    if id_ not in names:
        raise PageError("not_found")
    return names[id_] or words.NO_NAME
