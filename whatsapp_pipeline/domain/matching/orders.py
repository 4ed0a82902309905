"""Which service order a session is about: an explicit number, else a mixture over the contact's orders.

What belongs here: the decision, and the plan's older rule. What does not: what the evidence is worth
(order_model.py), how that is found (order_fitting.py), and reading tables.

All orders of the contact near the session compete with "none of them", so that the confidence counts the
rivals and adds up from the reasons.
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
    "Order", "OrderCandidate", "OrderDecision", "OrderMethod", "OrderModel", "OrderPolicy", "OrderStatus",
    "SessionToLink", "link_session", "of_proposed_contact", "with_title",
]  # fmt: skip

OrderStatus = Literal["linked", "proposed", "unmatched", "manual"]
OrderMethod = Literal["model", "temporal_match"]

# The method that stands for a decision in which only these kinds of evidence made a difference.
_DATES = frozenset({"when", "small_talk", "number_unsaid"})
_DEVICES = frozenset({"device_same", "device_other", "device_unknown", "device_unsaid"})
_ALONE = {"temporal_match": _DATES, "equipment_match": _DATES | _DEVICES}


@dataclass(frozen=True, slots=True)
class OrderCandidate:
    """An order the session may be about; `confidence` is its posterior among its rivals and "none"."""

    id_ordem_servico: int
    confidence: float
    method: str
    evidence: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class OrderDecision:
    """What was decided of a session; `id_ordem_servico` is set for `linked` and `manual` only."""

    id_session: int
    status: OrderStatus
    method: str | None
    confidence: float | None
    id_ordem_servico: int | None
    candidates: tuple[OrderCandidate, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """`link`: the posterior from which an order is linked; two within `rival` of each other are proposals."""

    method: OrderMethod = "model"
    link: float = 0.5
    propose: float = 0.2
    rival: float = 1 / 3
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
        session: The session, with what `with_rates` adds.
        orders: The orders of its contact.
        named: The orders of anybody whose number or id the session names.
        policy: The method, its thresholds and the model.
        contact_confidence: Below 1 where the contact is only proposed: the order is at most proposed then.
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
    """Orders that the session itself names, by number or, when nobody has the number, by id."""
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
    """Numbers are not unique, and a session may name several: time and device choose among them."""
    evidence = {order.id: tuple(reasons(session, order, policy.model)) for order in own}
    scores = _scores(evidence)
    # No "none" here: the session says in words that it is about one of these.
    posteriors = softmax({id_: score + 6.0 for id_, score in scores.items()}, none=min(scores.values()))
    candidates = _ranked(evidence, posteriors, "direct_os_ref", policy)
    return _conclude(session, candidates, "direct_os_ref", flags, policy)


def _without_contact(
    session: SessionToLink, explicit: Sequence[Order], flags: set[str], policy: OrderPolicy
) -> OrderDecision:
    """Without a contact to check a number against, it is at most a proposal."""
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
    """Name what decides: the date alone, the date and the device, or the model with all its evidence.

    Evidence is left out and the outcome compared: where dates alone give the same status and the same order,
    nothing else made a difference.
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
    """Apply the policy to candidates, best first."""
    if not candidates or candidates[0].confidence < policy.propose:
        return "unmatched"
    best = candidates[0].confidence
    second = candidates[1].confidence if len(candidates) > 1 else 0.0
    return "linked" if best >= policy.link and second < best * policy.rival else "proposed"


def of_proposed_contact(decision: OrderDecision, contact: float) -> OrderDecision:
    """An order can't be surer than the contact it is checked against (`contact`): at most a proposal."""
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
    """Take the number in the title of a chat of one session for the session's own.

    Not where time contradicts it: the order so numbered is far away and another of the contact's is near, or
    it was opened long after the session. Exports that are made later show the chat's later title.
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
    """Return whether the order was opened so long after the session that nobody knew its number then."""
    return order.opened is not None and (order.opened - session.last_day).days > DAYS_BEFORE


def _is_candidate(session: SessionToLink, order: Order) -> bool:
    return time_of(session, order) is not None


def _nearest_issued(session: SessionToLink, orders: Sequence[Order], flags: set[str]) -> OrderDecision:
    """The plan's rule: issued at most 15 days away, the title's device breaks ties, else the nearest."""
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
        session.id, "linked", method, share, candidates[0].id_ordem_servico, candidates,
        tuple(sorted(flags)),
    )  # fmt: skip
