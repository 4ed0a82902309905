"""People's decisions on links: making and withdrawing them, and writing them to the links at once.

What belongs here: the functions that a command, a page or the API calls. What does not: which decision is in
force (domain/matching/overrides.py), the tables (store/links), and terminals.

A decision applies to one chat, to all chats of its phone or, only if a person chooses this, to all chats with
its title. The links change at once: the chats of the decision become `manual`, or `pending` if the rules have
to decide again. `relink_months` then lets the rules decide the affected months.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from whatsapp_pipeline.domain.matching.link_types import Evidence, Feature
from whatsapp_pipeline.domain.matching.overrides import SettledOverrides
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links.link_contacts import (
    ContactLinking,
    LinkOptions,
    phone_evidence,
    settled_by_people,
    to_chats,
)
from whatsapp_pipeline.steps.links.link_orders import OrderLinking, OrderLinkOptions, settled_orders
from whatsapp_pipeline.steps.links.live_links import link_live
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import (
    chat_state,
    link_report,
    live_links,
    live_review,
    order_links,
    overrides,
    verdicts,
)
from whatsapp_pipeline.store.links import contact_links as links
from whatsapp_pipeline.store.links.chat_state import ChatTarget, LinkState
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow, to_json
from whatsapp_pipeline.store.links.live_review import LiveTarget
from whatsapp_pipeline.store.links.order_links import SessionRow
from whatsapp_pipeline.store.links.overrides import NewOverride, Override
from whatsapp_pipeline.store.links.review_pages import DecisionPlace, decision_effect
from whatsapp_pipeline.store.summaries import stale_summaries

DecisionScope = Literal["chat", "phone", "title"]
DecisionKind = Literal["contact", "no_contact", "not_contact", "order", "no_order", "not_order"]
NobodyKind = Literal["unregistered", "new_customer", "private_or_supplier", "wrong_number"]
LinkVerdict = Literal["right", "wrong", "unsure"]
_ABOUT_ORDERS = ("order", "no_order", "not_order")


class AlreadyDecidedError(PipelineError):
    """The item was decided by another person after it was shown."""


@dataclass(frozen=True, slots=True)
class ScopeOffer:
    """A possible target of a decision, and counts of the chats and live conversations that it would change.

    `linked_now` has (contact, count) pairs for these; the contact None is for those without a contact.
    """

    scope: DecisionScope
    target_kind: str
    target: str
    chat_number: int | None
    chats: int
    messages: int
    months: tuple[str, ...]
    linked_now: tuple[tuple[int | None, int], ...]


@dataclass(frozen=True, slots=True)
class ShownState:
    """The state of a chat or session that a person saw: its link, and the decisions in force on it."""

    link: LinkState
    decisions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChatDecision:
    """A decision to make on a chat or, with `session`, on the order of one of its sessions.

    `chat` is the id of the chat or of the live conversation. `id` is the chosen or refused contact or order.
    Without `scope`, the decision applies to the chat's phone if the chat has one, otherwise to the chat only.
    Refusals and decisions on orders apply to the chat only.
    """

    chat: int
    kind: DecisionKind
    id: int | None
    reason: str
    made_by: str
    scope: DecisionScope | None = None
    session: int | None = None
    nobody_kind: NobodyKind | None = None


@dataclass(frozen=True, slots=True)
class DecisionOutcome:
    """The chats and live conversations that a decision, or its withdrawal, changed.

    For those in `outranked`, another decision is in force, because it is narrower or newer. The rules must
    decide those in `pending`: after a refusal, or if a phone contradicts a decision on a title. After a
    withdrawal, both are empty.
    """

    id_override: int
    chats: tuple[int, ...]
    months: tuple[str, ...]
    outranked: tuple[DecisionPlace, ...] = ()
    conversations: tuple[int, ...] = ()
    pending: tuple[DecisionPlace, ...] = ()


def scope_offers(conn: Connection, chat: int) -> list[ScopeOffer]:
    """Return the possible targets of a decision on the chat.

    The usual target is first, and the title is last.
    """
    target = _target(conn, chat)
    scopes: list[DecisionScope] = ["phone"] if target.phone_key is not None else []
    scopes.append("chat")
    if (target.title or "").strip():
        scopes.append("title")
    return [_offer(conn, target, scope) for scope in scopes]


def shown_state(conn: Connection, chat: int, session: int | None = None) -> ShownState:
    """Return the current state of an item. Pass it to `make_decision` together with the answer."""
    link = chat_state.link_state(conn, chat, session)
    if link is None:
        raise PipelineError(f"there is no chat {chat}" + (f" with a session {session}" if session else ""))
    return ShownState(link, tuple(row.id for row in overrides.in_force_about(conn, chat)))


def make_decision(
    conn: Connection, wanted: ChatDecision, *, shown: ShownState | None = None
) -> DecisionOutcome:
    """Store a decision, and write it to the links at once.

    Raises AlreadyDecidedError if the item has changed since it was `shown`, and PipelineError if the chat,
    contact or order does not exist.
    """
    target = _target(conn, wanted.chat)
    offer = _offer(conn, target, wanted.scope or _usual_scope(wanted, target))
    with conn.transaction():
        chat_state.lock_decisions(conn)
        if shown is not None:
            _refuse_if_decided(conn, wanted, shown)
        made = overrides.insert_override(
            conn,
            NewOverride(
                offer.target_kind,
                offer.target,
                wanted.kind,
                wanted.id,
                wanted.reason,
                wanted.made_by,
                offer.chat_number,
                wanted.session,
                wanted.nobody_kind,
            ),
        )
        return _write_decision(conn, made, add_verdicts=True)


def add_override(conn: Connection, new: NewOverride) -> DecisionOutcome:
    """Store a decision on a given file, phone, title or conversation, and write it to the links at once."""
    with conn.transaction():
        chat_state.lock_decisions(conn)
        return _write_decision(conn, overrides.insert_override(conn, new), add_verdicts=True)


def decide_conversation(
    conn: Connection,
    new: NewOverride,
    *,
    conversation: int,
    session: int | None,
    since: int,
    own: Collection[int],
) -> DecisionOutcome:
    """Store a decision on a live conversation, or on the order of one of its sessions.

    `since` is the id of the newest decision when the conversation was shown. `own` are the ids of the
    reviewer's own later decisions. Raises AlreadyDecidedError if another person has decided later.
    """
    with conn.transaction():
        chat_state.lock_decisions(conn)
        refuse_if_decided_live(conn, conversation, session, since=since, own=own)
        return add_override(conn, new)


def live_scope_offers(conn: Connection, conversation: int) -> list[ScopeOffer]:
    """Return the possible targets of a decision on a live conversation. The usual target is first."""
    target = _live_target(conn, conversation)
    offers = [_offer_of(conn, "chat", "conversation", target.name, known_as=target.name)]
    if target.phone_key is not None:
        offers.insert(0, _offer_of(conn, "phone", "phone", target.phone_key, known_as=target.phone_key))
    return offers


def shown_live_state(conn: Connection, conversation: int, session: int | None = None) -> ShownState:
    """Return the current state of a live conversation.

    Pass it to `make_live_decision` together with the answer.
    """
    link = live_review.live_link_state(conn, conversation, session)
    if link is None:
        raise PipelineError(f"there is no live conversation {conversation} with such a session")
    in_force = live_review.live_decisions_in_force(conn, conversation)
    return ShownState(link, tuple(row.id for row in in_force))


def make_live_decision(conn: Connection, wanted: ChatDecision, *, shown: ShownState) -> DecisionOutcome:
    """Store a decision on a live conversation or on one of its sessions, and write it to the links at once.

    Without a scope, the decision applies to the phone if the conversation has one, otherwise to the
    conversation only. Raises AlreadyDecidedError if the item has changed since it was `shown`.
    """
    target = _live_target(conn, wanted.chat)
    usual = "phone" if wanted.kind in {"contact", "no_contact"} and target.phone_key else "chat"
    scope = wanted.scope or usual
    if scope == "title" or (scope == "phone" and target.phone_key is None):
        raise PipelineError(f"live conversation {wanted.chat} has no {scope} that a decision can be about")
    kind, name = ("phone", target.phone_key or "") if scope == "phone" else ("conversation", target.name)
    with conn.transaction():
        chat_state.lock_decisions(conn)
        if shown_live_state(conn, wanted.chat, wanted.session) != shown:
            raise AlreadyDecidedError(f"live conversation {wanted.chat} was decided after it was shown")
        new = NewOverride(
            kind,
            name,
            wanted.kind,
            wanted.id,
            wanted.reason,
            wanted.made_by,
            None,
            wanted.session,
            wanted.nobody_kind,
        )
        return _write_decision(conn, overrides.insert_override(conn, new), add_verdicts=True)


def _live_target(conn: Connection, conversation: int) -> LiveTarget:
    target = live_review.live_targets(conn, conversation)
    if target is None:
        raise PipelineError(f"there is no live conversation {conversation}")
    return target


def refuse_if_decided_live(
    conn: Connection, conversation: int, session: int | None, *, since: int, own: Collection[int]
) -> None:
    """Raise AlreadyDecidedError if another person decided on a live conversation after decision `since`."""
    newer = live_review.decided_since(conn, conversation, session, since=since, own=own)
    if newer is not None:
        raise AlreadyDecidedError(
            f"live conversation {conversation} was already decided by {newer.made_by} at "
            f"{newer.made_at:%Y-%m-%d %H:%M}"
        )


def give_verdict(
    conn: Connection,
    chat: int,
    verdict: LinkVerdict,
    *,
    note: str | None,
    reviewer: str,
    is_blind: bool = False,
) -> DecisionOutcome | None:
    """Store a verdict on a chat's link. "wrong" also refuses the contact, which changes the link at once.

    Returns the outcome of the refusal, or None without a refusal.
    """
    _target(conn, chat)
    with conn.transaction():
        chat_state.lock_decisions(conn)
        link = shown_state(conn, chat).link
        made: int | None = None
        if verdict == "wrong" and link.id_contato is not None:
            target = _target(conn, chat)
            reason = (note or "").strip() or "review: the link is wrong"
            made = overrides.insert_override(
                conn,
                NewOverride(
                    "file",
                    target.file_path,
                    "not_contact",
                    link.id_contato,
                    reason,
                    reviewer,
                    target.chat_number,
                ),
            )
        verdicts.record_verdict(
            conn, chat, verdict, note=note, reviewer=reviewer, id_override=made, is_blind=is_blind
        )
        return _write_decision(conn, made, add_verdicts=False) if made is not None else None


def undo_decision(conn: Connection, id_override: int, *, reason: str, removed_by: str) -> DecisionOutcome:
    """Withdraw a decision. The next decision by rank, if there is one, is then in force.

    Raises PipelineError if there is no such decision or it was already withdrawn.
    """
    with conn.transaction():
        chat_state.lock_decisions(conn)
        if not overrides.withdraw_override(conn, id_override, reason=reason, removed_by=removed_by):
            raise PipelineError(
                f"override {id_override} was already withdrawn or never made; see `override list --all`"
            )
        return _write_decision(conn, id_override, add_verdicts=False)


def relink_months(
    conn: Connection, months: Iterable[str], *, default_area_code: str | None, log: logging.Logger
) -> list[str]:
    """Link the contacts and orders of these months again, and return the months.

    Live conversations whose evidence changed are linked again, too, because a decision on a phone also
    applies to them.
    """
    contacts = ContactLinking(LinkOptions(default_area_code=default_area_code), log=log)
    orders = OrderLinking(OrderLinkOptions(), log=log)
    wanted = sorted(set(months))
    for month in wanted:
        contacts.link(conn, month)
        orders.link(conn, month)
    link_live(conn, log=log)
    return wanted


def _target(conn: Connection, chat: int) -> ChatTarget:
    target = chat_state.chat_targets(conn, chat)
    if target is None:
        raise PipelineError(f"there is no chat {chat}; the QA report and `review` show the numbers of chats")
    return target


def _usual_scope(wanted: ChatDecision, target: ChatTarget) -> DecisionScope:
    by_phone = wanted.kind in {"contact", "no_contact"} and target.phone_key is not None
    return "phone" if by_phone else "chat"


def _offer(conn: Connection, target: ChatTarget, scope: DecisionScope) -> ScopeOffer:
    kind, name, number = "file", target.file_path, None
    if scope == "chat":
        number = target.chat_number
    elif scope == "phone":
        if target.phone_key is None:
            raise PipelineError(f"chat {target.id_chat_file} has no phone; decide on the chat itself")
        kind, name = "phone", target.phone_key
    else:
        kind, name = "title", target.title or ""
    known_as = overrides.title_key(conn, name) if kind == "title" else name
    return _offer_of(conn, scope, kind, name, known_as=known_as, number=number)


def _offer_of(
    conn: Connection, scope: DecisionScope, kind: str, name: str, *, known_as: str, number: int | None = None
) -> ScopeOffer:
    chats = overrides.chats_of_target(conn, kind, known_as, number)
    live = live_review.conversations_of_target(conn, kind, known_as)
    linked = Counter([*(chat.id_contato for chat in chats), *(one.id_contato for one in live)])
    return ScopeOffer(
        scope,
        kind,
        name,
        number,
        len(chats) + len(live),
        sum(chat.messages for chat in chats) + sum(one.messages for one in live),
        tuple(sorted({chat.month for chat in chats})),
        tuple(linked.most_common()),
    )


def _refuse_if_decided(conn: Connection, wanted: ChatDecision, shown: ShownState) -> None:
    now = shown_state(conn, wanted.chat, wanted.session)
    if now == shown:
        return
    newest: Override | None = None
    for row in overrides.in_force_about(conn, wanted.chat):
        if row.id not in shown.decisions:
            newest = row
    if newest is not None:
        raise AlreadyDecidedError(
            f"chat {wanted.chat} was already decided by {newest.made_by} at {newest.made_at:%Y-%m-%d %H:%M}"
        )
    raise AlreadyDecidedError(f"chat {wanted.chat} was linked again after it was shown; check the new link")


def _write_decision(conn: Connection, id_override: int, *, add_verdicts: bool) -> DecisionOutcome:
    """Write a new or withdrawn decision to the links.

    With `add_verdicts`, a verdict is stored for each link of the rules that the decision confirms or
    corrects. The models learn from these verdicts.
    """
    decision = overrides.find_override(conn, id_override)
    about = overrides.chats_about(conn, id_override)
    chats = [chat.id_chat_file for chat in about]
    conversations = _conversations_about(conn, decision) if decision is not None else []
    in_summaries = stale_summaries.links_in_summaries(conn, chats, conversations)
    months = tuple(sorted({chat.month for chat in about}))
    if decision is not None and chats:
        if decision.decision in _ABOUT_ORDERS:
            _write_session_decisions(
                conn, order_links.stage_chat_sessions(conn, chats), decision.session_number
            )
        else:
            if add_verdicts:
                verdicts.record_decision(conn, decision, chats)
            before = link_report.statuses_of(conn, chats)
            _write_contact_decisions(conn, chats)
            after = link_report.statuses_of(conn, chats)
            for month in months:
                of_month = [chat.id_chat_file for chat in about if chat.month == month]
                link_report.record_decision_run(conn, month, before, {chat: after[chat] for chat in of_month})
        order_links.write_chat_orders(conn, chats)
    live = _write_live_decision(conn, decision, conversations) if decision is not None else ()
    now = stale_summaries.links_in_summaries(conn, chats, conversations)
    stale_summaries.note_changed_links(conn, in_summaries, now)
    if decision is None or decision.removed_at is not None:
        return DecisionOutcome(id_override, tuple(chats), months, conversations=live)
    effect = decision_effect(conn, id_override)
    return DecisionOutcome(
        id_override, tuple(chats), months, tuple(effect.outranked), live, tuple(effect.pending)
    )


def _conversations_about(conn: Connection, decision: Override) -> list[int]:
    if decision.target_kind not in {"conversation", "phone"}:
        return []
    found = live_review.conversations_of_target(conn, decision.target_kind, decision.target)
    return [one.id for one in found]


def _write_live_decision(
    conn: Connection, decision: Override, conversations: Sequence[int]
) -> tuple[int, ...]:
    """Write a new or withdrawn decision to its live conversations, and return their ids."""
    if not conversations:
        return ()
    if decision.decision in _ABOUT_ORDERS:
        _write_session_decisions(
            conn, live_links.stage_sessions(conn, conversations), decision.session_number
        )
        live_review.decide_orders_again(conn, conversations)
        return tuple(conversations)
    rows = to_chats(live_links.stage_conversations(conn, conversations), None)  # staged with negative ids
    phones = phone_evidence(conn, rows)
    settled = settled_by_people(conn, {row.id: Evidence(phones=phones[row.id]) for row in rows})
    decided: list[DecisionRow] = []
    for row in rows:
        holds = settled.get(row.id, SettledOverrides()).holds
        decided.append(
            DecisionRow(-row.id, "pending", None, None, None, [])
            if holds is None
            else DecisionRow(-row.id, "manual", "override", 1.0, holds.target, [])
        )
    live_review.write_people(conn, decided)
    return tuple(conversations)


def _write_contact_decisions(conn: Connection, chats: Sequence[int]) -> None:
    """Write the decisions in force to the chats."""
    rows = to_chats(links.stage_chats(conn, chats), None)
    phones = phone_evidence(conn, rows)
    settled = settled_by_people(conn, {row.id: Evidence(phones=phones[row.id]) for row in rows})
    stored: defaultdict[int, list[CandidateRow]] = defaultdict(list)
    for candidate in links.stored_candidates(conn, chats):
        stored[candidate.id].append(candidate)
    decided: list[DecisionRow] = []
    candidates: list[CandidateRow] = []
    for row in rows:
        of_chat = settled.get(row.id, SettledOverrides())
        candidates += _candidates_now(row.id, of_chat, stored[row.id])
        decided.append(
            DecisionRow(row.id, "pending", None, None, None, [])
            if of_chat.holds is None
            else DecisionRow(row.id, "manual", "override", 1.0, of_chat.holds.target, [])
        )
    chat_state.reopen_moved_orders(conn, {row.id: row.target for row in decided})
    links.write_chat_links(conn, decided, candidates)


def _candidates_now(
    chat: int, of_chat: SettledOverrides, stored: Sequence[CandidateRow]
) -> Iterator[CandidateRow]:
    """Yield a chat's candidates after a decision, by rank.

    The candidates of the rules keep their evidence, so that they are shown again if the decision is
    withdrawn. A contact that only a person chose is the first candidate while that decision is in force.
    """
    holds = of_chat.holds
    kept = [row for row in stored if not _is_by_person(row)]
    if holds is not None and holds.target is not None and holds.target not in {row.target for row in kept}:
        why = Feature("override", 1, 0.0, f"decided by {holds.made_by}: {holds.reason}")
        kept.insert(0, CandidateRow(chat, 1, holds.target, 1.0, "override", to_json([why])))
    for rank, row in enumerate(kept, 1):
        yield row._replace(rank=rank)


def _is_by_person(candidate: CandidateRow) -> bool:
    """Return whether a contact is a candidate only because of a decision, without evidence."""
    reasons = json.loads(candidate.evidence)
    return bool(reasons) and reasons[0]["name"] == "override"


def _write_session_decisions(conn: Connection, staged: Sequence[SessionRow], number: int | None) -> None:
    """Write the decisions in force to the orders of staged sessions, or only of the session with `number`.

    A session without a decision becomes pending, so that linking decides it again.
    """
    settled = settled_orders(conn)
    orders: dict[int, int | None] = {}
    reopened: list[int] = []
    for row in staged:
        if number is not None and row.number != number:
            continue
        holds = settled.get(row.id, SettledOverrides()).holds
        if holds is None:
            reopened.append(row.id)
        else:
            orders[row.id] = holds.target
    chat_state.write_session_orders(conn, orders)
    chat_state.reopen_sessions(conn, reopened)
