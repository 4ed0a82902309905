"""The effect that a decision on a customer would have in each scope, computed before the decision.

What belongs here: computing the effect by the rules of real decisions, without writing. What does not: making
a decision and its scopes (decide.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from whatsapp_pipeline.domain.matching.link_types import Evidence
from whatsapp_pipeline.domain.matching.overrides import (
    OverrideScope,
    PersonDecision,
    phone_owners,
    settle_overrides,
)
from whatsapp_pipeline.steps.links.decide import DecisionKind, ScopeOffer
from whatsapp_pipeline.steps.links.link_contacts import phone_evidence, to_chats
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import contact_links, live_links, live_review, overrides

_NEWEST = 2**63 - 1
_Outcome = Literal["in_force", "pending", "kept"]


@dataclass(frozen=True, slots=True)
class ScopeEffect:
    """The chats and live conversations of a scope, counted by the effect of a decision.

    `chats` counts those on which the decision would be in force, and `messages` their messages. `moved`
    counts those of them that now have another customer, as (customer, count). `pending` counts those that the
    rules must decide, and `kept` those on which another decision is in force.
    """

    offer: ScopeOffer
    chats: int
    messages: int
    moved: tuple[tuple[int, int], ...]
    pending: int
    kept: int


def scope_effects(
    conn: Connection, offers: Sequence[ScopeOffer], kind: DecisionKind, contact: int | None
) -> list[ScopeEffect]:
    """Return the effect of a decision on a customer in each of these scopes. Call this in a transaction.

    After a refusal (`not_contact`), the chats without another decision in force are pending.
    """
    return [_effect(conn, offer, kind, contact) for offer in offers]


def _effect(conn: Connection, offer: ScopeOffer, kind: DecisionKind, contact: int | None) -> ScopeEffect:
    known_as = offer.target
    if offer.target_kind == "title":
        known_as = overrides.title_key(conn, offer.target)
    chats = overrides.chats_of_target(conn, offer.target_kind, known_as, offer.chat_number)
    live = live_review.conversations_of_target(conn, offer.target_kind, known_as)
    decision = PersonDecision(
        _NEWEST,
        cast(OverrideScope, offer.target_kind),
        contact,
        "",
        "",
        refuses=kind == "not_contact",
        of_chat=offer.chat_number is not None,
    )
    # Live conversations have negative ids here, as in the code that writes decisions.
    places = {chat.id_chat_file: (chat.id_contato, chat.messages) for chat in chats}
    places |= {-one.id: (one.id_contato, one.messages) for one in live}
    outcomes: dict[int, _Outcome] = {}
    if chats:
        staged = contact_links.stage_chats(conn, [chat.id_chat_file for chat in chats])
        outcomes |= _outcomes(conn, staged, decision)
    if live:
        outcomes |= _outcomes(conn, live_links.stage_conversations(conn, [one.id for one in live]), decision)
    held = [places[place] for place, outcome in outcomes.items() if outcome == "in_force"]
    count = Counter(outcomes.values())
    return ScopeEffect(
        offer,
        len(held),
        sum(messages for _, messages in held),
        _moved(held, contact),
        count["pending"],
        count["kept"],
    )


def _outcomes(
    conn: Connection, staged: Iterable[contact_links.StagedChat], decision: PersonDecision
) -> Mapping[int, _Outcome]:
    rows = to_chats(staged, None)
    phones = phone_evidence(conn, rows)
    in_force = overrides.about_staged(conn, "links/link_overrides_for")
    found: dict[int, _Outcome] = {}
    for row in rows:
        owners = phone_owners(Evidence(phones=phones[row.id]))
        holds = settle_overrides([*in_force.get(row.id, []), decision], owners).holds
        found[row.id] = "pending" if holds is None else "in_force" if holds is decision else "kept"
    return found


def _moved(held: Iterable[tuple[int | None, int]], contact: int | None) -> tuple[tuple[int, int], ...]:
    before = Counter(owner for owner, _ in held if owner is not None and owner != contact)
    return tuple(before.most_common())
