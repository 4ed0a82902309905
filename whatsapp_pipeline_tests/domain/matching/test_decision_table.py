"""Evidence → status, method and confidence: the table that pins every weight and threshold of the cascade.

What belongs here: one row per kind of evidence and per bound, with the value that a person reads. What does
not: properties of the cascade (test_contacts.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest

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
)
from whatsapp_pipeline.domain.phones import parse_phone

DAY = date(2025, 1, 10)
PHONE = ChatToLink(
    1, "+55 41 99999-0001", phone=parse_phone("+55 41 99999-0001"), first_day=DAY, last_day=DAY
)
NAME = ChatToLink(1, "Ana Lima", name="Ana Lima", first_day=DAY, last_day=DAY)
BOTH = replace(PHONE, title="Ana Lima +55 41 99999-0001", name="Ana Lima")
ORDER = replace(NAME, name=None, order_reference="30415")
NAME_AND_ORDER = replace(NAME, order_reference="30415")
PHONE_AND_ORDER = replace(PHONE, order_reference="30415")
PHONE_AND_DEVICE = replace(PHONE, devices=("notebook",))
NAME_AND_DEVICE = replace(NAME, devices=("notebook",))
AREALESS = replace(PHONE, title="99999-0001", phone=parse_phone("99999-0001"))
OTHER_HEADER = replace(PHONE, header_keys=("4188888888",))
CONTACTS = {1: ("Ana Lima", ""), 2: ("Rui Prado", "")}


def phone(contact: int, field: str = "celular", **changes: object) -> PhoneHit:
    return replace(PhoneHit(contact, "title", field, "written", True), **changes)  # type: ignore[arg-type]


def header(contact: int) -> PhoneHit:
    return PhoneHit(contact, "header", "celular", "written", False)


def named(*candidates: tuple[int, float]) -> NameEvidence:
    rest = 1 - math.fsum(posterior for _, posterior in candidates)
    return NameEvidence(
        rest, tuple((id_, p, (Feature("words", 2, 3.0, "two words"),)) for id_, p in candidates)
    )


def owned(opened: int, closed: int | None = None) -> list[OwnedDevice]:
    """Return a notebook's order; the days count from the chat's."""
    end = None if closed is None else DAY + timedelta(days=closed)
    return [OwnedDevice("notebook", DAY + timedelta(days=opened), end)]


TITLED, TITLED_ID = OrderHit(10, 1, "title"), OrderHit(10, 1, "title", by_id=True)
SAID = OrderHit(10, 1, "messages")
ASSUMED, UNKNOWN = phone(1, area="assumed"), phone(1, area="unknown")

ROWS: dict[str, tuple[ChatToLink, Evidence, str, str | None, float | None]] = {
    "mobile, digit by digit": (PHONE, Evidence([phone(1)]), "linked", "exact_phone", 0.999),
    "mobile, ninth digit differs": (
        PHONE,
        Evidence([phone(1, same_digits=False)]),
        "linked",
        "normalized_phone",
        0.998,
    ),
    "telephone": (PHONE, Evidence([phone(1, "telefone")]), "linked", "secondary_phone", 0.993),
    "phone inside the file": (PHONE, Evidence([header(1)]), "linked", "phone_header", 0.989),
    "phone inside, another in the title": (
        OTHER_HEADER,
        Evidence([header(1)]),
        "proposed",
        "phone_header",
        0.818,
    ),
    "area code assumed": (PHONE, Evidence([ASSUMED]), "proposed", "normalized_phone", 0.937),
    "area code unknown": (PHONE, Evidence([UNKNOWN]), "proposed", "normalized_phone", 0.881),
    "telephone, area code unknown": (
        PHONE,
        Evidence([phone(1, "telefone", area="unknown")]),
        "proposed",
        "secondary_phone",
        0.731,
    ),
    "two contacts, one number": (PHONE, Evidence([phone(1), phone(2)]), "ambiguous", "exact_phone", 0.5),
    "a mobile and a telephone": (
        PHONE,
        Evidence([phone(1), phone(2, "telefone")]),
        "proposed",
        "exact_phone",
        0.88,
    ),
    "two contacts, the name decides": (
        BOTH,
        Evidence([phone(1), phone(2)], names=CONTACTS),
        "linked",
        "exact_phone",
        0.993,
    ),
    "area code unknown, the name agrees": (
        BOTH,
        Evidence([UNKNOWN], names=CONTACTS),
        "linked",
        "normalized_phone",
        0.998,
    ),
    "phone, the name differs": (BOTH, Evidence([phone(2)], names=CONTACTS), "linked", "exact_phone", 0.998),
    "phone, the name is another's": (
        BOTH,
        Evidence([phone(2)], names=CONTACTS, name=named((1, 0.9))),
        "linked",
        "exact_phone",
        0.964,
    ),
    "phone inside, the name is another's": (
        NAME,
        Evidence([header(2)], names=CONTACTS, name=named((1, 0.9))),
        "proposed",
        "phone_header",
        0.798,
    ),
    "order in the title": (ORDER, Evidence(orders=[TITLED]), "linked", "order_number", 0.993),
    "order in the title, by id": (ORDER, Evidence(orders=[TITLED_ID]), "linked", "order_number", 0.953),
    "order in the title, the name differs": (
        NAME_AND_ORDER,
        Evidence(orders=[replace(TITLED, id_contato=2)], names=CONTACTS),
        "proposed",
        "order_number",
        0.881,
    ),
    "phone, the order is another's": (
        PHONE_AND_ORDER,
        Evidence([phone(1)], [replace(TITLED, id_contato=2)]),
        "linked",
        "exact_phone",
        0.996,
    ),
    "two contacts, the order decides": (
        PHONE_AND_ORDER,
        Evidence([phone(1), phone(2)], [TITLED]),
        "linked",
        "exact_phone",
        0.993,
    ),
    "order in the messages alone": (PHONE, Evidence(orders=[SAID]), "proposed", "order_number", 0.881),
    "two names, an order in the messages decides": (
        NAME,
        Evidence(orders=[SAID], name=named((1, 0.45), (2, 0.45))),
        "linked",
        "order_number",
        0.978,
    ),
    "name at the bound of a link": (NAME, Evidence(name=named((1, 0.9501))), "linked", "name_match", 0.95),
    "name below the bound of a link": (
        NAME,
        Evidence(name=named((1, 0.949))),
        "proposed",
        "name_match",
        0.949,
    ),
    "name at the bound of a proposal": (
        NAME,
        Evidence(name=named((1, 0.501))),
        "proposed",
        "name_match",
        0.501,
    ),
    "name below the bound of a proposal": (NAME, Evidence(name=named((1, 0.499))), "unmatched", None, 0.499),
    "two names share the mass": (
        NAME,
        Evidence(name=named((1, 0.45), (2, 0.16))),
        "ambiguous",
        "name_match",
        0.45,
    ),
    "two names, the second far behind": (
        NAME,
        Evidence(name=named((1, 0.45), (2, 0.14))),
        "unmatched",
        None,
        0.45,
    ),
    "two phones, a device at 60 days": (
        PHONE_AND_DEVICE,
        Evidence([phone(1), phone(2)], devices={1: owned(60)}),
        "linked",
        "equipment_match",
        0.961,
    ),
    "two phones, a device at 61 days": (
        PHONE_AND_DEVICE,
        Evidence([phone(1), phone(2)], devices={1: owned(61)}),
        "proposed",
        "equipment_match",
        0.817,
    ),
    "two phones, a device fetched 60 days before": (
        PHONE_AND_DEVICE,
        Evidence([phone(1), phone(2)], devices={1: owned(-70, -60)}),
        "linked",
        "equipment_match",
        0.961,
    ),
    "two phones, a device fetched 61 days before": (
        PHONE_AND_DEVICE,
        Evidence([phone(1), phone(2)], devices={1: owned(-70, -61)}),
        "proposed",
        "equipment_match",
        0.817,
    ),
    "area code unknown, a device": (
        PHONE_AND_DEVICE,
        Evidence([UNKNOWN], devices={1: owned(0)}),
        "linked",
        "equipment_match",
        0.971,
    ),
    "a name, a device": (
        NAME_AND_DEVICE,
        Evidence(name=named((1, 0.6), (2, 0.1)), devices={1: owned(0)}),
        "linked",
        "equipment_match",
        0.974,
    ),
    "area code unknown, the order is another's": (
        PHONE_AND_ORDER,
        Evidence([UNKNOWN], [replace(TITLED, id_contato=2)]),
        "proposed",
        "normalized_phone",
        0.622,
    ),
    "area code unknown, three of five words agree": (
        replace(BOTH, title="Ana Lima Rui Zeca Bento"),
        Evidence([UNKNOWN], names={1: ("Ana Lima Rui", "")}),
        "linked",
        "normalized_phone",
        0.998,
    ),
    "area code unknown, four of seven words agree": (
        replace(BOTH, title="Ana Lima Rui Prado Zeca Bento Couto"),
        Evidence([UNKNOWN], names={1: ("Ana Lima Rui Prado", "")}),
        "proposed",
        "normalized_phone",
        0.881,
    ),
    "area code unknown, the name model agrees": (
        BOTH,
        Evidence([phone(2, area="unknown")], names=CONTACTS, name=named((2, 0.1))),
        "linked",
        "normalized_phone",
        0.998,
    ),
    "area code unknown, the name model hardly agrees": (
        BOTH,
        Evidence([phone(2, area="unknown")], names=CONTACTS, name=named((2, 0.0965))),
        "proposed",
        "normalized_phone",
        0.731,
    ),
    "area code unknown, the name may be another's": (
        BOTH,
        Evidence([phone(2, area="unknown")], names=CONTACTS, name=named((1, 0.5))),
        "unmatched",
        None,
        0.493,
    ),
    "area code unknown, the name is hardly another's": (
        BOTH,
        Evidence([phone(2, area="unknown")], names=CONTACTS, name=named((1, 0.49))),
        "proposed",
        "normalized_phone",
        0.731,
    ),
    "phone inside lacks the title's area": (
        replace(PHONE, header_keys=("xx99990001",)),
        Evidence([header(1)]),
        "linked",
        "phone_header",
        0.989,
    ),
    "title lacks the area of the phone inside": (
        replace(AREALESS, header_keys=("4199990001",)),
        Evidence([header(1)]),
        "linked",
        "phone_header",
        0.989,
    ),
    "title lacks an area, seven digits are the same": (
        replace(AREALESS, header_keys=("4189990001",)),
        Evidence([header(1)]),
        "proposed",
        "phone_header",
        0.818,
    ),
    "nothing": (PHONE, Evidence(), "unmatched", None, None),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_evidence_gives_this_status_and_confidence(
    row: tuple[ChatToLink, Evidence, str, str | None, float | None],
) -> None:
    chat, evidence, status, method, confidence = row
    decision = decide_chat(chat, evidence, Policy())
    assert (decision.status, decision.method) == (status, method)
    assert decision.confidence == (None if confidence is None else pytest.approx(confidence, abs=0.0006))
    assert (decision.id_contato is not None) == (status == "linked")


@pytest.mark.parametrize(
    "more", [{"orders": [SAID]}, {"devices": {1: owned(-3)}}], ids=["an order in the messages", "a device"]
)
def test_the_method_stays_where_other_evidence_changes_no_status(more: dict[str, list[object]]) -> None:
    evidence = Evidence([phone(1, "telefone", area="unknown")], **more)  # type: ignore[arg-type]
    strict = Policy(link=0.99999)
    decision = decide_chat(PHONE_AND_DEVICE, evidence, strict)
    assert (decision.status, decision.method) == ("proposed", "secondary_phone")
    assert decision.confidence is not None
    assert decision.confidence > 0.9
    assert decide_chat(PHONE_AND_DEVICE, evidence, Policy(link=0.9)).method != "secondary_phone"


def test_five_candidates_are_listed() -> None:
    decision = decide_chat(PHONE, Evidence([phone(contact) for contact in range(1, 8)]), Policy())
    assert [candidate.id_contato for candidate in decision.candidates] == [1, 2, 3, 4, 5]


REASONS = {
    "alone": "nothing else speaks for it",
    "assumed_area": "an area code is not written: the default one was assumed",
    "doubt": "an order and a name that disagree are for a person to decide",
    "equipment_ever": "the only candidate with an order for this device",
    "equipment_fits": "has an order for this device at that time",
    "equipment_near": "the only candidate with an order for this device at that time",
    "exact_phone": "the title's phone is this contact's mobile, digit by digit",
    "header_differs": "the title holds another phone, which no contact has",
    "name_agrees": "the title's name fits this contact's",
    "name_differs": "the title's name has nothing of this contact's",
    "name_elsewhere": "the title's name fits another contact better",
    "normalized_phone": "the title's phone is this contact's mobile once both are normalized",
    "order_elsewhere": "the order in the title belongs to another contact",
    "order_id_in_title": "the number in the title is the id of an order of this contact's",
    "order_in_messages": "an order named in the messages is this contact's",
    "order_in_title": "the order in the title is this contact's",
    "outranked": "a phone or order outranks a name",
    "phone_header": "the phone inside the file is this contact's",
    "other_candidates": "compared with the other candidates and with nobody",
    "secondary_phone": "the title's phone is this contact's telephone",
    "unknown_area": "an area code is unknown: only the last eight digits are compared",
}


def test_the_table_shows_every_reason_and_flag_as_it_is_stored_and_read() -> None:
    decisions = [decide_chat(chat, evidence, Policy()) for chat, evidence, *_ in ROWS.values()]
    reasons = [reason for one in decisions for found in one.candidates for reason in found.evidence]
    assert {(reason.name, reason.words) for reason in reasons if reason.name != "words"} == set(
        REASONS.items()
    )
    # What is simply so has the value 1; that of a name is how well it fits.
    simple = set(REASONS) - {"name_agrees", "name_elsewhere"}
    assert {reason.value for reason in reasons if reason.name in simple} == {1}
    third = replace(NAME, title="Ana Lima Rocha")
    found = decide_chat(
        replace(third, phone=PHONE.phone), Evidence([phone(1)], names=CONTACTS), Policy()
    ).candidates[0]
    assert {reason.name: reason.value for reason in found.evidence}["name_agrees"] == 0.6667
    assert {flag for one in decisions for flag in one.flags} == {
        "order_contact_disagree",
        "order_name_disagree",
        "phone_name_disagree",
        "shared_phone",
        "title_header_disagree",
    }
