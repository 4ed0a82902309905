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
    """The method, and whether to fit the model again.

    `method` is `model` or `temporal_match`. If a session names no order of its contact, `temporal_match`
    links the order that was opened nearest to it (domain/matching/orders.py). With `refit`, the order model
    is first fitted again if there are enough sessions before the current quarter. Later runs use the new
    model, too.
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

    def input_hashes(
        self, conn: Connection, month: str, before: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return one hash per kind of input of the month's links. `MonthLinking` adds the hash of orders."""
        rules = f"{rules_hash()} {self._options.method}"
        return {"rules": rules, **link_parts.month_parts(conn, "order_links", month)}

    def models_to_refit(self, conn: Connection, month: str) -> list[Fitted]:
        """Return ["model"] if the next run would fit the order model again before it links, otherwise []."""
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
    """Choose an order for each staged session. Call this in the transaction that staged the sessions."""
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
        of_session = settled.get(session.id, SettledOverrides())
        own = _not_refused(own_orders.get(session.id_contato or -1, []), of_session)
        named = _not_refused(
            [order for number in session.numbers for order in by_name.get(number, ())], of_session
        )
        decision = link_session(session, own, named, policy, row.contact_confidence)
        decisions.append(_apply_people_decisions(of_session, decision))
    return decisions


def settled_orders(conn: Connection) -> dict[int, SettledOverrides]:
    """Return the result of people's decisions for each staged session with a decision, by session."""
    about = overrides.about_staged(conn, "links/order_overrides_for")
    return {session: settle_overrides(decisions) for session, decisions in about.items()}


def _not_refused(orders: Sequence[Order], settled: SettledOverrides) -> list[Order]:
    return [order for order in orders if order.id not in settled.refused]


def _apply_people_decisions(settled: SettledOverrides, decision: OrderDecision) -> OrderDecision:
    """Apply people's decisions to the model's decision. A decision for a deleted order only sets a flag.

    If a person refused an order, the model may propose another order but does not link it.
    """
    if settled.target_deleted:
        decision = _with_flag(decision, "override_order_gone")
    if settled.holds is None:
        if settled.refused:
            decision = _with_flag(decision, "order_refused")
            if decision.status == "linked":
                decision = replace(decision, status="proposed", id_ordem_servico=None)
        return decision
    override, candidates = settled.holds, decision.candidates
    if override.target is not None:
        why = Feature("override", 1, 0.0, f"decided by {override.made_by}: {override.reason}")
        others = tuple(c for c in candidates if c.id_ordem_servico != override.target)
        candidates = (OrderCandidate(override.target, 1.0, "override", (why,)), *others)
    return OrderDecision(
        decision.id_session, "manual", "override", 1.0, override.target, candidates, decision.flags
    )


def _with_flag(decision: OrderDecision, flag: str) -> OrderDecision:
    return replace(decision, flags=tuple(sorted({*decision.flags, flag})))


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
