"""order_links: each session of a month's chats to the service order it is about.

What belongs here: gathering sessions and orders set-wise, deciding, writing what differs. What does not: the
rules (domain/matching/orders.py) and the statements (store/order_links.py).
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from whatsapp_pipeline.domain.matching.model import Feature
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderCandidate,
    OrderDecision,
    OrderPolicy,
    SessionToLink,
    link_session,
    with_rates,
    with_title,
)
from whatsapp_pipeline.domain.vocabulary import find_devices
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.link_rules import rules_hash
from whatsapp_pipeline.store import link_stamps, links
from whatsapp_pipeline.store import order_links as store
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import month_lock


@dataclass(frozen=True, slots=True)
class OrderLinkOptions:
    """How a session finds its order: `model`, or `window_15d`, the plan's rule."""

    method: str = "model"

    def policy(self) -> OrderPolicy:
        """Return the policy of the method; raises PipelineError when there is no such method."""
        if self.method == "model":
            return OrderPolicy()
        if self.method == "window_15d":
            return OrderPolicy(method="window_15d")
        raise PipelineError(f"order links: no method {self.method!r}; use model or window_15d")


@dataclass(frozen=True, slots=True)
class OrderLinkReport:
    """What a month's order linking found, in sessions, and what it changed, in rows."""

    month: str
    sessions: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    by_method: Mapping[str, int] = field(default_factory=dict)
    by_flag: Mapping[str, int] = field(default_factory=dict)
    sessions_changed: int = 0
    candidates_changed: int = 0
    files_changed: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts, ready to show; methods count sessions that have an order."""
        return {
            "sessions": self.sessions,
            **self.by_status,
            **{f"by_{method}": count for method, count in self.by_method.items()},
            **{f"flag_{flag}": count for flag, count in self.by_flag.items()},
            "sessions_changed": self.sessions_changed,
            "candidates_changed": self.candidates_changed,
            "files_changed": self.files_changed,
        }


def link_orders_month(
    conn: Connection, month: str, options: OrderLinkOptions, *, log: logging.Logger
) -> OrderLinkReport:
    """Link every session of the month's chats, in one transaction.

    A second run changes nothing, and when nothing that the links rest on has changed it decides nothing.
    """
    policy = options.policy()
    with month_lock(conn, "order_links", month), conn.transaction():
        rows = store.stage_month(conn, month)
        inputs = link_stamps.rests_on(conn, "order_links", rules_hash(), repr(options))
        if link_stamps.stands(conn, "order_links", month, inputs):
            sessions, written = store.staged_links(conn), store.OrderLinksWritten(0, 0, 0)
        else:
            decisions = _decide(conn, rows, policy)
            sessions = list(_rows(decisions))
            written = store.write(conn, sessions, _candidate_rows(decisions))
            link_stamps.keep(conn, "order_links", month, inputs)
    statuses = Counter[str](session.status for session in sessions)
    methods = Counter(session.method for session in sessions if session.id_ordem_servico is not None)
    flags = Counter(flag for session in sessions for flag in session.flags)
    log.info("%s: %d sessions, %s", month, len(rows), dict(sorted(statuses.items())))
    return OrderLinkReport(
        month, len(rows), dict(sorted(statuses.items())), dict(sorted(methods.items())),
        dict(sorted(flags.items())), written.sessions, written.candidates, written.files,
    )  # fmt: skip


def _decide(conn: Connection, rows: Sequence[store.SessionRow], policy: OrderPolicy) -> list[OrderDecision]:
    by_contact: defaultdict[int, list[Order]] = defaultdict(list)
    by_name: defaultdict[str, list[Order]] = defaultdict(list)
    for found in store.orders(conn):
        order = Order(
            found.id,
            found.number,
            found.id_contato,
            found.opened,
            found.closed,
            tuple(find_devices(found.equipment)),
        )
        if found.id_contato is not None:
            by_contact[found.id_contato].append(order)
        for name in {found.number, str(found.id)} - {""}:
            by_name[name].append(order)
    of_chat = Counter(row.id_chat_file for row in rows)
    sessions = with_rates([_session(row) for row in rows], by_contact, store.contacts_with_orders(conn))
    overrides = {row.id_session: row for row in store.overrides(conn)}
    decisions = []
    for row, session in zip(rows, sessions, strict=True):
        own = by_contact.get(session.id_contato or -1, [])
        asked = with_title(session, own) if of_chat[row.id_chat_file] == 1 else session
        named = [order for number in asked.numbers for order in by_name.get(number, ())]
        decision = link_session(asked, own, named, policy)
        if row.id_contato is not None and row.contact_confidence is not None and row.contact_confidence < 1:
            decision = _of_proposed_contact(decision, row.contact_confidence)
        override = overrides.get(session.id)
        decisions.append(_apply(override, decision) if override else decision)
    return decisions


def _session(row: store.SessionRow) -> SessionToLink:
    return SessionToLink(
        row.id, row.id_contato, row.first_day, row.last_day,
        tuple(number.lstrip("0") for number in row.order_numbers), tuple(row.devices), tuple(row.stages),
        row.title_number, tuple(row.title_devices),
    )  # fmt: skip


def _of_proposed_contact(decision: OrderDecision, contact: float) -> OrderDecision:
    """An order can't be surer than the contact it is checked against: at most a proposal."""
    return replace(
        decision,
        status="proposed" if decision.status == "linked" else decision.status,
        id_ordem_servico=None,
        confidence=None if decision.confidence is None else round(decision.confidence * contact, 6),
        candidates=tuple(
            replace(c, confidence=round(c.confidence * contact, 6)) for c in decision.candidates
        ),
    )


def _apply(override: store.OrderOverrideRow, decision: OrderDecision) -> OrderDecision:
    """Put a person's decision over the model's; one whose order was deleted is flagged and left out."""
    if override.order_gone:
        return replace(decision, flags=tuple(sorted({*decision.flags, "override_order_gone"})))
    candidates = decision.candidates
    if override.id_ordem_servico is not None:
        why = Feature("override", 1, 0.0, f"decided by {override.made_by}: {override.reason}")
        others = tuple(c for c in candidates if c.id_ordem_servico != override.id_ordem_servico)
        candidates = (OrderCandidate(override.id_ordem_servico, 1.0, "override", (why,)), *others)
    return OrderDecision(
        decision.id_session, "manual", "override", 1.0, override.id_ordem_servico, candidates, decision.flags
    )


def _rows(decisions: Iterable[OrderDecision]) -> Iterator[store.OrderDecisionRow]:
    for decision in decisions:
        yield store.OrderDecisionRow(
            decision.id_session, decision.status, decision.method, decision.confidence,
            decision.id_ordem_servico, list(decision.flags),
        )  # fmt: skip


def _candidate_rows(decisions: Iterable[OrderDecision]) -> Iterator[store.OrderCandidateRow]:
    for decision in decisions:
        for rank, candidate in enumerate(decision.candidates, 1):
            yield store.OrderCandidateRow(
                decision.id_session, rank, candidate.id_ordem_servico, candidate.confidence, candidate.method,
                links.to_json(feature.as_dict() for feature in candidate.evidence),
            )  # fmt: skip
