"""Which service order a session is about: an explicit number, else one logit over the contact's orders.

What belongs here: the evidence of a session for an order, the decision, and the plan's older rule. What does
not: fitting the weights (bench/link/orders.py writes order_weights.json) and reading tables.

All orders of the contact near the session compete with "none of them" in one softmax, so that the
confidence counts the rivals and adds up from the reasons.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

from whatsapp_pipeline.domain.matching.model import Feature, softmax
from whatsapp_pipeline.domain.vocabulary import BRANDS

OrderStatus = Literal["linked", "proposed", "unmatched", "manual"]
OrderMethod = Literal["model", "window_15d"]

# Orders further away than this from a session are no candidates.
DAYS_BEFORE, DAYS_AFTER = 30, 60
# How long an order that was never closed may go on.
DAYS_OPEN = 120
# Sessions a day about no order, where nothing is known of it: four a year.
USUAL_RATE = 4 / 365


@dataclass(frozen=True, slots=True)
class Order:
    """A service order; `devices` are the devices and brands its equipment names."""

    id: int
    number: str
    id_contato: int | None
    opened: date | None
    closed: date | None = None
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionToLink:
    """A session and what its chat says.

    `numbers` are those the session itself names. `title_number` is the order in the chat's title, if any
    (see `with_title`).
    """

    id: int
    id_contato: int | None
    first_day: date
    last_day: date
    numbers: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    title_number: str | None = None
    title_devices: tuple[str, ...] = ()
    unrelated_rate: float = USUAL_RATE
    """How many sessions a day this contact has that are about no order (see `with_rates`)."""


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
    method: str
    confidence: float | None
    id_ordem_servico: int | None
    candidates: tuple[OrderCandidate, ...] = ()
    flags: tuple[str, ...] = ()


@cache
def default_weights() -> Mapping[str, float]:
    """Return the weights fitted by bench/link/orders.py, by feature."""
    text = (files(__package__) / "order_weights.json").read_text(encoding="utf-8")
    weights: dict[str, float] = json.loads(text)["weights"]
    return weights


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """`link`: the posterior from which an order is linked; two within `rival` of each other are proposals."""

    method: OrderMethod = "model"
    link: float = 0.5
    propose: float = 0.2
    rival: float = 1 / 3
    shortlist: int = 5
    weights: Mapping[str, float] = field(default_factory=default_weights)


WORDS = {
    "near": "the session is near the time this order was open",
    "inside": "the session lies between opening and closing",
    "long_stay": "the order was open for long, so a session in it means less (log of days)",
    "small_talk": "how much the contact writes about no order at all (log of the usual)",
    "at_opening": "the session is within a day of the opening",
    "at_closing": "the session is within a day of the closing",
    "on_opening": "the session is on the day of the opening",
    "on_closing": "the session is on the day of the closing",
    "days_before": "the session ends before the opening (log of days)",
    "days_after": "the session starts after the closing (log of days)",
    "days_open": "the order had been open for a while (log of days)",
    "never_closed": "the order has no closing date",
    "device_same": "a device that is named is this order's",
    "device_other": "only other devices are named",
    "number_same": "its number is named",
    "number_other": "another order's number is named",
    "title_same": "its number is in the chat's title",
    "title_other": "another order's number is in the chat's title",
    "opening_words": "words of an opening, near the opening",
    "closing_words": "words of a closing, near the closing",
    "stage_elsewhere": "words of a repair, though far from opening and closing",
}


def link_session(
    session: SessionToLink, orders: Sequence[Order], named: Sequence[Order], policy: OrderPolicy
) -> OrderDecision:
    """Link one session. `orders`: those of its contact; `named`: whoever's whose number it names."""
    flags: set[str] = set()
    explicit = _explicit(session, named, flags)
    if session.id_contato is None:
        return _without_contact(session, explicit, flags, policy)
    own = [order for order in explicit if order.id_contato == session.id_contato]
    if explicit and not own:
        flags.add("order_of_another_contact")
    if own:
        return _reference(session, own, flags, policy)
    if policy.method == "window_15d":
        return _window_15d(session, orders, flags)
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
    scores = {order.id: math.fsum(f.weight for f in _features(session, order, policy)) for order in own}
    # No "none" here: the session says in words that it is about one of these.
    posteriors = softmax({id_: score + 6.0 for id_, score in scores.items()}, none=min(scores.values()))
    candidates = _ranked(session, own, posteriors, "reference", policy)
    return _conclude(session, candidates, "reference", flags, policy)


def _without_contact(
    session: SessionToLink, explicit: Sequence[Order], flags: set[str], policy: OrderPolicy
) -> OrderDecision:
    """Without a contact to check a number against, it is at most a proposal."""
    if not explicit:
        return OrderDecision(session.id, "unmatched", "none", None, None, (), tuple(sorted(flags)))
    share = round(0.8 / len(explicit), 6)
    unchecked = (Feature("number_same", 1, 0.0, "its number is named, but the chat has no contact"),)
    candidates = tuple(
        OrderCandidate(order.id, share, "reference", unchecked)
        for order in sorted(explicit, key=lambda order: order.id)[: policy.shortlist]
    )
    return OrderDecision(session.id, "proposed", "reference", share, None, candidates, tuple(sorted(flags)))


def _by_model(
    session: SessionToLink, orders: Sequence[Order], flags: set[str], policy: OrderPolicy
) -> OrderDecision:
    near = [order for order in orders if _is_candidate(session, order)]
    scores = {order.id: math.fsum(f.weight for f in _features(session, order, policy)) for order in near}
    candidates = _ranked(session, near, softmax(scores), "model", policy)
    return _conclude(session, candidates, "model", flags, policy)


def _ranked(
    session: SessionToLink,
    orders: Sequence[Order],
    posteriors: Mapping[int, float],
    method: str,
    policy: OrderPolicy,
) -> tuple[OrderCandidate, ...]:
    by_id = {order.id: order for order in orders}
    ranked = sorted(posteriors, key=lambda id_: (-posteriors[id_], id_))[: policy.shortlist]
    return tuple(
        OrderCandidate(id_, round(posteriors[id_], 6), method, tuple(_features(session, by_id[id_], policy)))
        for id_ in ranked
    )


def _conclude(
    session: SessionToLink,
    candidates: tuple[OrderCandidate, ...],
    method: str,
    flags: set[str],
    policy: OrderPolicy,
) -> OrderDecision:
    best = candidates[0] if candidates else None
    second = candidates[1].confidence if len(candidates) > 1 else 0.0
    status: OrderStatus = "unmatched"
    if best is not None and best.confidence >= policy.propose:
        sure = best.confidence >= policy.link and second < best.confidence * policy.rival
        status = "linked" if sure else "proposed"
    return OrderDecision(
        session.id,
        status,
        method if status != "unmatched" else "none",
        best.confidence if best else None,
        best.id_ordem_servico if best is not None and status == "linked" else None,
        candidates,
        tuple(sorted(flags)),
    )


def with_title(session: SessionToLink, orders: Sequence[Order]) -> SessionToLink:
    """Take the number in the title of a chat of one session for the session's own.

    Not where time contradicts it: the order so numbered is far away and another of the contact's is near.
    """
    number = session.title_number
    if not number:
        return session
    near = [order for order in orders if _is_candidate(session, order)]
    named_near = any(order.number == number for order in near)
    named_far = any(order.number == number for order in orders) and not named_near
    if named_far and near:
        return session
    return replace(session, numbers=tuple(dict.fromkeys((*session.numbers, number))), title_number=None)


def with_rates(
    sessions: Sequence[SessionToLink], orders: Mapping[int, Sequence[Order]], customers: int
) -> list[SessionToLink]:
    """Add to each session how often its contact writes about no order, judged by all `sessions` at hand.

    A session far from every order of its contact is about none; how many there are a day tells how many to
    expect by chance near an order too. A contact's own history counts as far as there is one, the whole
    batch's for the rest. `orders`: by contact, those of the sessions' contacts; `customers`: how many
    contacts have any order, whether they wrote or not.
    """
    days = [session.first_day for session in sessions]
    if not days or not orders:
        return list(sessions)
    far: dict[int, list[date]] = {}
    every: dict[int, list[date]] = {}
    for session in sessions:
        if session.id_contato is None:
            continue
        every.setdefault(session.id_contato, []).append(session.first_day)
        if not any(_is_candidate(session, order) for order in orders.get(session.id_contato, ())):
            far.setdefault(session.id_contato, []).append(session.first_day)
    watched = max(customers, len(every)) * ((max(days) - min(days)).days + 1)
    total = sum(len(found) for found in far.values())
    usual = (total + 1) / (watched + 1 / USUAL_RATE)
    rates = {}
    for contact, seen in every.items():
        own_days = (max(seen) - min(seen)).days
        rates[contact] = (1 + len(far.get(contact, ()))) / (1 / usual + own_days)
    return [
        replace(session, unrelated_rate=rates.get(session.id_contato or 0, usual)) for session in sessions
    ]


# Evidence.


def _is_candidate(session: SessionToLink, order: Order) -> bool:
    if order.opened is None:
        return False
    before = (order.opened - session.last_day).days
    limit = DAYS_AFTER if order.closed is not None else DAYS_OPEN
    after = (session.first_day - (order.closed or order.opened)).days
    return before <= DAYS_BEFORE and after <= limit


def feature_values(session: SessionToLink, order: Order) -> dict[str, float]:
    """Return the evidence of a session for an order it is near, by feature; zeros are left out."""
    assert order.opened is not None  # noqa: S101  # candidates have an opening date
    opened, closed = order.opened, order.closed
    before = max((opened - session.last_day).days, 0)
    after = max((session.first_day - closed).days, 0) if closed is not None else 0
    since = max((session.first_day - opened).days, 0)
    inside = before == 0 and after == 0 and closed is not None and closed >= opened
    at_opening = abs((session.first_day - opened).days) <= 1
    at_closing = closed is not None and abs((session.first_day - closed).days) <= 1
    values = {
        "near": 1.0,
        "inside": float(inside),
        "long_stay": math.log1p((closed - opened).days) if inside and closed is not None else 0.0,
        "small_talk": math.log(session.unrelated_rate / USUAL_RATE),
        "at_opening": float(at_opening),
        "at_closing": float(at_closing),
        "on_opening": float(session.first_day <= opened <= session.last_day),
        "on_closing": float(closed is not None and session.first_day <= closed <= session.last_day),
        "days_before": math.log1p(before),
        "days_after": math.log1p(after),
        "days_open": math.log1p(since) if closed is None else 0.0,
        "never_closed": float(closed is None),
        **_device_values(session, order),
        **_number_values(session, order),
    }
    if session.stages:
        opening = "opening" in session.stages and -3 <= (session.first_day - opened).days <= 3
        closing = "closing" in session.stages and (
            closed is not None and -3 <= (session.first_day - closed).days <= 7
        )
        values["opening_words"] = float(opening)
        values["closing_words"] = float(closing)
        values["stage_elsewhere"] = float(not opening and not closing)
    return {name: value for name, value in values.items() if value}


def _device_values(session: SessionToLink, order: Order) -> dict[str, float]:
    said = session.devices or session.title_devices
    if not said or not order.devices:
        return {}
    kinds = {device for device in said if device not in BRANDS}
    owned = {device for device in order.devices if device not in BRANDS}
    same = bool(kinds & owned) if kinds and owned else bool(set(said) & set(order.devices))
    return {"device_same": 1.0} if same else {"device_other": 1.0}


def _number_values(session: SessionToLink, order: Order) -> dict[str, float]:
    if session.numbers:
        return {"number_same": 1.0} if order.number in session.numbers else {"number_other": 1.0}
    if session.title_number:  # one title stands for all sessions of a chat, and they may be about others
        return {"title_same": 1.0} if order.number == session.title_number else {"title_other": 1.0}
    return {}


def _features(session: SessionToLink, order: Order, policy: OrderPolicy) -> list[Feature]:
    if not _is_candidate(session, order):
        # An explicit number may name an order of any time: only what is named speaks for it then.
        values = {**_device_values(session, order), **_number_values(session, order)}
    else:
        values = feature_values(session, order)
    return [
        Feature(name, round(value, 4), round(policy.weights.get(name, 0.0) * value, 4), WORDS[name])
        for name, value in values.items()
    ]


def _window_15d(session: SessionToLink, orders: Sequence[Order], flags: set[str]) -> OrderDecision:
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
    candidates = tuple(
        OrderCandidate(
            order.id, share, "window_15d", (Feature("days", days, 0.0, "days between opening and session"),)
        )
        for days, order in ranked[:5]
    )
    if not candidates:
        return OrderDecision(session.id, "unmatched", "none", None, None, (), tuple(sorted(flags)))
    return OrderDecision(
        session.id, "linked", "window_15d", share, candidates[0].id_ordem_servico, candidates,
        tuple(sorted(flags)),
    )  # fmt: skip
