"""order_links: the service order of each session of a month's chats.

What belongs here: collecting sessions and orders, deciding, and writing the differences. What does not: the
rules (domain/matching/orders.py) and the statements (store/links/order_links.py).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from whatsapp_pipeline.domain.matching.link_types import Feature
from whatsapp_pipeline.domain.matching.order_fitting import with_rates
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderCandidate,
    OrderDecision,
    OrderPolicy,
    link_session,
)
from whatsapp_pipeline.domain.matching.overrides import SettledOverrides, settle_overrides
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links.link_months import Fitted, MonthLinking
from whatsapp_pipeline.steps.links.link_rules import rules_hash
from whatsapp_pipeline.steps.links.order_evidence import (
    by_contact,
    order_model,
    order_model_is_due,
    to_orders,
    to_sessions,
)
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import link_parts, overrides
from whatsapp_pipeline.store.links import order_links as store
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow, Tally, to_json


@dataclass(frozen=True, slots=True)
class OrderLinkOptions:
    """The method: `model`, or `temporal_match`, the rule of the original plan.

    `refit` first fits the model to all linked sessions, and stores it for this run and later ones.
    """

    method: str = "model"
    refit: bool = False

    def policy(self) -> OrderPolicy:
        """Return the policy of the method. Raises PipelineError for an unknown method."""
        if self.method == "model":
            return OrderPolicy()
        if self.method == "temporal_match":
            return OrderPolicy(method="temporal_match")
        raise PipelineError(f"order links: no method {self.method!r}; use model or temporal_match")


class OrderLinking(MonthLinking):
    """Links the sessions of the months of one run to orders. All months use the same model."""

    stage = "order_links"
    unit = "sessions"
    written = ("sessions", "candidates", "files")

    def __init__(self, options: OrderLinkOptions, *, log: logging.Logger) -> None:
        super().__init__(log=log)
        self._options = options
        self._policy: OrderPolicy | None = None
        self._due: bool | None = None

    def parts(self, conn: Connection, month: str, before: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return hashes of what the month's links depend on, by part and without orders."""
        rules = f"{rules_hash()} {self._options.method}"
        return {"rules": rules, **link_parts.month_parts(conn, "order_links", month)}

    def fits_before(self, conn: Connection, month: str) -> list[Fitted]:
        """Return the name of the part whose model a run of any month would fit again first."""
        if self._due is None:
            self._due = self._options.method == "model" and order_model_is_due(conn)
        return ["model"] if self._due else []

    def _rules(self, conn: Connection) -> tuple[str, ...]:
        policy = self._policy_of(conn)
        return policy.method, policy.model.to_json()

    def _decide_and_write(self, conn: Connection, month: str) -> Mapping[str, int]:
        decisions = decide_sessions(conn, store.stage_month_sessions(conn, month), self._policy_of(conn))
        return store.write_session_links(
            conn, order_decision_rows(decisions), order_candidate_rows(decisions)
        )

    def _tally(self, conn: Connection, month: str) -> list[Tally]:
        return store.tally_sessions(conn, month)

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
    """Decide the staged sessions, in the transaction in which they were staged."""
    orders = to_orders(store.candidate_orders(conn))
    own_orders = by_contact(orders)
    by_name: defaultdict[str, list[Order]] = defaultdict(list)
    for order in orders:
        for name in {order.number, str(order.id)} - {""}:
            by_name[name].append(order)
    sessions = to_sessions(rows, own_orders)
    if policy.method == "model":
        sessions = with_rates(sessions, own_orders, policy.model)
    settled = settled_orders(conn)
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


def settled_orders(conn: Connection) -> dict[int, SettledOverrides]:
    """Return the result of people's decisions, for each staged session with a decision."""
    about = overrides.about_staged(conn, "links/order_overrides_for")
    return {session: settle_overrides(decisions) for session, decisions in about.items()}


def _not_refused(orders: Sequence[Order], people: SettledOverrides) -> list[Order]:
    return [order for order in orders if order.id not in people.refused]


def _apply(people: SettledOverrides, decision: OrderDecision) -> OrderDecision:
    """Apply people's decisions to the model's decision. A decision for a deleted order only sets a flag.

    If a person refused an order, the model may propose another order but does not link it.
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
    """Yield decisions as rows of the tables."""
    for decision in decisions:
        yield DecisionRow(
            decision.id_session,
            decision.status,
            decision.method,
            decision.confidence,
            decision.id_ordem_servico,
            list(decision.flags),
        )


def order_candidate_rows(decisions: Iterable[OrderDecision]) -> Iterator[CandidateRow]:
    """Yield the candidates of decisions as rows of the tables."""
    for decision in decisions:
        for rank, candidate in enumerate(decision.candidates, 1):
            yield CandidateRow(
                decision.id_session,
                rank,
                candidate.id_ordem_servico,
                candidate.confidence,
                candidate.method,
                to_json(candidate.evidence),
            )
