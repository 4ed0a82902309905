"""The cascade as a pure function: what outranks what, and that the reasons add up to the confidence."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_pipeline.domain.matching.contacts import decide_chat
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
    decision = decide_chat(chat, evidence, POLICY)
    assert (decision.status, decision.id_contato) == ("linked", 1)
    assert decision.flags == ("phone_name_disagree",)
    assert [candidate.id_contato for candidate in decision.candidates] == [1, 2]


def test_a_phone_of_the_header_that_a_name_contradicts_is_only_proposed() -> None:
    header = replace(_phone(1), source="header")
    evidence = Evidence([header], name=_name((2, 0.97)), names={1: ("Carlos Prado", "")})
    assert decide_chat(NAMED, evidence, POLICY).status == "proposed"


def test_a_name_alone_keeps_its_posterior() -> None:
    decision = decide_chat(NAMED, Evidence(name=_name((1, 0.97), (2, 0.01))), POLICY)
    assert (decision.status, decision.method, decision.id_contato) == ("linked", "name_match", 1)
    assert decision.confidence == pytest.approx(0.97, abs=1e-5)
    assert decide_chat(NAMED, Evidence(name=_name((1, 0.4), (2, 0.35))), POLICY).status == "ambiguous"
    assert decide_chat(NAMED, Evidence(name=_name((1, 0.7), (2, 0.05))), POLICY).status == "proposed"
    assert decide_chat(NAMED, Evidence(name=_name((1, 0.3))), POLICY).status == "unmatched"


def test_an_order_in_the_messages_decides_between_namesakes() -> None:
    evidence = Evidence(orders=[OrderHit(10, 2, "messages")], name=_name((1, 0.45), (2, 0.45)))
    decision = decide_chat(NAMED, evidence, POLICY)
    assert (decision.id_contato, decision.method) == (2, "order_number")


def test_only_an_order_s_number_in_the_messages_speaks_for_its_owner() -> None:
    """An internal id may be any number that somebody wrote; an order of the title has its own rules."""
    by_id = OrderHit(10, 2, "messages", by_id=True)
    assert decide_chat(CHAT, Evidence(orders=[by_id]), POLICY).status == "unmatched"
    assert decide_chat(CHAT, Evidence(orders=[replace(by_id, by_id=False)]), POLICY).status == "proposed"
    two = _name((1, 0.45), (2, 0.45))
    assert decide_chat(NAMED, Evidence(orders=[by_id], name=two), POLICY).status == "ambiguous"
    titled = OrderHit(10, 2, "title")
    assert decide_chat(CHAT, Evidence([_phone(1), _phone(2)], [titled]), POLICY).status == "ambiguous"
    said = OrderHit(10, 2, "messages")
    assert decide_chat(CHAT, Evidence([_phone(1), _phone(2)], [said]), POLICY).id_contato == 2


def test_an_order_s_internal_id_in_the_title_disagrees_with_nothing() -> None:
    chat = replace(CHAT, order_reference="30415")
    hit = OrderHit(10, 2, "title", by_id=True)
    assert decide_chat(chat, Evidence([_phone(1)], [hit]), POLICY).flags == ()
    assert decide_chat(chat, Evidence([_phone(1), _phone(2)], [hit]), POLICY).status == "ambiguous"


def _flags(evidence: Evidence, **changes: object) -> tuple[str, ...]:
    return decide_chat(replace(CHAT, **changes), evidence, POLICY).flags  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("titled", "inside", "differ"),
    [
        ("+55 41 99999-0001", ("4188880000",), True),
        ("+55 41 99999-0001", ("4188880000", "4199990001"), False),
        ("+55 41 99999-0001", (), False),
        ("+55 41 99999-0001", ("xx99990001",), False),
        ("+55 41 99999-0001", ("xx99990002",), True),
        ("+55 41 99999-0001", ("1199990001",), True),
        ("99999-0001", ("4199990001",), False),
        ("0800 123 4567", ("4199990001",), False),
        ("98765432109876@lid", ("4199990001",), False),
    ],
)
def test_a_title_s_phone_that_is_not_inside_the_file_is_flagged(
    titled: str, inside: tuple[str, ...], differ: bool
) -> None:
    flags = _flags(Evidence(), phone=parse_phone(titled), header_keys=inside)
    assert flags == (("title_header_disagree",) if differ else ())


def test_a_phone_inside_the_file_counts_less_where_the_title_has_another() -> None:
    header = _phone(1, source="header")
    other = replace(CHAT, header_keys=("4188880000",))
    same = replace(CHAT, header_keys=("4199990001",))
    less, more = (decide_chat(chat, Evidence([header]), POLICY).confidence for chat in (other, same))
    assert less is not None
    assert more is not None
    assert less < more
    # Where a contact has the title's phone, the phone inside is compared with it, and is no less sure.
    found = decide_chat(other, Evidence([_phone(1), _phone(2, source="header")]), POLICY)
    reasons = {feature.name for candidate in found.candidates for feature in candidate.evidence}
    assert reasons == {"exact_phone", "phone_header"}


def test_a_phone_of_several_contacts_is_flagged() -> None:
    assert _flags(Evidence([_phone(1), _phone(2)])) == ("shared_phone",)
    assert _flags(Evidence([_phone(1, source="header"), _phone(2, source="header")])) == ("shared_phone",)
    assert _flags(Evidence([_phone(1)])) == ()
    assert _flags(Evidence([_phone(1), _phone(1, "telefone")])) == ()
    assert _flags(Evidence([_phone(1), _phone(2, source="header")])) == ()
    assert _flags(Evidence([_phone(1), _phone(2, area="assumed")])) == ()


def test_a_name_disagrees_where_it_fits_none_of_the_candidates() -> None:
    one = Evidence([_phone(1)], names={1: ("Bia Souza", "")})
    assert _flags(one, name="Ana Lima", title="Ana Lima 41 99999-0001") == ("phone_name_disagree",)
    two = Evidence([_phone(1), _phone(2)], names={1: ("Bia Souza", ""), 2: ("", "Ana Lima")})
    assert _flags(two, name="Ana Lima", title="Ana Lima 41 99999-0001") == ("shared_phone",)
    assert decide_chat(replace(CHAT, name="Ana Lima", title="Ana Lima"), two, POLICY).id_contato == 2
    # Without a name in the title there is nothing to compare.
    assert _flags(one) == ()


def test_the_best_of_a_contact_s_phones_is_its_reason() -> None:
    hits = [_phone(1, "telefone"), _phone(1), _phone(1, source="header")]
    for order in (hits, hits[::-1], [hits[1], hits[0], hits[2]]):
        assert decide_chat(CHAT, Evidence(order), POLICY).method == "exact_phone"


def test_a_device_of_other_days_or_of_no_known_day_is_not_near() -> None:
    day = date(2025, 1, 10)
    two = [_phone(1), _phone(2)]
    chat = replace(CHAT, devices=("notebook",), first_day=day, last_day=day)
    near = OwnedDevice("notebook", day, None)

    def status(said: ChatToLink, owned: OwnedDevice) -> str:
        return decide_chat(said, Evidence(two, devices={1: [owned]}), POLICY).status

    assert status(chat, near) == "linked"
    assert status(replace(chat, first_day=None), near) != "linked"
    assert status(replace(chat, last_day=None), near) != "linked"
    assert status(chat, OwnedDevice("notebook", None, None)) != "linked"
    assert status(chat, OwnedDevice("tv", day, None)) != "linked"


def test_a_device_decides_only_when_one_candidate_alone_has_it() -> None:
    day = date(2025, 1, 10)
    chat = replace(CHAT, devices=("notebook",), first_day=day, last_day=day)
    near = [OwnedDevice("notebook", day, None)]
    far = [OwnedDevice("notebook", date(2020, 1, 1), date(2020, 1, 9))]
    hits = [_phone(1), _phone(2)]
    assert decide_chat(chat, Evidence(hits, devices={1: near}), POLICY).method == "equipment_match"
    assert decide_chat(chat, Evidence(hits, devices={1: near}), POLICY).id_contato == 1
    assert decide_chat(chat, Evidence(hits, devices={1: far}), POLICY).status == "proposed"
    assert decide_chat(chat, Evidence(hits, devices={1: near, 2: near}), POLICY).status == "ambiguous"


def test_an_order_of_somebody_else_is_flagged() -> None:
    chat = replace(CHAT, order_reference="30415")
    decision = decide_chat(chat, Evidence([_phone(1)], [OrderHit(10, 2, "title")]), POLICY)
    assert (decision.id_contato, decision.flags) == (1, ("order_contact_disagree",))


def test_nothing_known_is_unmatched_and_a_group_is_a_group() -> None:
    assert decide_chat(CHAT, Evidence(), POLICY).status == "unmatched"
    assert decide_chat(replace(CHAT, is_group=True), Evidence([_phone(1)]), POLICY).status == "group"


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
    decision = decide_chat(CHAT, Evidence(found), POLICY)
    scores = {c.id_contato: math.fsum(f.weight for f in c.evidence) for c in decision.candidates}
    posteriors = softmax(scores)
    for candidate in decision.candidates:
        assert candidate.confidence == pytest.approx(posteriors[candidate.id_contato], abs=1e-5)
    assert decide_chat(CHAT, Evidence(found[::-1]), POLICY).id_contato == decision.id_contato
    if decision.status == "linked":
        assert decision.confidence is not None
        assert decision.confidence >= POLICY.link


@given(st.lists(st.floats(0, 1), max_size=5))
def test_a_link_is_never_made_below_the_policy(posteriors: list[float]) -> None:
    ranked = sorted(posteriors, reverse=True)
    status = status_of(ranked, POLICY)
    assert (status == "linked") == (bool(ranked) and ranked[0] >= POLICY.link)


def test_a_share_of_words_is_stored_with_four_decimals() -> None:
    chat = replace(CHAT, title="Ana Lima Prado +55 41 99999-0001", name="Ana Lima Prado")
    (found,) = decide_chat(chat, Evidence([_phone(1)], names={1: ("Ana Lima", "")}), POLICY).candidates
    assert {reason.name: reason.value for reason in found.evidence}["name_agrees"] == 0.6667
