"""Linking live conversations to contacts, and their sessions to orders, by the rules for the archive's chats.

What belongs here: choosing the conversations to link again, and limiting the influence of a profile's name.
What does not: the rules (domain/matching), cutting sessions (steps/conversations/live_sessions.py) and the
statements (store/links/live_links.py).

If only one contact has the number, the number decides. Otherwise the name of the WhatsApp profile is evidence
through the name model, like a chat's title. The name chooses between contacts that share the number, and
confirms a number whose area code is not known. The customer chose this name, not the shop. So a contact
without evidence from the number is at most proposed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

from whatsapp_pipeline.domain.matching.link_types import LinkDecision
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.logs import fields
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
from whatsapp_pipeline.steps.links.order_evidence import order_model, stored_order_model
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import live_links as store
from whatsapp_pipeline.store.links import order_links, queue_refresh
from whatsapp_pipeline.store.locks import in_transaction, named_lock

# Largest number of conversations per transaction when all conversations are compared.
_CHUNK_CONVERSATIONS = 5000


@dataclass(frozen=True, slots=True)
class LiveLinkReport:
    """Number of links that changed."""

    contacts: int = 0
    sessions: int = 0

    def __add__(self, other: LiveLinkReport) -> LiveLinkReport:
        return LiveLinkReport(self.contacts + other.contacts, self.sessions + other.sessions)


class LiveLinking:
    """Links given conversations. The contacts' names and the order model are read once for all calls.

    A conversation is linked again if its evidence differs from that of its last link.
    """

    def __init__(self, conn: Connection, *, log: logging.Logger, may_fit_orders: bool = False) -> None:
        self._conn = conn
        options = LinkOptions()
        # Fitting a name model takes long, so only the linking of months fits one.
        names = TitleNames(seed=options.seed, fit_titles=options.name_fit_titles, log=log, may_fit=False)
        self._contacts = ContactLinking(options, log=log, names=names)
        model = order_model(conn, refit=False, log=log) if may_fit_orders else stored_order_model(conn)
        self._policy = replace(OrderLinkOptions().policy(), model=model)

    def link(self, conversations: Sequence[int]) -> LiveLinkReport:
        """Link these conversations and their sessions. Call this method in a transaction.

        The cost depends on these conversations, not on the number of all conversations. A conversation that
        another worker has locked is skipped.
        """
        return LiveLinkReport(self._link_contacts(conversations), self._link_orders(conversations))

    def _link_contacts(self, conversations: Sequence[int]) -> int:
        conn = self._conn
        due = store.due_contacts(conn, conversations, rules_hash())
        if not due:
            return 0
        profile = {-row.id: row.profile_name for row in due}
        rows = store.stage_conversations(conn, [row.id for row in due])
        decided = {decision.id_chat_file: decision for decision in self._contacts.decide_staged(conn, rows)}
        doubtful = [-id_ for id_, decision in decided.items() if _needs_name(decision, profile[id_])]
        if doubtful:
            staged = store.stage_conversations(conn, doubtful)
            named = [
                row._replace(title=profile[row.id], name=parse_title(profile[row.id]).name) for row in staged
            ]
            owners = phone_evidence(conn, to_chats(named, None))
            for decision in self._contacts.decide_staged(conn, named):
                known = {hit.id_contato for hit in owners[decision.id_chat_file]}
                decided[decision.id_chat_file] = _at_most_proposed(decision, known)
        found = [replace(decision, id_chat_file=-decision.id_chat_file) for decision in decided.values()]
        return store.write_contacts(conn, due, decision_rows(found), candidate_rows(found))

    def _link_orders(self, conversations: Sequence[int]) -> int:
        conn = self._conn
        due = store.due_orders(conn, conversations, f"{rules_hash()}/{self._policy.model.to_json()}")
        if not due:
            return 0
        rows: Sequence[order_links.SessionRow] = store.stage_sessions(conn, [id_ for id_, _ in due])
        decisions = decide_sessions(conn, rows, self._policy)
        changed = order_links.write_session_links(
            conn, order_decision_rows(decisions), order_candidate_rows(decisions)
        )
        store.keep_order_inputs(conn, due)
        return changed["sessions"]


def link_live(conn: Connection, *, log: logging.Logger) -> LiveLinkReport:
    """Link again every conversation whose evidence differs from that of its last link.

    Contacts and orders change in the user's own tables, where the pipeline has no triggers. So only this
    function finds an order that was added later. Its cost grows with the number of all conversations.
    `process_due` and `relink_months` call it. Conversations with new messages are linked when their sessions
    are made (live_sessions.py). A conversation that another worker is writing to is skipped, and the next
    call handles it.
    """
    linking = LiveLinking(conn, log=log, may_fit_orders=True)
    report = LiveLinkReport()
    last = 0
    while chunk := store.next_conversations(conn, after=last, limit=_CHUNK_CONVERSATIONS):
        last = chunk[-1]
        with lock_live_links(conn):
            report += in_transaction(conn, partial(linking.link, chunk))
    if differing := queue_refresh.repair_live(conn):
        log.warning(
            "repaired the review queue's rows of %s live conversations, which differed from their links",
            differing,
            extra=fields(conversations=differing),
        )
    return report


def lock_live_links(conn: Connection) -> AbstractContextManager[None]:
    """Let one worker at a time link conversations.

    So no worker skips conversations that another has locked.
    """
    return named_lock(conn, "live_links")


def _needs_name(decision: LinkDecision, profile_name: str) -> bool:
    """Return whether the number alone does not decide, so that the profile's name is needed."""
    is_doubtful = decision.status != "linked" or len(decision.candidates) > 1
    return decision.status != "manual" and is_doubtful and bool(parse_title(profile_name).name)


def _at_most_proposed(decision: LinkDecision, phone_owners: set[int]) -> LinkDecision:
    if decision.status != "linked" or decision.id_contato in phone_owners:
        return decision
    return replace(decision, status="proposed", id_contato=None)
