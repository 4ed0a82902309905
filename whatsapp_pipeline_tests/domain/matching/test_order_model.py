"""Where in an order's life a day lies, and what words are worth there."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta

import pytest

from whatsapp_pipeline.domain.matching.order_model import (
    DAYS_AFTER,
    DAYS_BEFORE,
    TIMES,
    ZONES,
    Order,
    OrderModel,
    SessionToLink,
    default_model,
    device_of,
    reasons,
    time_of,
    times_around_order,
)

OPENED = date(2025, 1, 10)


def _session(first: int, last: int | None = None) -> SessionToLink:
    end = first if last is None else last
    return SessionToLink(1, 7, OPENED + timedelta(days=first), OPENED + timedelta(days=end))


def _order(length: int | None) -> Order:
    closed = None if length is None else OPENED + timedelta(days=length)
    return Order(10, "30415", 7, OPENED, closed, ("notebook",))


def test_every_day_of_every_order_has_a_time() -> None:
    for length in range(200):
        assert len(times_around_order(length)) == DAYS_BEFORE + length + 1 + DAYS_AFTER
        assert set(times_around_order(length)) <= set(TIMES)
    assert (
        len(times_around_order(None)) == DAYS_BEFORE + 1 + 120
    )  # days that an order without an end may last
    assert {time for length in (*range(200), None) for time in times_around_order(length)} == set(TIMES)


@pytest.mark.parametrize(
    ("length", "first", "last", "time"),
    [
        (6, 0, 0, "opening"),
        (6, 6, 6, "closing"),
        (6, 5, 5, "last_8"),
        (6, 1, 1, "first_8"),
        (6, -1, -1, "before_1"),
        (6, -30, -30, "before_30"),
        (6, 7, 7, "after_1"),
        (6, 66, 66, "after_31"),
        (6, -2, 1, "opening"),
        (6, 4, 8, "closing"),
        (6, -9, -3, "before_3"),
        (0, 0, 0, "same_day"),
        (1, 1, 1, "closing"),
        (4, 2, 2, "stay_4"),
        (None, 0, 0, "opening"),
        (None, 120, 120, "open_61"),
        (6, -31, -31, None),
        (6, 67, 67, None),
        (None, 121, 121, None),
    ],
)
def test_time_of_a_session(length: int | None, first: int, last: int, time: str | None) -> None:
    assert time_of(_session(first, last), _order(length)) == time


def test_dates_that_contradict_each_other_are_one_day() -> None:
    assert time_of(_session(0), _order(-3)) == "same_day"
    assert time_of(_session(0), Order(1, "1", 7, None)) is None


def test_the_usual_model_is_whole_and_says_what_a_shop_would() -> None:
    model = default_model()
    assert set(model.rates) == set(TIMES)
    assert set(model.stages) == {*ZONES, "none"}
    for chances in model.stages.values():
        assert math.fsum(chances) == pytest.approx(1, abs=1e-4)
    assert model.rates["opening"] > model.rates["before_1"] > model.rates["before_30"]


def test_another_version_is_refused() -> None:
    other = json.loads(default_model().to_json()) | {"version": 1}
    with pytest.raises(ValueError, match="version 1"):
        OrderModel.from_json(json.dumps(other))


@pytest.mark.parametrize(
    ("said", "owned", "outcome"),
    [
        ("", "notebook dell", "device_unsaid"),
        ("notebook", "", "device_unknown"),
        ("notebook", "notebook dell", "device_same"),
        ("dell", "notebook dell", "device_same"),
        ("notebook dell", "notebook dell", "device_same"),
        ("notebook hp dell", "notebook dell", "device_same"),
        ("notebook dell", "notebook", "device_same"),
        ("notebook dell", "dell", "device_same"),
        ("notebook acer", "notebook dell", "device_other"),
        ("tv", "notebook dell", "device_other"),
        ("tv samsung", "smartphone samsung", "device_other"),
        ("notebook", "dell", "device_other"),
    ],
)
def test_a_device_is_another_one_by_its_kind_or_its_brand(said: str, owned: str, outcome: str) -> None:
    session = SessionToLink(1, 7, OPENED, OPENED, devices=tuple(said.split()))
    assert device_of(session, Order(10, "1", 7, OPENED, None, tuple(owned.split()))) == outcome


def test_a_rare_device_says_more_than_a_common_one() -> None:
    model = OrderModel(
        default_model().rates, default_model().stages, device_shares={"notebook": 0.5, "tv": 0.03}
    )
    weights = {}
    for device in ("notebook", "tv"):
        session = SessionToLink(1, 7, OPENED, OPENED, devices=(device,))
        order = Order(10, "1", 7, OPENED, None, (device,))
        weights[device] = next(r.weight for r in reasons(session, order, model) if r.name == "device_same")
    assert weights["tv"] > weights["notebook"] + 2


def test_reasons_are_in_words() -> None:
    words = {
        next(iter(reasons(_session(day), _order(length), default_model()))).words
        for length, day in ((6, -5), (6, 0), (6, 3), (6, 5), (6, 6), (6, 8), (6, 7), (None, 2), (6, 200))
    }
    assert "the session is 4 to 7 days before the opening" in words
    assert "the session is a day after the closing" in words
    assert "the order is far away in time" in words
    assert len(words) == 9
