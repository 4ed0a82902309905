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
        policy = replace(POLICY, runner_up=factor * second / best)
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


def test_a_number_is_an_order_s_number_first_and_its_id_only_where_no_order_has_that_number() -> None:
    numbered, with_that_id = Order(20, "30999", 7, DAY), Order(30999, "30998", 7, DAY)
    named = [with_that_id, numbered, Order(21, "30997", 7, DAY)]
    said = replace(SESSION, numbers=("30999",))
    by_number = link_session(said, [], named, POLICY)
    assert (by_number.status, by_number.id_ordem_servico) == ("linked", 20)
    assert [candidate.id_ordem_servico for candidate in by_number.candidates] == [20]
    by_id = link_session(said, [], [with_that_id, named[2]], POLICY)
    assert (by_id.status, by_id.id_ordem_servico, by_id.flags) == ("linked", 30999, ())
    assert [candidate.id_ordem_servico for candidate in by_id.candidates] == [30999]


def test_without_a_contact_a_named_order_is_only_proposed() -> None:
    nobody = replace(SESSION, id_contato=None)
    nothing = link_session(nobody, [NOTEBOOK], [], POLICY)
    assert (nothing.id_session, nothing.status, nothing.candidates) == (1, "unmatched", ())
    said = replace(nobody, numbers=("30415",))
    named = [replace(NOTEBOOK, id=number) for number in (12, 10)]
    found = link_session(said, [], named, POLICY)
    assert (found.status, found.method, found.id_ordem_servico) == ("proposed", "direct_os_ref", None)
    assert [(c.id_ordem_servico, c.confidence) for c in found.candidates] == [(10, 0.4), (12, 0.4)]
    assert math.fsum(feature.weight for c in found.candidates for feature in c.evidence) == 0


@pytest.mark.parametrize(("confidence", "status"), [(None, "linked"), (1.0, "linked"), (0.99, "proposed")])
def test_an_order_of_a_proposed_contact_is_proposed(confidence: float | None, status: str) -> None:
    said = replace(SESSION, devices=("tv",))
    sure = link_session(said, [NOTEBOOK, TV], [], POLICY).confidence
    found = link_session(said, [NOTEBOOK, TV], [], POLICY, contact_confidence=confidence)
    assert (found.status, found.id_ordem_servico) == (status, 11 if status == "linked" else None)
    assert sure is not None
    assert found.confidence == pytest.approx(sure * (confidence or 1), abs=2e-6)


def test_a_titles_number_is_judged_by_the_orders_that_have_it() -> None:
    titled = replace(SESSION, title_number="30999")
    late = Order(20, "30999", 7, DAY + timedelta(days=40))
    other_late = Order(21, "1", 7, DAY + timedelta(days=40))
    fitting = Order(22, "30999", 7, DAY)
    assert with_title(SESSION, [late]) == SESSION
    assert with_title(titled, [other_late]).numbers == ("30999",)
    assert with_title(titled, [late, fitting]).numbers == ("30999",)
    assert with_title(titled, [NOTEBOOK, fitting]).numbers == ("30999",)
    assert with_title(titled, [NOTEBOOK]).numbers == ("30999",)


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
