"""The cascade as a pure function: what outranks what, and that the reasons add up to the confidence."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_pipeline.domain.matching.contacts import decide
from whatsapp_pipeline.domain.matching.link_types import (
    ChatToLink,
    Evidence,
    Feature,
    NameEvidence,
    OrderHit,
    OwnedDevice,
    PhoneHit,
    Policy,
    softmax,
    status_of,
)
from whatsapp_pipeline.domain.phones import parse_phone

CHAT = ChatToLink(1, "+55 41 99999-0001", phone=parse_phone("+55 41 99999-0001"))
NAMED = ChatToLink(1, "Ana Lima", name="Ana Lima")
POLICY = Policy()


def _phone(contact: int, field: str = "celular", **changes: object) -> PhoneHit:
    return replace(PhoneHit(contact, "title", field, "written", True), **changes)  # type: ignore[arg-type]


def _name(*candidates: tuple[int, float]) -> NameEvidence:
    rest = 1 - math.fsum(p for _, p in candidates)
    return NameEvidence(
        rest, tuple((id_, p, (Feature("words", 2, 3.0, "two words"),)) for id_, p in candidates)
    )


def test_a_name_never_outvotes_a_phone() -> None:
    chat = replace(CHAT, name="Bia Souza")
    evidence = Evidence([_phone(1)], name=_name((2, 0.99)), names={1: ("Ana Lima", "")})
    decision = decide(chat, evidence, POLICY)
    assert (decision.status, decision.id_contato) == ("linked", 1)
    assert decision.flags == ("phone_name_disagree",)
    assert [candidate.id_contato for candidate in decision.candidates] == [1, 2]


def test_a_phone_of_the_header_that_a_name_contradicts_is_only_proposed() -> None:
    header = replace(_phone(1), source="header")
    evidence = Evidence([header], name=_name((2, 0.97)), names={1: ("Carlos Prado", "")})
    assert decide(NAMED, evidence, POLICY).status == "proposed"


def test_a_name_alone_keeps_its_posterior() -> None:
    decision = decide(NAMED, Evidence(name=_name((1, 0.97), (2, 0.01))), POLICY)
    assert (decision.status, decision.method, decision.id_contato) == ("linked", "name_match", 1)
    assert decision.confidence == pytest.approx(0.97, abs=1e-5)
    assert decide(NAMED, Evidence(name=_name((1, 0.4), (2, 0.35))), POLICY).status == "ambiguous"
    assert decide(NAMED, Evidence(name=_name((1, 0.7), (2, 0.05))), POLICY).status == "proposed"
    assert decide(NAMED, Evidence(name=_name((1, 0.3))), POLICY).status == "unmatched"


def test_an_order_in_the_messages_decides_between_namesakes() -> None:
    evidence = Evidence(orders=[OrderHit(10, 2, "messages")], name=_name((1, 0.45), (2, 0.45)))
    decision = decide(NAMED, evidence, POLICY)
    assert (decision.id_contato, decision.method) == (2, "order_number")


def test_a_device_decides_only_when_one_rival_alone_has_it() -> None:
    day = date(2025, 1, 10)
    chat = replace(CHAT, devices=("notebook",), first_day=day, last_day=day)
    near = [OwnedDevice("notebook", day, None)]
    far = [OwnedDevice("notebook", date(2020, 1, 1), date(2020, 1, 9))]
    hits = [_phone(1), _phone(2)]
    assert decide(chat, Evidence(hits, devices={1: near}), POLICY).method == "equipment_match"
    assert decide(chat, Evidence(hits, devices={1: near}), POLICY).id_contato == 1
    assert decide(chat, Evidence(hits, devices={1: far}), POLICY).status == "proposed"
    assert decide(chat, Evidence(hits, devices={1: near, 2: near}), POLICY).status == "ambiguous"


def test_an_order_of_somebody_else_is_flagged() -> None:
    chat = replace(CHAT, order_reference="30415")
    decision = decide(chat, Evidence([_phone(1)], [OrderHit(10, 2, "title")]), POLICY)
    assert (decision.id_contato, decision.flags) == (1, ("order_contact_disagree",))


def test_nothing_known_is_unmatched_and_a_group_is_a_group() -> None:
    assert decide(CHAT, Evidence(), POLICY).status == "unmatched"
    assert decide(replace(CHAT, is_group=True), Evidence([_phone(1)]), POLICY).status == "group"


hits = st.builds(
    PhoneHit,
    id_contato=st.integers(1, 4),
    source=st.sampled_from(["title", "header"]),
    field=st.sampled_from(["celular", "telefone"]),
    area=st.sampled_from(["written", "assumed", "unknown"]),
    same_digits=st.booleans(),
)


@given(st.lists(hits, max_size=6))
def test_reasons_add_up_and_their_order_does_not_matter(
    found: list[PhoneHit],
) -> None:
    decision = decide(CHAT, Evidence(found), POLICY)
    scores = {c.id_contato: math.fsum(f.weight for f in c.evidence) for c in decision.candidates}
    posteriors = softmax(scores)
    for candidate in decision.candidates:
        assert candidate.confidence == pytest.approx(posteriors[candidate.id_contato], abs=1e-5)
    assert decide(CHAT, Evidence(found[::-1]), POLICY).id_contato == decision.id_contato
    if decision.status == "linked":
        assert decision.confidence is not None
        assert decision.confidence >= POLICY.link


@given(st.lists(st.floats(0, 1), max_size=5))
def test_a_link_is_never_made_below_the_policy(posteriors: list[float]) -> None:
    ranked = sorted(posteriors, reverse=True)
    status = status_of(ranked, POLICY)
    assert (status == "linked") == (bool(ranked) and ranked[0] >= POLICY.link)
