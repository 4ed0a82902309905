"""Sessions and orders as a pure function."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest

from whatsapp_pipeline.domain.matching.link_types import softmax
from whatsapp_pipeline.domain.matching.orders import (
    Order,
    OrderPolicy,
    SessionToLink,
    link_session,
    of_proposed_contact,
    with_title,
)

DAY = date(2025, 1, 10)
SESSION = SessionToLink(1, 7, DAY, DAY)
NOTEBOOK = Order(10, "30415", 7, DAY, DAY + timedelta(days=6), ("notebook", "dell"))
TV = Order(11, "30416", 7, DAY - timedelta(days=1), DAY + timedelta(days=6), ("tv", "lg"))
POLICY = OrderPolicy()


def test_the_device_decides_between_two_open_orders() -> None:
    said = replace(SESSION, devices=("tv",))
    assert link_session(said, [NOTEBOOK, TV], [], POLICY).id_ordem_servico == 11
    doubt = link_session(SESSION, [NOTEBOOK, replace(NOTEBOOK, id=12)], [], POLICY)
    assert (doubt.status, [c.id_ordem_servico for c in doubt.candidates]) == ("proposed", [10, 12])


@pytest.mark.parametrize(
    ("days", "status"), [(1, "proposed"), (5, "proposed"), (12, "linked"), (30, "linked")]
)
def test_a_second_order_within_a_third_of_the_best_makes_a_proposal(days: int, status: str) -> None:
    earlier = replace(NOTEBOOK, id=12, opened=DAY - timedelta(days=days))
    found = link_session(SESSION, [NOTEBOOK, earlier], [], POLICY)
    best, second = (candidate.confidence for candidate in found.candidates)
    assert best >= POLICY.link
    assert (found.status, found.id_ordem_servico) == (status, 10 if status == "linked" else None)
    for factor, decided in ((0.99, "proposed"), (1.01, "linked")):
        policy = replace(POLICY, rival=factor * second / best)
        assert link_session(SESSION, [NOTEBOOK, earlier], [], policy).status == decided


def test_a_day_far_from_every_order_is_about_none() -> None:
    far = replace(SESSION, first_day=date(2024, 6, 1), last_day=date(2024, 6, 1))
    assert link_session(far, [NOTEBOOK, TV], [], POLICY).status == "unmatched"


def test_reasons_add_up_to_the_confidence() -> None:
    decision = link_session(replace(SESSION, devices=("notebook",)), [NOTEBOOK, TV], [], POLICY)
    scores = {c.id_ordem_servico: math.fsum(f.weight for f in c.evidence) for c in decision.candidates}
    for candidate in decision.candidates:
        assert candidate.confidence == pytest.approx(softmax(scores)[candidate.id_ordem_servico], abs=1e-3)


def test_a_number_of_somebody_else_is_flagged_and_not_linked() -> None:
    said = replace(SESSION, numbers=("30999",))
    other = Order(20, "30999", 8, DAY)
    decision = link_session(said, [], [other], POLICY)
    assert (decision.status, decision.flags) == ("unmatched", ("order_of_another_contact",))


def test_an_unknown_number_is_flagged() -> None:
    assert link_session(replace(SESSION, numbers=("1",)), [], [], POLICY).flags == ("order_number_unknown",)


def test_a_titles_number_holds_unless_time_contradicts_it() -> None:
    titled = replace(SESSION, title_number="30999")
    far = Order(20, "30999", 7, DAY - timedelta(days=400), DAY - timedelta(days=380))
    assert with_title(titled, [far]).numbers == ("30999",)
    assert with_title(titled, [far, NOTEBOOK]).numbers == ()
    assert with_title(replace(SESSION, title_number="30415"), [far, NOTEBOOK]).numbers == ("30415",)


def test_a_title_cannot_name_an_order_that_was_opened_long_after() -> None:
    """An export made months later shows the title that the chat has by then."""
    titled = replace(SESSION, title_number="30999")
    for days, numbers in ((31, ()), (30, ("30999",)), (-1, ("30999",))):
        order = Order(20, "30999", 7, SESSION.last_day + timedelta(days=days))
        assert with_title(titled, [order]).numbers == numbers, days
    unknown = Order(20, "30999", 7, None)
    assert with_title(titled, [unknown]).numbers == ("30999",)


def test_an_order_is_no_surer_than_its_contact() -> None:
    decision = of_proposed_contact(link_session(SESSION, [NOTEBOOK], [], POLICY), 0.5)
    assert (decision.status, decision.id_ordem_servico) == ("proposed", None)
    assert decision.confidence == decision.candidates[0].confidence
    assert (decision.confidence or 1) <= 0.5


def test_the_method_names_the_evidence_that_made_the_difference() -> None:
    by_date = link_session(replace(SESSION, stages=("opening",)), [NOTEBOOK], [], POLICY)
    assert (by_date.status, by_date.method) == ("linked", "temporal_match")
    alike = replace(NOTEBOOK, id=12, devices=("tv", "lg"))
    by_device = link_session(replace(SESSION, devices=("tv",)), [NOTEBOOK, alike], [], POLICY)
    assert (by_device.method, by_device.id_ordem_servico) == ("equipment_match", 12)
    titled = replace(SESSION, title_number="30777")
    by_all = link_session(titled, [NOTEBOOK, replace(alike, number="30777")], [], POLICY)
    assert (by_all.method, by_all.id_ordem_servico) == ("model", 12)
    nobody = link_session(replace(SESSION, first_day=date(2024, 6, 1)), [], [], POLICY)
    assert (nobody.status, nobody.method) == ("unmatched", None)


def test_the_plans_rule_says_when_the_device_chose() -> None:
    plan = OrderPolicy(method="temporal_match")
    said = replace(SESSION, title_devices=("tv",))
    assert link_session(said, [NOTEBOOK, TV], [], plan).method == "equipment_match"
    assert link_session(SESSION, [NOTEBOOK, TV], [], plan).method == "temporal_match"
