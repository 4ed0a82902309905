"""Fitting the order model to sessions without labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from whatsapp_pipeline.domain.matching.order_data import span_of
from whatsapp_pipeline.domain.matching.order_fitting import ENOUGH, fit_orders, with_rates
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
