"""Session and orders → status, method and confidence: the table that pins what the shipped model says.

What belongs here: one row per time of an order's life, per kind of evidence and per bound, with the value
that a person reads. What does not: properties of the decision (test_orders.py), fitting
(test_order_fitting.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from whatsapp_pipeline.domain.matching.order_model import TIMES, OrderModel, default_model, time_of
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderPolicy,
    SessionToLink,
    link_session,
)

DAY = date(2025, 1, 10)
SESSION = SessionToLink(1, 7, DAY, DAY)


def order(id_: int = 10, opened: int = 0, length: int | None = 6, **more: object) -> Order:
    """Return an order opened so many days after the session, and open for so many days."""
    day = DAY + timedelta(days=opened)
    closed = None if length is None else day + timedelta(days=length)
    return replace(Order(id_, str(30000 + id_), 7, day, closed, ("notebook", "dell")), **more)  # type: ignore[arg-type]


def rates(**known: float) -> OrderModel:
    """Return the shipped model with sessions per day at some times that make the posterior plain."""
    return replace(default_model(), rates={**default_model().rates, **known})


# Days that the order was open (None: still is), the session's day after the opening, the confidence.
TIMES_TABLE: list[tuple[int | None, int, float]] = [
    (0, -30, 0.024),
    (0, -15, 0.038),
    (0, -7, 0.071),
    (0, -3, 0.184),
    (0, -2, 0.793),
    (0, -1, 0.891),
    (2, 0, 0.946),
    (0, 0, 0.97),
    (2, 2, 0.944),
    (2, 1, 0.871),
    (3, 1, 0.974),
    (4, 1, 0.961),
    (5, 1, 0.948),
    (7, 1, 0.923),
    (12, 1, 0.875),
    (20, 1, 0.811),
    (40, 1, 0.719),
    (80, 1, 0.676),
    (95, 1, 0.599),
    (7, 3, 0.918),
    (12, 3, 0.874),
    (20, 3, 0.8),
    (40, 3, 0.718),
    (80, 3, 0.583),
    (95, 3, 0.599),
    (7, 6, 0.943),
    (12, 11, 0.921),
    (20, 19, 0.883),
    (40, 39, 0.813),
    (80, 79, 0.71),
    (95, 94, 0.599),
    (0, 1, 0.809),
    (0, 2, 0.847),
    (0, 3, 0.572),
    (0, 4, 0.69),
    (0, 6, 0.688),
    (0, 8, 0.126),
    (0, 11, 0.091),
    (0, 16, 0.041),
    (0, 31, 0.03),
    (None, 1, 0.891),
    (None, 2, 0.873),
    (None, 4, 0.844),
    (None, 8, 0.807),
    (None, 16, 0.713),
    (None, 31, 0.179),
    (None, 61, 0.08),
]


@pytest.mark.parametrize(("length", "day", "confidence"), TIMES_TABLE)
def test_a_day_of_an_order_s_life_gives_this_confidence(
    length: int | None, day: int, confidence: float
) -> None:
    decision = link_session(SESSION, [order(opened=-day, length=length)], [], OrderPolicy())
    assert decision.confidence == pytest.approx(confidence, abs=0.0006)


def test_the_table_has_every_time() -> None:
    seen = {time_of(SESSION, order(opened=-day, length=length)) for length, day, _ in TIMES_TABLE}
    assert seen == set(TIMES)


def said(**more: object) -> SessionToLink:
    """Return a session of a contact who writes much about nothing, so that each reason shows."""
    return replace(SESSION, **({"unrelated_rate": 0.4} | more))  # type: ignore[arg-type]


NOTEBOOK, TV = order(opened=-3), order(11, opened=-3, devices=("tv", "lg"))
UNNAMED = order(12, opened=-3, devices=())
ANOTHERS = order(13, opened=-3, id_contato=8)
SHARES = replace(default_model(), device_shares={"notebook": 0.4, "tv": 0.1, "dell": 0.001, "lg": 0.95})
WITH_SHARES = OrderPolicy(model=SHARES)
NEAREST = OrderPolicy(method="temporal_match")
# Both orders share the session, the second at this share of the first's posterior.
EARLIER = order(11, opened=1)
THIRD, BELOW_THIRD = (OrderPolicy(model=rates(middle_8=0.5, before_1=share)) for share in (0.255, 0.24))

Row = tuple[SessionToLink, Sequence[Order], Sequence[Order], OrderPolicy, str, str | None, float | None]
ROWS: dict[str, Row] = {
    "a day after the opening": (SESSION, [NOTEBOOK], [], OrderPolicy(), "linked", "temporal_match", 0.918),
    "its device is named": (
        said(devices=("notebook",)),
        [NOTEBOOK],
        [],
        OrderPolicy(),
        "linked",
        "equipment_match",
        0.977,
    ),
    "a rare device is named": (
        said(devices=("tv",)),
        [TV],
        [],
        WITH_SHARES,
        "linked",
        "equipment_match",
        0.956,
    ),
    "a common device is named": (
        said(devices=("notebook",)),
        [NOTEBOOK],
        [],
        WITH_SHARES,
        "linked",
        "equipment_match",
        0.843,
    ),
    "a brand that hardly any order has": (
        said(devices=("dell",)),
        [NOTEBOOK],
        [],
        WITH_SHARES,
        "linked",
        "equipment_match",
        0.991,
    ),
    "a brand that nearly every order has": (
        said(devices=("lg",)),
        [TV],
        [],
        WITH_SHARES,
        "linked",
        "equipment_match",
        0.705,
    ),
    "another device is named": (
        said(devices=("tv",)),
        [NOTEBOOK],
        [],
        OrderPolicy(),
        "unmatched",
        None,
        0.007,
    ),
    "a device, and the order has none": (
        said(devices=("tv",)),
        [UNNAMED],
        [],
        OrderPolicy(),
        "linked",
        "equipment_match",
        0.683,
    ),
    "the device of one of two": (
        said(devices=("tv",)),
        [NOTEBOOK, TV],
        [],
        OrderPolicy(),
        "linked",
        "equipment_match",
        0.977,
    ),
    "two orders alike": (SESSION, [NOTEBOOK, TV], [], OrderPolicy(), "proposed", "temporal_match", 0.479),
    "words of an opening": (
        said(stages=("opening",)),
        [NOTEBOOK],
        [],
        OrderPolicy(),
        "proposed",
        "temporal_match",
        0.244,
    ),
    "words of a closing": (
        said(stages=("closing",)),
        [NOTEBOOK],
        [],
        OrderPolicy(),
        "proposed",
        "temporal_match",
        0.377,
    ),
    "words of both": (
        said(stages=("opening", "closing")),
        [NOTEBOOK],
        [],
        OrderPolicy(),
        "proposed",
        "temporal_match",
        0.242,
    ),
    "its number is named": (
        said(numbers=("30010",)),
        [NOTEBOOK],
        [NOTEBOOK],
        OrderPolicy(),
        "linked",
        "direct_os_ref",
        0.998,
    ),
    "its number is named, far away": (
        said(numbers=("30010",)),
        [order(opened=-400)],
        [order(opened=-400)],
        OrderPolicy(),
        "linked",
        "direct_os_ref",
        0.998,
    ),
    "one of two numbers alike": (
        said(numbers=("30010",)),
        [NOTEBOOK, EARLIER],
        [NOTEBOOK, replace(EARLIER, number="30010")],
        OrderPolicy(),
        "proposed",
        "direct_os_ref",
        0.576,
    ),
    "a number nobody has": (
        replace(SESSION, numbers=("9",)),
        [NOTEBOOK],
        [],
        OrderPolicy(),
        "proposed",
        "model",
        0.374,
    ),
    "another's number": (
        replace(SESSION, numbers=("30013",)),
        [NOTEBOOK],
        [ANOTHERS],
        OrderPolicy(),
        "proposed",
        "model",
        0.374,
    ),
    "its number in the title": (
        said(title_number="30010"),
        [NOTEBOOK],
        [],
        OrderPolicy(),
        "linked",
        "model",
        0.694,
    ),
    "its number in the title, long after": (
        replace(SESSION, title_number="30010"),
        [order(opened=-400)],
        [],
        OrderPolicy(),
        "unmatched",
        None,
        None,
    ),
    "another number in the title": (
        replace(SESSION, title_number="9"),
        [NOTEBOOK],
        [],
        OrderPolicy(),
        "linked",
        "temporal_match",
        0.805,
    ),
    "a number in a chat without a contact": (
        said(id_contato=None, numbers=("30010",)),
        [],
        [NOTEBOOK],
        OrderPolicy(),
        "proposed",
        "direct_os_ref",
        0.8,
    ),
    "two orders of a number in a chat without a contact": (
        said(id_contato=None, numbers=("30010",)),
        [],
        [NOTEBOOK, replace(TV, number="30010")],
        OrderPolicy(),
        "proposed",
        "direct_os_ref",
        0.4,
    ),
    "two orders, one at a third of the other": (
        SESSION,
        [NOTEBOOK, EARLIER],
        [],
        THIRD,
        "proposed",
        "temporal_match",
        0.727,
    ),
    "two orders, one at less": (SESSION, [NOTEBOOK, EARLIER], [], BELOW_THIRD, "linked", "model", 0.737),
    "the plan's rule at 15 days": (
        SESSION,
        [order(opened=-15)],
        [],
        NEAREST,
        "linked",
        "temporal_match",
        0.8,
    ),
    "the plan's rule at 16 days": (SESSION, [order(opened=-16)], [], NEAREST, "unmatched", None, None),
    "the plan's rule, two orders": (SESSION, [NOTEBOOK, TV], [], NEAREST, "linked", "temporal_match", 0.4),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_evidence_gives_this_order_status_and_confidence(row: Row) -> None:
    session, own, named, policy, status, method, confidence = row
    decision = link_session(session, own, named, policy)
    assert (decision.status, decision.method) == (status, method)
    assert decision.confidence == (None if confidence is None else pytest.approx(confidence, abs=0.0006))
    assert (decision.id_ordem_servico is not None) == (status == "linked")


@pytest.mark.parametrize(
    ("posterior", "status"),
    [(0.501, "linked"), (0.499, "proposed"), (0.201, "proposed"), (0.199, "unmatched")],
)
def test_the_bounds_of_a_link_and_of_a_proposal(posterior: float, status: str) -> None:
    usual = link_session(SESSION, [NOTEBOOK], [], OrderPolicy()).confidence or 0.0
    odds = usual / (1 - usual)
    talk = SESSION.unrelated_rate * odds * (1 - posterior) / posterior
    decision = link_session(said(unrelated_rate=talk), [NOTEBOOK], [], OrderPolicy())
    assert decision.confidence == pytest.approx(posterior, abs=0.0006)
    assert decision.status == status


@pytest.mark.parametrize("policy", [OrderPolicy(), NEAREST])
def test_five_orders_are_listed(policy: OrderPolicy) -> None:
    orders = [order(number, opened=-3) for number in range(10, 17)]
    assert [c.id_ordem_servico for c in link_session(SESSION, orders, [], policy).candidates] == [
        *range(10, 15)
    ]


REASONS = {
    ("both_words", "words of an opening and of a closing, at such a time"),
    ("closing_words", "words of a closing, at such a time"),
    ("days", "days between opening and session"),
    ("device_other", "only other devices are named"),
    ("device_same", "a device that is named is this order's"),
    ("device_unknown", "a device is named, and the order names none"),
    ("device_unsaid", "no device is named"),
    ("no_words", "no words of an opening or a closing"),
    ("number_other", "another order's number is named"),
    ("number_same", "its number is named"),
    ("number_same", "its number is named, but the chat has no contact"),
    ("number_unsaid", "no number is named"),
    ("opening_words", "words of an opening, at such a time"),
    ("small_talk", "how much the contact writes about no order at all (sessions a day)"),
    ("title_other", "another order's number is in the chat's title"),
    ("title_same", "its number is in the chat's title"),
}


def test_the_table_shows_every_reason_and_flag_as_it_is_stored_and_read() -> None:
    decisions = [
        link_session(session, own, named, policy) for session, own, named, policy, *_ in ROWS.values()
    ]
    reasons = {
        (reason.name, reason.words)
        for one in decisions
        for candidate in one.candidates
        for reason in candidate.evidence
    }
    assert {reason for reason in reasons if reason[0] != "when"} == REASONS
    assert {flag for one in decisions for flag in one.flags} == {
        "order_number_unknown",
        "order_of_another_contact",
    }


@pytest.mark.parametrize(
    ("length", "day", "words"),
    [
        (0, -31, "the order is far away in time"),
        (0, -30, "the session is 16 to 30 days before the opening"),
        (0, -15, "the session is 8 to 15 days before the opening"),
        (0, -7, "the session is 4 to 7 days before the opening"),
        (0, -3, "the session is 3 days before the opening"),
        (0, -2, "the session is 2 days before the opening"),
        (0, -1, "the session is a day before the opening"),
        (2, 0, "the session is on the day of the opening"),
        (0, 0, "the session is on the day of the opening"),
        (2, 2, "the session is on the day of the closing"),
        (3, 1, "the session lies between opening and closing"),
        (7, 1, "the session lies between opening and closing, near the opening"),
        (12, 4, "the session lies between opening and closing"),
        (12, 11, "the session lies between opening and closing, on the eve of the closing"),
        (0, 1, "the session is a day after the closing"),
        (0, 2, "the session is 2 days after the closing"),
        (0, 3, "the session is 3 days after the closing"),
        (0, 5, "the session is 4 to 5 days after the closing"),
        (0, 6, "the session is 6 to 7 days after the closing"),
        (0, 10, "the session is 8 to 10 days after the closing"),
        (0, 15, "the session is 11 to 15 days after the closing"),
        (0, 30, "the session is 16 to 30 days after the closing"),
        (0, 60, "the session is 31 to 60 days after the closing"),
        (0, 61, "the order is far away in time"),
        (None, 1, "the session is a day after the opening, and nothing was closed"),
        (None, 3, "the session is 2 to 3 days after the opening, and nothing was closed"),
        (None, 7, "the session is 4 to 7 days after the opening, and nothing was closed"),
        (None, 15, "the session is 8 to 15 days after the opening, and nothing was closed"),
        (None, 30, "the session is 16 to 30 days after the opening, and nothing was closed"),
        (None, 60, "the session is 31 to 60 days after the opening, and nothing was closed"),
        (None, 120, "the session is 61 to 120 days after the opening, and nothing was closed"),
        (None, 121, "the order is far away in time"),
    ],
)
def test_a_reader_sees_when_the_session_was(length: int | None, day: int, words: str) -> None:
    session = said(numbers=("30010",))  # so that an order far away is a candidate, too
    named = order(opened=-day, length=length)
    decision = link_session(session, [named], [named], OrderPolicy())
    found = {reason.name: reason.words for reason in decision.candidates[0].evidence}
    assert found["when"] == words
