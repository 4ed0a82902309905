"""Decisions of people about one chat: which one holds, and what becomes of what the rules decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from whatsapp_pipeline.domain.matching.link_types import (
    Candidate,
    Evidence,
    Feature,
    LinkDecision,
    NameEvidence,
    OrderHit,
    PhoneHit,
    Status,
)
from whatsapp_pipeline.domain.matching.overrides import (
    PersonDecision,
    apply_overrides,
    phone_owners,
    settle_overrides,
    without_refused,
)


def one(id_: int, scope: str, target: int | None, **more: bool) -> PersonDecision:
    return PersonDecision(id_, scope, target, "viu a foto", "rita", **more)  # type: ignore[arg-type]


def refusal(id_: int, scope: str, target: int) -> PersonDecision:
    return one(id_, scope, target, refuses=True)


# The decisions, the contacts that have the chat's phone, the decision that holds, the refused contacts, the
# decision on the title that the phone contradicts.
SETTLED: dict[str, tuple[list[PersonDecision], set[int], int | None, set[int], int | None]] = {
    "none": ([], set(), None, set(), None),
    "one": ([one(1, "title", 7)], set(), 1, set(), None),
    "the newest of a scope": ([one(2, "phone", 8), one(1, "phone", 7)], set(), 2, set(), None),
    "a file before a phone": ([one(9, "phone", 8), one(1, "file", 7)], set(), 1, set(), None),
    "a file before a conversation": ([one(9, "conversation", 8), one(1, "file", 7)], set(), 1, set(), None),
    "a conversation before a phone": ([one(9, "phone", 8), one(1, "conversation", 7)], set(), 1, set(), None),
    "a phone before a title": ([one(9, "title", 8), one(1, "phone", 7)], set(), 1, set(), None),
    "a session before all": ([one(9, "file", 8), one(1, "title", 7, of_session=True)], set(), 1, set(), None),
    "one chat of a file before the whole file": (
        [one(9, "file", 8), one(1, "file", 7, of_chat=True)],
        set(),
        1,
        set(),
        None,
    ),
    "nobody": ([one(1, "phone", None)], {7}, 1, set(), None),
    "a title of the phone's contact": ([one(1, "title", 7)], {7, 8}, 1, set(), None),
    "a title of another contact than the phone's": ([one(1, "title", 7)], {8}, None, set(), 1),
    "a title of nobody, and the phone is a contact's": ([one(1, "title", None)], {8}, None, set(), 1),
    "two titles that the phone contradicts": ([one(1, "title", 7), one(2, "title", 6)], {8}, None, set(), 2),
    "an older title is right where the newest is not": (
        [one(1, "title", 8), one(2, "title", 6)],
        {8},
        1,
        set(),
        2,
    ),
    "a file of another contact than the phone's": ([one(1, "file", 7)], {8}, 1, set(), None),
    "refused": ([refusal(1, "file", 7)], set(), None, {7}, None),
    "two are refused": ([refusal(1, "file", 7), refusal(2, "phone", 8)], set(), None, {7, 8}, None),
    "refused after it was decided": ([one(1, "phone", 7), refusal(2, "file", 7)], set(), None, {7}, None),
    "decided after it was refused": ([refusal(1, "file", 7), one(2, "phone", 7)], set(), 2, set(), None),
    "refused, decided, refused": (
        [refusal(1, "file", 7), one(2, "phone", 7), refusal(3, "phone", 7)],
        set(),
        None,
        {7},
        None,
    ),
    "another was refused": ([one(1, "phone", 8), refusal(2, "file", 7)], set(), 1, {7}, None),
    "a title yields to every refusal": ([refusal(1, "file", 7), one(2, "title", 7)], set(), None, {7}, None),
    "an older decision holds where the newer one was refused": (
        [one(1, "phone", 8), one(2, "phone", 7), refusal(3, "phone", 7)],
        set(),
        1,
        {7},
        None,
    ),
}


@pytest.mark.parametrize("case", SETTLED.values(), ids=SETTLED)
def test_one_decision_holds(
    case: tuple[list[PersonDecision], set[int], int | None, set[int], int | None],
) -> None:
    decisions, owners, holds, refused, contradicted = case
    for order in (decisions, decisions[::-1]):
        settled = settle_overrides(order, owners)
        assert (settled.holds.id if settled.holds else None) == holds
        assert settled.refused == refused
        assert (settled.contradicted.id if settled.contradicted else None) == contradicted
        assert not settled.target_deleted


def test_a_decision_for_somebody_who_was_deleted_holds_off_the_others() -> None:
    gone = one(2, "file", 7, deleted=True)
    settled = settle_overrides([one(1, "phone", 8), gone, refusal(3, "phone", 9)])
    assert settled.holds is None
    assert (set(settled.refused), settled.target_deleted) == ({9}, True)
    settled = settle_overrides([one(1, "file", 8), replace(gone, scope="phone")])
    assert settled.holds is not None
    assert settled.holds.id == 1
    contradicted = settle_overrides([one(4, "title", 6), replace(gone, scope="title")], {8})
    assert (contradicted.target_deleted, contradicted.contradicted is not None) == (True, True)


def candidate(contact: int, confidence: float) -> Candidate:
    return Candidate(contact, confidence, "exact_phone", (Feature("exact_phone", 1, 7.0, "x"),))


def rules(status: Status = "linked") -> LinkDecision:
    contact = 8 if status == "linked" else None
    return LinkDecision(
        1, status, "exact_phone", 0.9, contact, (candidate(8, 0.9), candidate(7, 0.05)), ("b",)
    )


def test_what_a_person_decided_is_manual_and_first() -> None:
    found = apply_overrides(settle_overrides([one(1, "file", 7)]), rules())
    assert (found.status, found.method, found.confidence, found.id_contato) == ("manual", "override", 1.0, 7)
    assert [(c.id_contato, c.confidence, c.method) for c in found.candidates] == [
        (7, 1.0, "override"),
        (8, 0.9, "exact_phone"),
    ]
    assert found.candidates[0].evidence == (Feature("override", 1, 0.0, "decided by rita: viu a foto"),)
    assert (found.id_chat_file, found.flags) == (1, ("b",))
    nobody = apply_overrides(settle_overrides([one(1, "file", None)]), rules())
    assert (nobody.status, nobody.id_contato, nobody.candidates) == ("manual", None, rules().candidates)


def test_without_a_decision_that_of_the_rules_stands() -> None:
    assert apply_overrides(settle_overrides([]), rules()) == rules()


@pytest.mark.parametrize(
    ("status", "after"),
    [("linked", "proposed"), ("proposed", "proposed"), ("ambiguous", "ambiguous"), ("group", "group")],
)
def test_where_somebody_was_refused_the_rules_only_propose(status: Status, after: Status) -> None:
    found = apply_overrides(settle_overrides([refusal(1, "file", 6)]), rules(status))
    assert (found.status, found.id_contato, found.candidates) == (after, None, rules().candidates)
    assert found.flags == (("b",) if status == "group" else ("b", "contact_refused"))


def test_a_deleted_contact_is_flagged_and_the_rules_decide() -> None:
    settled = settle_overrides([one(1, "file", 7, deleted=True)])
    assert apply_overrides(settled, rules()) == replace(rules(), flags=("b", "override_contact_gone"))


def test_a_title_that_the_phone_contradicts_comes_back_to_a_person() -> None:
    listed = apply_overrides(settle_overrides([one(1, "title", 7)], {8}), rules())
    assert listed == replace(
        rules(), status="ambiguous", id_contato=None, flags=("b", "decision_contradicts_phone")
    )
    unlisted = apply_overrides(settle_overrides([one(1, "title", 6)], {8}), rules())
    assert [(c.id_contato, c.confidence, c.method) for c in unlisted.candidates[2:]] == [(6, 0.0, "override")]
    words = "decided on the title by rita, but the phone is another contact's"
    assert unlisted.candidates[2].evidence == (Feature("override_on_title", 1, 0.0, words),)
    nobody = apply_overrides(settle_overrides([one(1, "title", None)], {8}), rules())
    assert (nobody.status, len(nobody.candidates)) == ("ambiguous", 2)


def test_a_phone_without_its_area_says_nothing_about_its_owner() -> None:
    hits = [
        PhoneHit(1, "title", "celular", "written", True),
        PhoneHit(2, "title", "celular", "unknown", True),
        PhoneHit(3, "title", "celular", "assumed", True),
    ]
    assert phone_owners(Evidence(hits)) == {1, 3}


def test_what_speaks_for_a_refused_contact_is_left_out() -> None:
    evidence = Evidence(
        [PhoneHit(n, "title", "celular", "written", True) for n in (1, 2)],
        [OrderHit(10, n, "title") for n in (1, 2)],
        name=NameEvidence(0.2, ((1, 0.5, ()), (2, 0.3, ()))),
    )
    assert without_refused(evidence, set()) is evidence
    left = without_refused(evidence, {1})
    assert [hit.id_contato for hit in left.phones] == [hit.id_contato for hit in left.orders] == [2]
    assert left.name is not None
    assert left.name.candidates == ((2, 0.3, ()),)
    assert left.name.p_none == pytest.approx(0.7)
    certain = without_refused(replace(evidence, name=NameEvidence(0.9, ((1, 0.3, ()),))), {1})
    assert certain.name is not None
    assert certain.name.p_none == 1.0
    assert without_refused(replace(evidence, name=None), {1}).name is None
