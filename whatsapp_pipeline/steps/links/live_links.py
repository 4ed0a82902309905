"""Live conversations to contacts, and their sessions to orders, by the rules that the archive's chats have.

What belongs here: which conversations are decided again, and how far a profile's name is believed. What does
not: the rules (domain/matching), cutting sessions (steps/conversations/live_sessions.py) and the statements
(store/links/live_links.py).

A number that one contact alone has decides by itself. Otherwise the name of the WhatsApp profile counts
through the name model, as a chat's title does. It chooses between those who share the number, and makes a
link of a number whose area code nobody wrote. It is the customer's own word and no name that the shop gave:
a contact that the number does not speak for is at most proposed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from whatsapp_pipeline.domain.matching.link_types import LinkDecision
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.steps.links.link_contacts import (
    ContactLinking,
    LinkOptions,
    candidate_rows,
    decision_rows,
    phone_evidence,
    to_chats,
)
from whatsapp_pipeline.steps.links.link_orders import (
    OrderLinkOptions,
    decide_sessions,
    order_candidate_rows,
    order_decision_rows,
)
from whatsapp_pipeline.steps.links.link_rules import rules_hash
from whatsapp_pipeline.steps.links.name_evidence import TitleNames
from whatsapp_pipeline.steps.links.order_evidence import order_model
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import live_links as store
from whatsapp_pipeline.store.links import order_links
from whatsapp_pipeline.store.locks import in_transaction, named_lock


@dataclass(frozen=True, slots=True)
class LiveLinkReport:
    """How many links changed."""

    contacts: int = 0
    sessions: int = 0


def link_live(conn: Connection, *, log: logging.Logger) -> LiveLinkReport:
    """Link every conversation, and the sessions of each, whose evidence changed since it was linked last.

    One statement compares the inputs of all conversations with those they were linked by; only what differs
    is decided. Not only conversations with new messages count: contacts and orders change in the user's own
    tables, where the pipeline has no triggers, and an order that comes later has to be found.
    A conversation that another worker is adding to at this moment is left to the next call.
    """
    with named_lock(conn, "live_links"):
        contacts = in_transaction(conn, lambda: _link_contacts(conn, log))
        sessions = in_transaction(conn, lambda: _link_orders(conn, log))
    return LiveLinkReport(contacts, sessions)


def _link_contacts(conn: Connection, log: logging.Logger) -> int:
    due = store.due_contacts(conn, rules_hash())
    if not due:
        return 0
    options = LinkOptions()
    # Fitting a model takes its time and is left to the linking of months.
    names = TitleNames(seed=options.seed, fit_titles=options.name_fit_titles, log=log, may_fit=False)
    linking = ContactLinking(options, log=log, names=names)
    profile = {-row.id: row.profile_name for row in due}
    rows = store.stage(conn, [row.id for row in due])
    decided = {decision.id_chat_file: decision for decision in linking.decide_staged(conn, rows)}
    doubtful = [-id_ for id_, decision in decided.items() if _needs_name(decision, profile[id_])]
    if doubtful:
        staged = store.stage(conn, doubtful)
        named = [
            row._replace(title=profile[row.id], name=parse_title(profile[row.id]).name) for row in staged
        ]
        owners = phone_evidence(conn, to_chats(named, None))
        for decision in linking.decide_staged(conn, named):
            known = {hit.id_contato for hit in owners[decision.id_chat_file]}
            decided[decision.id_chat_file] = _at_most_proposed(decision, known)
    found = [replace(decision, id_chat_file=-decision.id_chat_file) for decision in decided.values()]
    return store.write_contacts(conn, due, decision_rows(found), candidate_rows(found))


def _needs_name(decision: LinkDecision, profile_name: str) -> bool:
    """Return whether the number leaves a doubt that the profile's name may decide."""
    is_doubtful = decision.status != "linked" or len(decision.candidates) > 1
    return decision.status != "manual" and is_doubtful and bool(parse_title(profile_name).name)


def _at_most_proposed(decision: LinkDecision, phone_owners: set[int]) -> LinkDecision:
    if decision.status != "linked" or decision.id_contato in phone_owners:
        return decision
    return replace(decision, status="proposed", id_contato=None)


def _link_orders(conn: Connection, log: logging.Logger) -> int:
    policy = OrderLinkOptions().policy()
    policy = replace(policy, model=order_model(conn, refit=False, log=log))
    due = store.due_orders(conn, f"{rules_hash()}/{policy.model.to_json()}")
    if not due:
        return 0
    rows: Sequence[order_links.SessionRow] = store.stage_sessions(conn, [id_ for id_, _ in due])
    decisions = decide_sessions(conn, rows, policy)
    changed = order_links.write(conn, order_decision_rows(decisions), order_candidate_rows(decisions))
    store.keep_order_inputs(conn, due)
    return changed["sessions"]
