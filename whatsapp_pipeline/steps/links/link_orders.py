"""order_links: each session of a month's chats to the service order it is about.

What belongs here: gathering sessions and orders set-wise, deciding, writing what differs. What does not: the
rules (domain/matching/orders.py) and the statements (store/links/order_links.py).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from whatsapp_pipeline.domain.gc_disabled import uncollected
from whatsapp_pipeline.domain.matching.link_types import Feature
from whatsapp_pipeline.domain.matching.order_fitting import with_rates
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderCandidate,
    OrderDecision,
    OrderPolicy,
    link_session,
)
from whatsapp_pipeline.domain.matching.overrides import PersonDecision, SettledOverrides, settle_overrides
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links.link_counts import LinkReport, report
from whatsapp_pipeline.steps.links.link_rules import rules_hash
from whatsapp_pipeline.steps.links.order_evidence import (
    by_contact,
    order_model,
    order_model_is_due,
    to_orders,
    to_sessions,
)
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import fingerprints as link_stamps
from whatsapp_pipeline.store.links import link_parts
from whatsapp_pipeline.store.links import order_links as store
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow, to_json
from whatsapp_pipeline.store.locks import in_transaction, month_lock


@dataclass(frozen=True, slots=True)
class OrderLinkOptions:
    """How a session finds its order: `model`, or `temporal_match`, the plan's rule.

    `refit` fits the model to all linked sessions before, and keeps it for this run and later ones.
    """

    method: str = "model"
    refit: bool = False

    def policy(self) -> OrderPolicy:
        """Return the policy of the method; raises PipelineError when there is no such method."""
        if self.method == "model":
            return OrderPolicy()
        if self.method == "temporal_match":
            return OrderPolicy(method="temporal_match")
        raise PipelineError(f"order links: no method {self.method!r}; use model or temporal_match")


class OrderLinking:
    """Links the sessions of the months of one run. The model and what else they share is read once.

    A model that is fitted anew is so for the first month, and serves them all.
    """

    def __init__(self, options: OrderLinkOptions, *, log: logging.Logger) -> None:
        self._options, self._log = options, log
        self._policy: OrderPolicy | None = None
        self._versions: str | None = None
        self._orders = ""
        self._due: bool | None = None

    def link(self, conn: Connection, month: str) -> LinkReport:
        """Link every session of the month's chats, in one transaction.

        A second run changes nothing, and when nothing that the links rest on has changed it decides nothing.
        """
        with month_lock(conn, "order_links", month), uncollected():
            return in_transaction(conn, lambda: self._link(conn, month))

    def _link(self, conn: Connection, month: str) -> LinkReport:
        policy = self._policy_of(conn)
        if self._versions is None:
            self._versions = link_stamps.versions(conn, "order_links")
            self._orders = link_parts.orders_version(conn)
        inputs = link_stamps.rests_on(
            conn, "order_links", month, self._versions, rules_hash(), policy.method, policy.model.to_json()
        )
        if link_stamps.stands(conn, "order_links", month, inputs):
            changed = {"sessions": 0, "candidates": 0, "files": 0}
        else:
            decisions = decide_sessions(conn, store.stage_month(conn, month), policy)
            changed = store.write(conn, order_decision_rows(decisions), order_candidate_rows(decisions))
            link_stamps.keep(conn, "order_links", month, inputs)
            same = link_parts.orders_version(conn) == self._orders
            orders = link_parts.orders_part(conn, month) if same else link_parts.CHANGED_MEANWHILE
            parts = {**self.parts(conn, month), "orders": orders}
            link_parts.keep_parts(conn, "order_links", month, parts)
        return report(month, "sessions", store.tally(conn, month), changed)

    def parts(self, conn: Connection, month: str) -> dict[str, str]:
        """Return what the month's order links depend on, by part, orders left out, for the planner."""
        rules = f"{rules_hash()} {self._options.method}"
        return {"rules": rules, **link_parts.month_parts(conn, "order_links", month)}

    def fits_before(self, conn: Connection, month: str) -> bool:
        """Return whether a run of the month would fit a new model first, which serves every month."""
        if self._due is None:
            self._due = self._options.method == "model" and order_model_is_due(conn)
        return self._due

    def _policy_of(self, conn: Connection) -> OrderPolicy:
        if self._policy is None:
            policy = self._options.policy()
            if policy.method == "model":
                policy = replace(policy, model=order_model(conn, refit=self._options.refit, log=self._log))
            self._policy = policy
        return self._policy


def decide_sessions(
    conn: Connection, rows: Sequence[store.SessionRow], policy: OrderPolicy
) -> list[OrderDecision]:
    """Decide the staged sessions. Needs the transaction in which they were staged."""
    orders = to_orders(store.orders(conn))
    own_orders = by_contact(orders)
    by_name: defaultdict[str, list[Order]] = defaultdict(list)
    for order in orders:
        for name in {order.number, str(order.id)} - {""}:
            by_name[name].append(order)
    sessions = to_sessions(rows, own_orders)
    if policy.method == "model":
        sessions = with_rates(sessions, own_orders, policy.model)
    settled = _settled_by_people(conn)
    decisions = []
    for row, session in zip(rows, sessions, strict=True):
        people = settled.get(session.id, SettledOverrides())
        own = _not_refused(own_orders.get(session.id_contato or -1, []), people)
        named = _not_refused(
            [order for number in session.numbers for order in by_name.get(number, ())], people
        )
        decision = link_session(session, own, named, policy, row.contact_confidence)
        decisions.append(_apply(people, decision))
    return decisions


def _settled_by_people(conn: Connection) -> dict[int, SettledOverrides]:
    by_session: defaultdict[int, list[PersonDecision]] = defaultdict(list)
    for row in store.overrides(conn):
        by_session[row.id_session].append(
            PersonDecision(
                row.id_override,
                row.target_kind,
                row.id_ordem_servico,
                row.reason,
                row.made_by,
                refuses=row.refuses,
                deleted=row.is_gone,
                of_session=row.of_session,
                of_chat=row.of_chat,
            )
        )
    return {session: settle_overrides(decisions) for session, decisions in by_session.items()}


def _not_refused(orders: Sequence[Order], people: SettledOverrides) -> list[Order]:
    return [order for order in orders if order.id not in people.refused]


def _apply(people: SettledOverrides, decision: OrderDecision) -> OrderDecision:
    """Put a person's decision over the model's; one whose order was deleted is flagged and left out.

    Where a person refused an order, the model links no other by itself: it is at most proposed.
    """
    if people.target_deleted:
        decision = replace(decision, flags=tuple(sorted({*decision.flags, "override_order_gone"})))
    if people.holds is None:
        if people.refused:
            flags = tuple(sorted({*decision.flags, "order_refused"}))
            decision = replace(decision, flags=flags)
        if people.refused and decision.status == "linked":
            decision = replace(decision, status="proposed", id_ordem_servico=None)
        return decision
    override, candidates = people.holds, decision.candidates
    if override.target is not None:
        why = Feature("override", 1, 0.0, f"decided by {override.made_by}: {override.reason}")
        others = tuple(c for c in candidates if c.id_ordem_servico != override.target)
        candidates = (OrderCandidate(override.target, 1.0, "override", (why,)), *others)
    return OrderDecision(
        decision.id_session, "manual", "override", 1.0, override.target, candidates, decision.flags
    )


def order_decision_rows(decisions: Iterable[OrderDecision]) -> Iterator[DecisionRow]:
    """Return decisions as the tables hold them."""
    for decision in decisions:
        yield DecisionRow(
            decision.id_session, decision.status, decision.method, decision.confidence,
            decision.id_ordem_servico, list(decision.flags),
        )  # fmt: skip


def order_candidate_rows(decisions: Iterable[OrderDecision]) -> Iterator[CandidateRow]:
    """Return the candidates of decisions as the tables hold them."""
    for decision in decisions:
        for rank, candidate in enumerate(decision.candidates, 1):
            yield CandidateRow(
                decision.id_session, rank, candidate.id_ordem_servico, candidate.confidence, candidate.method,
                to_json(candidate.evidence),
            )  # fmt: skip
