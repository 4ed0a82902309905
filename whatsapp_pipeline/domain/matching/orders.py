"""Deciding the service order of a session, by an explicit number, otherwise by the order model.

What belongs here: the decision, and the simpler rule `temporal_match`. What does not: match weights
(order_model.py), fitting them (order_fitting.py), and reading tables.

All orders of the contact near the session compete with each other and with "none of them". The score of an
order is the sum of the match weights of its reasons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from whatsapp_pipeline.domain.matching.link_types import Feature, softmax
from whatsapp_pipeline.domain.matching.order_model import (
    DAYS_BEFORE,
    Order,
    OrderModel,
    SessionToLink,
    default_model,
    reasons,
    time_of,
)

__all__ = [
    "Order",
    "OrderCandidate",
    "OrderDecision",
    "OrderMethod",
    "OrderModel",
    "OrderPolicy",
    "OrderStatus",
    "SessionToLink",
    "link_session",
    "of_proposed_contact",
    "with_title",
]

OrderStatus = Literal["linked", "proposed", "unmatched", "manual"]
OrderMethod = Literal["model", "temporal_match"]

# Methods of decisions that only these kinds of evidence determined.
_DATES = frozenset({"when", "small_talk", "number_unsaid"})
_DEVICES = frozenset({"device_same", "device_other", "device_unknown", "device_unsaid"})
_ALONE = {"temporal_match": _DATES, "equipment_match": _DATES | _DEVICES}


@dataclass(frozen=True, slots=True)
class OrderCandidate:
    """An order that the session may be about.

    `confidence` is its posterior among all candidates and "none".
    """

    id_ordem_servico: int
    confidence: float
    method: str
    evidence: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class OrderDecision:
    """The decision on a session; `id_ordem_servico` is set only for `linked` and `manual`."""

    id_session: int
    status: OrderStatus
    method: str | None
    confidence: float | None
    id_ordem_servico: int | None
    candidates: tuple[OrderCandidate, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """The method and its thresholds.

    `link`, `propose`: posteriors from which an order is linked or proposed. `runner_up`: a second order with
    at least this share of the first one's posterior makes both proposals.
    """

    method: OrderMethod = "model"
    link: float = 0.5
    propose: float = 0.2
    runner_up: float = 1 / 3
    shortlist: int = 5
    model: OrderModel = field(default_factory=default_model)


def link_session(
    session: SessionToLink,
    orders: Sequence[Order],
    named: Sequence[Order],
    policy: OrderPolicy,
    contact_confidence: float | None = None,
) -> OrderDecision:
    """Link one session.

    Args:
        session: The session, completed by `order_fitting.with_rates`.
        orders: The orders of its contact.
        named: The orders of any contact whose number or id the session names.
        policy: The method, its thresholds and the model.
        contact_confidence: Below 1 if the contact is only proposed; the order is then at most proposed.
    """
    decision = _decide(session, orders, named, policy)
    if contact_confidence is None or contact_confidence >= 1:
        return decision
    return of_proposed_contact(decision, contact_confidence)


def _decide(
    session: SessionToLink, orders: Sequence[Order], named: Sequence[Order], policy: OrderPolicy
) -> OrderDecision:
    flags: set[str] = set()
    explicit = _explicit(session, named, flags)
    if session.id_contato is None:
        return _without_contact(session, explicit, flags, policy)
    own = [order for order in explicit if order.id_contato == session.id_contato]
    if explicit and not own:
        flags.add("order_of_another_contact")
    if own:
        return _reference(session, own, flags, policy)
    if policy.method == "temporal_match":
        return _nearest_issued(session, orders, flags)
    return _by_model(session, orders, flags, policy)


def _explicit(session: SessionToLink, named: Sequence[Order], flags: set[str]) -> list[Order]:
    """Return the orders that the session names by number, or by id if no order has that number."""
    if not session.numbers:
        return []
    by_number = [order for order in named if order.number in session.numbers]
    if by_number:
        return by_number
    by_id = [order for order in named if str(order.id) in session.numbers]
    if not by_id:
        flags.add("order_number_unknown")
    return by_id


def _reference(
    session: SessionToLink, own: Sequence[Order], flags: set[str], policy: OrderPolicy
) -> OrderDecision:
    """Choose by time and device among the named orders; numbers are not unique, and there may be several."""
    evidence = {order.id: tuple(reasons(session, order, policy.model)) for order in own}
    scores = _scores(evidence)
    # The session names one of these orders, so "none" gets almost no weight.
    posteriors = softmax({id_: score + 6.0 for id_, score in scores.items()}, none=min(scores.values()))
    candidates = _ranked(evidence, posteriors, "direct_os_ref", policy)
    return _conclude(session, candidates, "direct_os_ref", flags, policy)


def _without_contact(
    session: SessionToLink, explicit: Sequence[Order], flags: set[str], policy: OrderPolicy
) -> OrderDecision:
    """Propose the named orders: without a contact, nothing confirms a number."""
    if not explicit:
        return OrderDecision(session.id, "unmatched", None, None, None, (), tuple(sorted(flags)))
    share = round(0.8 / len(explicit), 6)
    unchecked = (Feature("number_same", 1, 0.0, "its number is named, but the chat has no contact"),)
    candidates = tuple(
        OrderCandidate(order.id, share, "direct_os_ref", unchecked)
        for order in sorted(explicit, key=lambda order: order.id)[: policy.shortlist]
    )
    return OrderDecision(
        session.id, "proposed", "direct_os_ref", share, None, candidates, tuple(sorted(flags))
    )


def _by_model(
    session: SessionToLink, orders: Sequence[Order], flags: set[str], policy: OrderPolicy
) -> OrderDecision:
    evidence = {
        order.id: tuple(reasons(session, order, policy.model))
        for order in orders
        if _is_candidate(session, order)
    }
    method = _decisive_evidence(evidence, policy)
    candidates = _ranked(evidence, softmax(_scores(evidence)), method, policy)
    return _conclude(session, candidates, method, flags, policy)


def _decisive_evidence(evidence: Mapping[int, tuple[Feature, ...]], policy: OrderPolicy) -> str:
    """Return the method: the date alone, the date and the device, or the model with all evidence.

    The method is the smallest set of evidence that gives the same status and the same order as all of it.
    """
    outcome = _outcome(evidence, policy)
    for method, names in _ALONE.items():
        part = {id_: tuple(f for f in found if f.name in names) for id_, found in evidence.items()}
        if _outcome(part, policy) == outcome:
            return method
    return "model"


def _outcome(
    evidence: Mapping[int, tuple[Feature, ...]], policy: OrderPolicy
) -> tuple[OrderStatus, int | None]:
    candidates = _ranked(evidence, softmax(_scores(evidence)), "", policy)
    return _status(candidates, policy), candidates[0].id_ordem_servico if candidates else None


def _scores(evidence: Mapping[int, Sequence[Feature]]) -> dict[int, float]:
    return {id_: math.fsum(feature.weight for feature in found) for id_, found in evidence.items()}


def _ranked(
    evidence: Mapping[int, tuple[Feature, ...]],
    posteriors: Mapping[int, float],
    method: str,
    policy: OrderPolicy,
) -> tuple[OrderCandidate, ...]:
    ranked = sorted(posteriors, key=lambda id_: (-posteriors[id_], id_))[: policy.shortlist]
    return tuple(OrderCandidate(id_, round(posteriors[id_], 6), method, evidence[id_]) for id_ in ranked)


def _conclude(
    session: SessionToLink,
    candidates: tuple[OrderCandidate, ...],
    method: str,
    flags: set[str],
    policy: OrderPolicy,
) -> OrderDecision:
    best = candidates[0] if candidates else None
    status = _status(candidates, policy)
    return OrderDecision(
        session.id,
        status,
        method if status != "unmatched" else None,
        best.confidence if best else None,
        best.id_ordem_servico if best is not None and status == "linked" else None,
        candidates,
        tuple(sorted(flags)),
    )


def _status(candidates: Sequence[OrderCandidate], policy: OrderPolicy) -> OrderStatus:
    """Return the status that follows from candidates, sorted best first."""
    if not candidates or candidates[0].confidence < policy.propose:
        return "unmatched"
    best = candidates[0].confidence
    second = candidates[1].confidence if len(candidates) > 1 else 0.0
    return "linked" if best >= policy.link and second < best * policy.runner_up else "proposed"


def of_proposed_contact(decision: OrderDecision, contact: float) -> OrderDecision:
    """Lower a decision to a proposal: it can't be surer than the confidence of the `contact`."""
    return replace(
        decision,
        status="proposed" if decision.status == "linked" else decision.status,
        id_ordem_servico=None,
        confidence=None if decision.confidence is None else round(decision.confidence * contact, 6),
        candidates=tuple(
            replace(c, confidence=round(c.confidence * contact, 6)) for c in decision.candidates
        ),
    )


def with_title(session: SessionToLink, orders: Sequence[Order]) -> SessionToLink:
    """Add the number in the chat's title to the session's numbers, unless time contradicts it.

    Time contradicts it when the order with that number was opened long after the session, or is far away
    while another order of the contact is near. An export has the title that the chat had on the day of the
    export, which may be long after the session.
    """
    number = session.title_number
    if not number:
        return session
    numbered = [order for order in orders if order.number == number]
    if numbered and all(_is_later(session, order) for order in numbered):
        return session
    near = [order for order in orders if _is_candidate(session, order)]
    if numbered and near and not any(order.number == number for order in near):
        return session
    return replace(session, numbers=tuple(dict.fromkeys((*session.numbers, number))), title_number=None)


def _is_later(session: SessionToLink, order: Order) -> bool:
    """Return whether the order was opened so long after the session that its number did not exist then."""
    return order.opened is not None and (order.opened - session.last_day).days > DAYS_BEFORE


def _is_candidate(session: SessionToLink, order: Order) -> bool:
    return time_of(session, order) is not None


def _nearest_issued(session: SessionToLink, orders: Sequence[Order], flags: set[str]) -> OrderDecision:
    """Apply the rule `temporal_match`: link the order that was opened nearest to the session.

    Orders opened more than 15 days before or after it do not count. If orders for a device in the title are
    among them, only these count.
    """
    near = [
        (abs((order.opened - session.first_day).days), order)
        for order in orders
        if order.opened is not None and abs((order.opened - session.first_day).days) <= 15
    ]
    said = set(session.title_devices)
    matching = [(days, order) for days, order in near if said & set(order.devices)]
    ranked = sorted(matching or near, key=lambda pair: (pair[0], pair[1].id))
    share = round(0.8 / max(len(ranked), 1), 6)
    method = "equipment_match" if matching and len(near) > 1 else "temporal_match"
    candidates = tuple(
        OrderCandidate(
            order.id, share, method, (Feature("days", days, 0.0, "days between opening and session"),)
        )
        for days, order in ranked[:5]
    )
    if not candidates:
        return OrderDecision(session.id, "unmatched", None, None, None, (), tuple(sorted(flags)))
    return OrderDecision(
        session.id,
        "linked",
        method,
        share,
        candidates[0].id_ordem_servico,
        candidates,
        tuple(sorted(flags)),
    )
