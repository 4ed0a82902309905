"""Fitting the order model to sessions without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from whatsapp_pipeline.domain.matching.order_data import span_of
from whatsapp_pipeline.domain.matching.order_fitting import ENOUGH, fit_orders, quarter_begin, with_rates
from whatsapp_pipeline.domain.matching.order_model import Order, OrderModel, SessionToLink, default_model
from whatsapp_pipeline.domain.matching.orders import OrderPolicy, link_session
from whatsapp_pipeline_tests.truth.order_answers import (
    Found,
    answer_of,
    by_model,
    by_window,
    each,
    figures,
    measure,
)
from whatsapp_pipeline_tests.truth.order_oracle import answers
from whatsapp_pipeline_tests.truth.order_simulation import (
    FEW,
    Clues,
    SpokenDays,
    Task,
    errand_days,
    errands,
    left_together,
    reference,
    reference_days,
)

pytestmark = pytest.mark.slow

DAY = date(2025, 1, 10)
SESSION = SessionToLink(1, 7, DAY, DAY)
NOTEBOOK = Order(10, "30415", 7, DAY, DAY + timedelta(days=6), ("notebook", "dell"))


@pytest.mark.parametrize(
    ("simulate", "days"), [(reference, reference_days), (errands, errand_days)], ids=["reference", "errands"]
)
def test_customers_never_seen_are_linked_nearly_as_well_as_can_be(
    simulate: Callable[[int, int, Clues], Task], days: SpokenDays
) -> None:
    clues = replace(FEW, unrelated=0.3)
    task = simulate(99, 500, clues)
    model, window = measure(task, by_model, calibrated=True), measure(task, each(by_window))
    ideal = [(answer, p, answer) for answer, p in answers(task, clues, days)]
    oracle = figures(task, ideal, 0.0, calibrated=False)
    assert model.f1 >= 0.965
    assert model.f1 >= oracle.f1 - 0.01
    assert model.f1 > window.f1
    assert model.calibration <= 0.025  # 500 customers are few; the bench measures 3,000


def _without_repeats(task: Task) -> list[Found]:
    policy = OrderPolicy(model=replace(fit_orders(task.sessions, task.orders), repeats={}))
    rated = with_rates(task.sessions, task.orders, policy.model)
    return [answer_of(session, task.orders[session.id_contato or 0], policy) for session in rated]


def test_sessions_of_a_customer_are_decided_together() -> None:
    """Two devices left together: the opening that another session is about leaves the other order."""
    task = left_together(9, 500, Clues(unrelated=0.1))
    together, alone = measure(task, by_model, calibrated=True), measure(task, _without_repeats)
    assert together.f1 >= alone.f1 + 0.01
    assert together.calibration <= 0.02


def test_an_order_has_one_opening_and_one_pick_up() -> None:
    task = left_together(9, 500, Clues(unrelated=0.1))
    found = fit_orders(task.sessions, task.orders).repeats
    assert found["arrival"] == pytest.approx((1.8853, -3.0, -0.523, 0.0039), abs=0.0002)
    assert found["leaving"] == pytest.approx((1.0979, -2.1949, -2.4662, 0.0075), abs=0.0002)
    assert found["repair"] == (0.0, 0.0, 0.0, 0.0)  # how often one writes meanwhile depends on its length


def test_a_session_takes_the_order_that_no_other_session_is_about() -> None:
    task = left_together(9, 500, Clues(unrelated=0.1))
    model = fit_orders(task.sessions, task.orders)
    tv = Order(11, "30416", 7, DAY, DAY + timedelta(days=6), ("tv",))
    said = replace(SESSION, devices=("notebook",))
    silent = replace(SESSION, id=2)
    orders = [NOTEBOOK, tv]
    first, second = with_rates([said, silent], {7: orders}, model, (DAY - timedelta(days=90), DAY))
    policy = OrderPolicy(model=model)
    assert [c.id_ordem_servico for c in link_session(first, orders, [], policy).candidates] == [10, 11]
    decision = link_session(second, orders, [], policy)
    assert decision.candidates[0].id_ordem_servico == 11
    assert decision.candidates[0].confidence > 2 * decision.candidates[1].confidence
    why = {feature.name: feature for feature in decision.candidates[1].evidence}
    assert why["other_sessions"].value > 0.5
    assert why["other_sessions"].weight < -1


def test_the_same_sessions_give_the_same_model_that_survives_json() -> None:
    task = reference(5, 60)
    model = fit_orders(task.sessions, task.orders)
    assert model == fit_orders(task.sessions, task.orders)
    assert OrderModel.from_json(model.to_json()) == model
    assert model.span is not None
    assert sum(band.count for band in model.reliability) > 0


def test_few_sessions_leave_the_usual_numbers() -> None:
    model = fit_orders([SESSION] * (ENOUGH - 1), {7: [NOTEBOOK]})
    assert model.rates == default_model().rates
    assert model.device_shares["notebook"] == model.device_shares["dell"] < 0.2


def test_a_contact_who_writes_much_about_nothing_is_believed_less() -> None:
    days = [DAY - timedelta(days=100 + 9 * n) for n in range(30)]
    chatty = [replace(SESSION, id=n, first_day=day, last_day=day) for n, day in enumerate(days, 2)]
    span = (DAY - timedelta(days=400), DAY)
    rated = with_rates([SESSION, *chatty], {7: [NOTEBOOK]}, default_model(), span)
    quiet = with_rates([SESSION], {7: [NOTEBOOK]}, default_model(), span)
    assert rated[0].unrelated_rate > 5 * quiet[0].unrelated_rate


def test_other_contacts_have_no_say_in_how_much_one_writes() -> None:
    task = reference(5, 60)
    model = fit_orders(task.sessions, task.orders)
    span = span_of([session.first_day for session in task.sessions])
    together = {s.id: s.unrelated_rate for s in with_rates(task.sessions, task.orders, model, span)}
    for contact in (3, 40):
        alone = [session for session in task.sessions if session.id_contato == contact]
        for session in with_rates(alone, task.orders, model, span):
            assert session.unrelated_rate == pytest.approx(together[session.id], rel=1e-9)


def test_a_wrong_clock_does_not_stretch_the_days_seen() -> None:
    days = [DAY + timedelta(days=n % 300) for n in range(5000)]
    assert span_of([date(1970, 1, 1), *days])[0] >= DAY


def test_no_sessions_and_no_orders() -> None:
    assert fit_orders([], {}).rates == default_model().rates
    assert with_rates([SESSION], {}, default_model())[0].unrelated_rate == default_model().small_talk


def _client() -> tuple[Sequence[SessionToLink], dict[int, list[Order]]]:
    """A client with every kind of order: a fifth is closed on its first day, a seventh was never closed."""
    task = left_together(5, 150, Clues(unrelated=0.4))
    orders = {
        contact: [
            replace(order, closed=order.opened if order.id % 5 == 0 else None)
            if order.id % 5 == 0 or order.id % 7 == 0
            else order
            for order in own
        ]
        for contact, own in task.orders.items()
    }
    return task.sessions, orders


# What the fit finds for this client. Every step of the fit has a part in these figures, so a change that is
# meant to improve the fit shows here how much it changes, and one that is not meant fails.
RATES = {
    "before_30": 0.0003846,
    "before_15": 0.000733,
    "before_7": 0.001249,
    "before_3": 0.004314,
    "before_2": 0.1241,
    "before_1": 0.2173,
    "opening": 0.3757,
    "same_day": 0.4467,
    "closing": 0.4262,
    "stay_2": 0.1563,
    "stay_3": 0.8716,
    "stay_4": 0.416,
    "stay_5": 0.421,
    "first_8": 0.2503,
    "first_14": 0.1277,
    "first_24": 0.1252,
    "first_45": 0.03154,
    "first_90": 0.03107,
    "first_91": 0.03577,
    "middle_8": 0.1829,
    "middle_14": 0.1637,
    "middle_24": 0.1156,
    "middle_45": 0.06919,
    "middle_90": 0.02851,
    "middle_91": 0.02245,
    "last_8": 0.4836,
    "last_14": 0.1682,
    "last_24": 0.2465,
    "last_45": 0.1745,
    "last_90": 0.1057,
    "last_91": 0.03395,
    "after_1": 0.1222,
    "after_2": 0.1047,
    "after_3": 0.04639,
    "after_4": 0.05649,
    "after_6": 0.05008,
    "after_8": 0.0176,
    "after_11": 0.01937,
    "after_16": 0.01306,
    "after_31": 0.005314,
    "open_1": 0.1201,
    "open_2": 0.1624,
    "open_4": 0.1455,
    "open_8": 0.08792,
    "open_16": 0.0558,
    "open_31": 0.006072,
    "open_61": 0.001639,
}
STAGES = {
    "arrival": (0.4813, 0.5034, 0.01505, 0.0002312),
    "same_day": (0.4623, 0.5017, 0.03337, 0.002627),
    "leaving": (0.5991, 0.04101, 0.3596, 0.0002985),
    "repair": (0.8812, 0.04206, 0.07657, 0.0001443),
    "afterwards": (0.7529, 0.05002, 0.1969, 0.0001441),
    "unclosed": (0.7811, 0.01477, 0.2037, 0.0003965),
    "none": (0.8978, 0.04898, 0.05309, 9.298e-05),
}
SHARES = {
    "device_said": 0.4501,
    "device_same": 0.999,
    "device_none": 0.07129,
    "named": 0.1376,
    "small_talk": 0.00327,
    "small_talk_shape": 1.949,
    "spell_shape": 24.04,
    "calibration_error": 0.1237,
}
REPEATED = {
    "arrival": (1.0133, -2.4666, -1.0229, 0.018),
    "same_day": (0.7824, -1.9504, -0.7499, 0.0408),
    "leaving": (0.6162, -0.6911, -2.4665, 0.0329),
    "repair": (0.0, 0.0, 0.0, 0.0),
    "afterwards": (0.0, 0.0, 0.0, 0.0),
    "unclosed": (0.0, 0.0, 0.0, 0.0),
}
BANDS = [
    (0.0, 0.1, 20, 0.02408, 0.0),
    (0.1, 0.2, 9, 0.1619, 0.0),
    (0.2, 0.3, 16, 0.24, 0.0),
    (0.3, 0.4, 24, 0.3439, 0.6057),
    (0.4, 0.5, 81, 0.4738, 0.2692),
    (0.5, 0.6, 91, 0.5497, 0.3195),
    (0.6, 0.7, 75, 0.6529, 0.6784),
    (0.7, 0.8, 155, 0.7527, 0.1876),
    (0.8, 0.9, 124, 0.8468, 0.7034),
    (0.9, 0.95, 93, 0.9284, 1.0),
    (0.95, 0.99, 125, 0.9732, 1.0),
    (0.99, 1.0, 544, 0.9983, 1.0),
]
MONTHS = {
    "2022-02": (1.84, 1.951),
    "2022-03": (1.137, 0.8219),
    "2023-07": (1.241, 0.8678),
    "2024-11": (1.025, 1.006),
    "2024-12": (2.075, 1.728),
}
DEVICES = {"acer": 0.066558, "notebook": 0.202922, "tv": 0.163961}
TALK = [
    0.00196,
    0.001988,
    0.002911,
    0.001092,
    0.003448,
    0.003441,
    0.003448,
    0.003228,
    0.002554,
    0.002553,
    0.002539,
    0.002856,
]
OTHERS: list[dict[int, float]] = [
    {100: 0.998},
    {100: 0.926},
    {100: 0.0},
    {},
    {200: 0.0},
    {200: 2.123},
    {200: 2.116},
    {200: 2.429},
    {201: 2.1},
    {201: 2.1},
    {201: 2.126},
    {201: 2.823},
    {},
    {200: 2.681},
    {},
    {300: 0.007, 301: 0.993},
]


def test_the_fit_finds_these_figures_for_one_client() -> None:
    sessions, orders = _client()
    model = fit_orders(sessions, orders, (date(2022, 2, 13), date(2024, 12, 15)))
    assert model.rates == pytest.approx(RATES, rel=2e-3)
    assert set(model.stages) == set(STAGES)
    for zone, shares in STAGES.items():
        assert model.stages[zone] == pytest.approx(shares, rel=2e-3)
    assert {name: getattr(model, name) for name in SHARES} == pytest.approx(SHARES, rel=2e-3)
    assert model.repeats == {zone: pytest.approx(odds, abs=2e-3) for zone, odds in REPEATED.items()}
    assert (model.span, model.sessions) == (("2022-02-13", "2024-12-15"), 1784)
    found = [(b.low, b.high, b.count, b.predicted, b.observed) for b in model.reliability]
    assert [band[:3] for band in found] == [band[:3] for band in BANDS]
    for band, (*_, predicted, observed) in zip(found, BANDS, strict=True):
        assert list(band[3:]) == pytest.approx([predicted, observed], rel=2e-3)
    # The first month has 16 days of the span, the last one 15; some of their sessions are outside.
    months = {month: (model.months[month], model.quiet_months[month]) for month in MONTHS}
    assert months == {month: pytest.approx(factors, rel=2e-3) for month, factors in MONTHS.items()}
    assert len(model.months) == len(model.quiet_months) == 35
    named = {device: model.device_shares[device] for device in DEVICES}
    assert named == pytest.approx(DEVICES, rel=2e-3)


def test_one_month_of_this_client_is_rated_so() -> None:
    """The small talk of a contact, and how many of its other sessions are about each order."""
    sessions, orders = _client()
    model = fit_orders(sessions, orders, (date(2022, 2, 13), date(2024, 12, 15)))
    rated = with_rates(sessions[:300], orders, model)
    assert [session.unrelated_rate for session in rated[:12]] == pytest.approx(TALK, rel=2e-3)
    assert [dict(session.others) for session in rated[:16]] == [
        pytest.approx(others, abs=2e-3) for others in OTHERS
    ]


def test_two_hundred_sessions_are_enough() -> None:
    task = reference(5, 60)
    assert fit_orders(task.sessions[:199], task.orders).rates == default_model().rates
    assert fit_orders(task.sessions[:200], task.orders).rates != default_model().rates
    # Those of contacts without orders say nothing.
    strangers = [replace(session, id_contato=10**6) for session in task.sessions[:100]]
    assert fit_orders([*task.sessions[:199], *strangers], task.orders).rates == default_model().rates


def test_a_quarter_begins_on_the_first_of_january_april_july_and_october() -> None:
    begins = [quarter_begin(date(2025, month, 17)) for month in range(1, 13)]
    assert begins == [date(2025, month, 1) for month in (1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10, 10)]
    assert quarter_begin(date(2025, 4, 1)) == date(2025, 4, 1)
