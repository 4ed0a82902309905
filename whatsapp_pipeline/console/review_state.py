"""Items of the review for pages and for the API: the state that a reviewer saw, and deciding.

What belongs here: the state as text that goes out with an item and comes back with a decision, which function
decides on a chat and which on a live conversation, and which decision came first. What does not: deciding
(steps/links/decide.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.chat_state import LinkState
from whatsapp_pipeline.store.links.review_pages import ItemToReview, PastDecision, past_decisions

if TYPE_CHECKING:
    from whatsapp_pipeline.steps.links.decide import ChatDecision, DecisionOutcome, ScopeOffer, ShownState


# Each text has one reading only, so that a long one is refused as fast as a short one.
_SHOWN = re.compile(r"([a-z]{1,20})\|([0-9]{0,19})\|([0-9]{0,19})\|((?:[0-9]{1,19}(?:,[0-9]{1,19})*)?)")


def shown_text(found: ItemToReview) -> str:
    """Return what the reviewer sees of the link, to be handed back."""
    ids = ",".join(map(str, found.decisions))
    return f"{found.status}|{found.id_contato or ''}|{found.id_ordem_servico or ''}|{ids}"


def parse_shown_state(text: str) -> ShownState:
    """Read what `shown_text` wrote; anything else is a state that no item has."""
    from whatsapp_pipeline.steps.links.decide import ShownState

    match = _SHOWN.fullmatch(text)
    if match is None:
        return ShownState(LinkState("", None, None), ())
    contact, order = (int(part) if part else None for part in match.group(2, 3))
    decisions = tuple(int(part) for part in match[4].split(",") if part)
    return ShownState(LinkState(match[1], contact, order), decisions)


def newest_unseen(conn: Connection, found: ItemToReview, shown: ShownState) -> PastDecision | None:
    """Return the newest decision in force on an item that was not among those shown."""
    unseen = set(found.decisions).difference(shown.decisions)
    newest = past_decisions(conn, before=max(unseen) + 1, limit=1) if unseen else []
    return newest[0] if newest else None


def scopes_of(conn: Connection, found: ItemToReview) -> list[ScopeOffer]:
    """Return what a decision on an item can be about, the usual one first."""
    from whatsapp_pipeline.steps.links.decide import live_scope_offers, scope_offers

    return (scope_offers if found.source == "chat" else live_scope_offers)(conn, found.id)


def decide_item(
    conn: Connection, found: ItemToReview, wanted: ChatDecision, *, shown: ShownState
) -> DecisionOutcome:
    """Make a decision on an item; raises AlreadyDecidedError if it changed since it was shown."""
    from whatsapp_pipeline.steps.links.decide import make_decision, make_live_decision

    return (make_decision if found.source == "chat" else make_live_decision)(conn, wanted, shown=shown)
