"""People's decisions on a chat or a session: which one is in force, and how it changes the rules' decision.

What belongs here: the order of scopes, refusals, and the effect of a decision. What does not: reading
decisions (store/links) and applying them to a month (steps/links/decide.py).

A decision on one session outranks all others. A decision on one file or live conversation outranks one on a
phone, which outranks one on a title. Within a scope, a decision on one chat of a file outranks one on the
whole file; otherwise the newest decision is in force. Different people can have the same title. So a phone of
another contact, and every refusal, outrank a decision on a title. A refusal of a contact outranks older
decisions for that contact.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from whatsapp_pipeline.domain.matching.link_types import Candidate, Evidence, Feature, LinkDecision

OverrideScope = Literal["file", "conversation", "phone", "title"]
_SCOPES: tuple[OverrideScope, ...] = ("file", "conversation", "phone", "title")
CONTRADICTION = "decision_contradicts_phone"
REFUSED = "contact_refused"
TARGET_DELETED = "override_contact_gone"


@dataclass(frozen=True, slots=True)
class PersonDecision:
    """A decision on a chat or session that nobody withdrew.

    `target` is the contact or order; None if the person decided that it has none.

    `refuses`: the chat or session does not belong to the target. `deleted`: the target no longer exists.
    `of_session`, `of_chat`: the decision applies only to one session, or to one chat of its file.
    """

    id: int
    scope: OverrideScope
    target: int | None
    reason: str
    made_by: str
    refuses: bool = False
    deleted: bool = False
    of_session: bool = False
    of_chat: bool = False


@dataclass(frozen=True, slots=True)
class SettledOverrides:
    """The result of all decisions on one chat or session: the decision in force, and the refused targets."""

    holds: PersonDecision | None = None
    refused: frozenset[int] = frozenset()
    contradicted: PersonDecision | None = None
    """A decision on the title that is not in force, because the chat's phone belongs to another contact."""
    target_deleted: bool = False
    """The decision that would be in force is for a contact or order that no longer exists."""


def settle_overrides(
    decisions: Sequence[PersonDecision], phone_owners: Collection[int] = frozenset()
) -> SettledOverrides:
    """Choose the decision in force. `phone_owners` are the contacts that have the chat's phone."""
    refusals = {
        decision.target: decision.id
        for decision in sorted(decisions, key=lambda decision: decision.id)
        if decision.refuses and decision.target is not None
    }
    contradicted: PersonDecision | None = None
    for decision in sorted(decisions, key=_precedence):
        if decision.refuses:
            continue
        if decision.deleted:
            return SettledOverrides(None, frozenset(refusals), contradicted, target_deleted=True)
        refused_by = refusals.get(decision.target) if decision.target is not None else None
        if refused_by is not None and (decision.scope == "title" or refused_by > decision.id):
            continue
        if decision.scope == "title" and phone_owners and decision.target not in phone_owners:
            contradicted = contradicted or decision
            continue
        return SettledOverrides(decision, frozenset(refusals) - {decision.target}, contradicted)
    return SettledOverrides(None, frozenset(refusals), contradicted)


def _precedence(decision: PersonDecision) -> tuple[bool, int, bool, int]:
    return not decision.of_session, _SCOPES.index(decision.scope), not decision.of_chat, -decision.id


def phone_owners(evidence: Evidence) -> frozenset[int]:
    """Return the contacts that have the chat's phone with a known area code."""
    return frozenset(hit.id_contato for hit in evidence.phones if hit.area != "unknown")


def without_refused(evidence: Evidence, refused: Collection[int]) -> Evidence:
    """Remove the evidence for refused contacts; their probability goes to "none of these"."""
    if not refused:
        return evidence
    name = evidence.name
    if name is not None:
        kept = tuple(candidate for candidate in name.candidates if candidate[0] not in refused)
        lost = sum(candidate[1] for candidate in name.candidates if candidate[0] in refused)
        name = replace(name, p_none=min(name.p_none + lost, 1.0), candidates=kept)
    return replace(
        evidence,
        phones=[hit for hit in evidence.phones if hit.id_contato not in refused],
        orders=[hit for hit in evidence.orders if hit.id_contato not in refused],
        name=name,
    )


def apply_overrides(settled: SettledOverrides, decision: LinkDecision) -> LinkDecision:
    """Apply people's decisions to the decision of the rules. The candidates of the rules are kept.

    The rules decided without the refused contacts (see `without_refused`). If a person refused a contact, or
    if a decision on the title contradicts the phone, the rules never link the chat: a person must decide.
    """
    if settled.holds is not None:
        return _decided(settled.holds, decision)
    if settled.target_deleted:
        decision = _flagged(decision, TARGET_DELETED)
    if settled.contradicted is not None:
        decision = _back_to_the_queue(_flagged(decision, CONTRADICTION), settled.contradicted)
    if settled.refused and decision.status != "group":
        decision = _flagged(decision, REFUSED)
        if decision.status == "linked":
            decision = replace(decision, status="proposed", id_contato=None)
    return decision


def _decided(override: PersonDecision, decision: LinkDecision) -> LinkDecision:
    candidates = decision.candidates
    if override.target is not None:
        why = Feature("override", 1, 0.0, f"decided by {override.made_by}: {override.reason}")
        others = tuple(c for c in candidates if c.id_contato != override.target)
        candidates = (Candidate(override.target, 1.0, "override", (why,)), *others)
    return LinkDecision(
        decision.id_chat_file, "manual", "override", 1.0, override.target, candidates, decision.flags
    )


def _flagged(decision: LinkDecision, flag: str) -> LinkDecision:
    return replace(decision, flags=tuple(sorted({*decision.flags, flag})))


def _back_to_the_queue(decision: LinkDecision, contradicted: PersonDecision) -> LinkDecision:
    """Make the chat ambiguous between the owner of its phone and the contact decided for its title."""
    candidates = decision.candidates
    named = {candidate.id_contato for candidate in candidates}
    if contradicted.target is not None and contradicted.target not in named:
        words = f"decided on the title by {contradicted.made_by}, but the phone is another contact's"
        why = Feature("override_on_title", 1, 0.0, words)
        candidates = (*candidates, Candidate(contradicted.target, 0.0, "override", (why,)))
    return replace(decision, status="ambiguous", id_contato=None, candidates=candidates)
