"""The order model's parts one by one: which day is which time, and what each piece of evidence weighs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import groupby
from typing import Any

import pytest

from whatsapp_pipeline.domain.matching.order_model import (
    TIMES,
    ZONE_OF,
    Order,
    OrderModel,
    SessionToLink,
    chance_of,
    default_model,
    device_weights,
    month_factor,
    reasons,
    times_around_order,
)

BEFORE = "before_30 15, before_15 8, before_7 4, before_3 1, before_2 1, before_1 1"
AFTER = (
    "after_1 1, after_2 1, after_3 1, after_4 2, after_6 2, after_8 3, after_11 5, after_16 15, after_31 30"
)


@pytest.mark.parametrize(
    ("length", "times"),
    [
        (0, "same_day 1"),
        (1, "opening 1, closing 1"),
        (2, "opening 1, stay_2 1, closing 1"),
        (3, "opening 1, stay_3 2, closing 1"),
        (4, "opening 1, stay_4 3, closing 1"),
        (5, "opening 1, stay_5 4, closing 1"),
        (6, "opening 1, first_8 2, middle_8 2, last_8 1, closing 1"),
        (8, "opening 1, first_8 2, middle_8 4, last_8 1, closing 1"),
        (9, "opening 1, first_14 2, middle_14 5, last_14 1, closing 1"),
        (14, "opening 1, first_14 2, middle_14 10, last_14 1, closing 1"),
        (15, "opening 1, first_24 2, middle_24 11, last_24 1, closing 1"),
        (24, "opening 1, first_24 2, middle_24 20, last_24 1, closing 1"),
        (25, "opening 1, first_45 2, middle_45 21, last_45 1, closing 1"),
        (45, "opening 1, first_45 2, middle_45 41, last_45 1, closing 1"),
        (46, "opening 1, first_90 2, middle_90 42, last_90 1, closing 1"),
        (90, "opening 1, first_90 2, middle_90 86, last_90 1, closing 1"),
        (91, "opening 1, first_91 2, middle_91 87, last_91 1, closing 1"),
        (300, "opening 1, first_91 2, middle_91 296, last_91 1, closing 1"),
        (None, "opening 1, open_1 1, open_2 2, open_4 4, open_8 8, open_16 15, open_31 30, open_61 60"),
    ],
)
def test_the_days_of_each_time(length: int | None, times: str) -> None:
    found = ", ".join(f"{time} {len(list(days))}" for time, days in groupby(times_around_order(length)))
    assert found == f"{BEFORE}, {times}" + ("" if length is None else f", {AFTER}")


@pytest.mark.parametrize(
    ("zone", "times"),
    [
        ("arrival", "before_30 before_15 before_7 before_3 before_2 before_1 opening"),
        ("same_day", "same_day"),
        (
            "repair",
            "stay_2 stay_3 stay_4 stay_5 open_1"
            " first_8 first_14 first_24 first_45 first_90 first_91"
            " middle_8 middle_14 middle_24 middle_45 middle_90 middle_91"
            " last_8 last_14 last_24 last_45 last_90 last_91",
        ),
        ("leaving", "closing after_1 after_2 after_3"),
        ("afterwards", "after_4 after_6 after_8 after_11 after_16 after_31"),
        ("unclosed", "open_2 open_4 open_8 open_16 open_31 open_61"),
    ],
)
def test_the_times_of_each_zone(zone: str, times: str) -> None:
    assert {time for time in TIMES if ZONE_OF[time] == zone} == set(times.split())


@pytest.mark.parametrize(
    ("said", "chance"),
    [
        (("notebook",), 0.5),
        (("notebook", "tv"), 0.6),
        (("notebook", "dell"), 0.5),  # a brand beside a kind of device does not count
        (("dell",), 0.3),
        (("printer",), 0.05),  # a device that no order names
        (("console",), 0.02),  # never less
        (("notebook", "tv", "phone"), 0.9),  # never more
    ],
)
def test_the_chance_that_an_order_has_a_device(said: tuple[str, ...], chance: float) -> None:
    shares = {"notebook": 0.5, "tv": 0.1, "phone": 0.45, "dell": 0.3, "console": 0.001}
    model = replace(default_model(), device_shares=shares)
    assert chance_of(said, model) == pytest.approx(chance)


def test_what_a_device_weighs() -> None:
    model = replace(default_model(), device_said=0.4, device_none=0.1, device_same=0.8)
    weights = device_weights(model, 0.25)
    # Natural logarithms of 0.6/0.9, 4, 4 × 0.8/0.25 and 4 × 0.2/0.75.
    assert {name: round(weight, 4) for name, weight in weights.items()} == {
        "device_unsaid": -0.4055,
        "device_unknown": 1.3863,
        "device_same": 2.5494,
        "device_other": 0.0645,
    }


@pytest.mark.parametrize(
    ("month", "factor"),
    [("2024-06", 0.5), ("2025-01", 0.5), ("2025-02", 2.0), ("2025-03", 3.0), ("2026-12", 3.0)],
)
def test_a_month_outside_the_known_ones_is_like_the_nearest(month: str, factor: float) -> None:
    assert month_factor({"2025-01": 0.5, "2025-02": 2.0, "2025-03": 3.0}, month) == factor
    assert month_factor({}, month) == 1.0


MODEL = OrderModel(
    rates=dict.fromkeys(TIMES, 0.02) | {"before_7": 0.04},
    stages=dict.fromkeys(("arrival", "none"), (0.1, 0.2, 0.3, 0.4)) | {"repair": (0.2, 0.2, 0.3, 0.3)},
    named=0.2,
    months={"2025-01": 0.5},
    repeats={"arrival": (0.0, 1.0, 3.0, 7.0), "repair": (0.0, 0.0, 0.0, 0.0)},
)
ORDER = Order(10, "30415", 7, date(2025, 1, 10), date(2025, 1, 20))
DAY = date(2025, 1, 5)
SESSION = SessionToLink(1, 7, DAY, DAY)


@pytest.mark.parametrize(
    ("changes", "name", "weight"),
    [
        ({}, "when", 0.6016),  # log(0.04 × 0.5 / (4/365)), five days before the opening
        ({"first_day": date(2024, 1, 1), "last_day": date(2024, 1, 1)}, "when", -6.9993),  # too far away
        ({}, "small_talk", 0.0),  # four sessions a year
        ({"unrelated_rate": 8 / 365}, "small_talk", -0.6931),
        ({}, "number_unsaid", -0.2231),  # log(1 - 0.2)
        ({"numbers": ("30415", "9")}, "number_same", 0.0),
        ({"numbers": ("9",)}, "number_other", -3.0),
        ({"numbers": ("9",), "title_number": "30415"}, "number_other", -3.0),
        ({"title_number": "30415"}, "title_same", 2.0),
        ({"title_number": "9"}, "title_other", -1.0),
        ({}, "no_words", 0.0),
        ({"others": {10: 0.0}}, "other_sessions", 0.0),
        ({"others": {10: 1.0}}, "other_sessions", 1.0),
        ({"others": {10: 1.5}}, "other_sessions", 2.0),
        ({"others": {10: 2.75}}, "other_sessions", 6.0),
        ({"others": {10: 3.0}}, "other_sessions", 7.0),
        ({"others": {10: 40.0}}, "other_sessions", 7.0),
    ],
)
def test_what_a_piece_of_evidence_weighs(changes: dict[str, Any], name: str, weight: float) -> None:
    found = {reason.name: reason.weight for reason in reasons(replace(SESSION, **changes), ORDER, MODEL)}
    assert found[name] == weight


@pytest.mark.parametrize(
    ("stages", "name", "weight"),
    [
        ((), "no_words", 0.6931),  # log(0.2 / 0.1): in a repair, compared with small talk
        (("opening",), "opening_words", 0.0),
        (("closing",), "closing_words", 0.0),
        (("closing", "opening"), "both_words", -0.2877),  # log(0.3 / 0.4)
    ],
)
def test_what_words_weigh_in_a_repair(stages: tuple[str, ...], name: str, weight: float) -> None:
    day = date(2025, 1, 13)
    session = replace(SESSION, first_day=day, last_day=day, stages=stages)
    found = {reason.name: reason.weight for reason in reasons(session, ORDER, MODEL)}
    assert found[name] == weight


def test_evidence_that_a_session_does_not_have_gives_no_reason() -> None:
    def names(session: SessionToLink, order: Order = ORDER, model: OrderModel = MODEL) -> set[str]:
        return {reason.name for reason in reasons(session, order, model)}

    always = {"when", "small_talk", "device_unsaid"}
    assert names(SESSION) == always | {"no_words", "number_unsaid"}
    assert names(replace(SESSION, numbers=("9",))) == always | {"no_words", "number_other"}
    assert names(replace(SESSION, others={11: 1.0})) == always | {"no_words", "number_unsaid"}
    repeated = replace(SESSION, others={10: 1.0})
    assert names(repeated) == always | {"no_words", "number_unsaid", "other_sessions"}
    assert names(repeated, model=replace(MODEL, repeats={})) == always | {"no_words", "number_unsaid"}
    # An order without a date is at no time.
    assert names(repeated, replace(ORDER, opened=None)) == always | {"number_unsaid"}


@pytest.mark.parametrize(
    ("day", "order", "words"),
    [
        (date(2024, 12, 11), ORDER, "the session is 16 to 30 days before the opening"),
        (date(2025, 1, 8), ORDER, "the session is 2 days before the opening"),
        (date(2025, 1, 9), ORDER, "the session is a day before the opening"),
        (date(2025, 1, 10), ORDER, "the session is on the day of the opening"),
        (date(2025, 1, 10), replace(ORDER, closed=ORDER.opened), "the session is on the day of the opening"),
        (date(2025, 1, 11), ORDER, "the session lies between opening and closing, near the opening"),
        (date(2025, 1, 14), ORDER, "the session lies between opening and closing"),
        (date(2025, 1, 19), ORDER, "the session lies between opening and closing, on the eve of the closing"),
        (date(2025, 1, 20), ORDER, "the session is on the day of the closing"),
        (date(2025, 1, 24), ORDER, "the session is 4 to 5 days after the closing"),
        (
            date(2025, 1, 12),
            replace(ORDER, closed=None),
            "the session is 2 to 3 days after the opening, and nothing was closed",
        ),
        (date(2026, 1, 1), ORDER, "the order is far away in time"),
    ],
)
def test_the_time_in_words(day: date, order: Order, words: str) -> None:
    session = replace(SESSION, first_day=day, last_day=day)
    assert next(reasons(session, order, MODEL)).words == words
