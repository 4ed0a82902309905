"""The state of a review item that a reviewer saw, and deciding on items, for pages and for the API.

What belongs here: the state as text that is sent with an item and returned with a decision, calling the
function for a chat or a live conversation, and finding a decision that came first. What does not: making
decisions (steps/links/decide.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.chat_state import LinkState
from whatsapp_pipeline.store.links.review_pages import ItemToReview, PastDecision, past_decisions

if TYPE_CHECKING:
    from whatsapp_pipeline.steps.links.decide import ChatDecision, DecisionOutcome, ScopeOffer, ShownState


# No two neighbouring parts of the expression can match the same character, so a long text can't cause slow
# backtracking.
_SHOWN = re.compile(r"([a-z]{1,20})\|([0-9]{0,19})\|([0-9]{0,19})\|((?:[0-9]{1,19}(?:,[0-9]{1,19})*)?)")


def shown_text(found: ItemToReview) -> str:
    """Return the link and the decisions that the reviewer sees, as a text to send back with the decision."""
    ids = ",".join(map(str, found.decisions))
    return f"{found.status}|{found.id_contato or ''}|{found.id_ordem_servico or ''}|{ids}"


def parse_shown_state(text: str) -> ShownState:
    """Parse the text of `shown_text`. For any other text, return a state that no item has."""
    from whatsapp_pipeline.steps.links.decide import ShownState

    match = _SHOWN.fullmatch(text)
    if match is None:
        return ShownState(LinkState("", None, None), ())
    contact, order = (int(part) if part else None for part in match.group(2, 3))
    decisions = tuple(int(part) for part in match[4].split(",") if part)
    return ShownState(LinkState(match[1], contact, order), decisions)


def newest_unseen(conn: Connection, found: ItemToReview, shown: ShownState) -> PastDecision | None:
    """Return the newest of an item's decisions that were not shown to the reviewer; None if all were."""
    unseen = set(found.decisions).difference(shown.decisions)
    newest = past_decisions(conn, before=max(unseen) + 1, limit=1) if unseen else []
    return newest[0] if newest else None


def scopes_of(conn: Connection, found: ItemToReview) -> list[ScopeOffer]:
    """Return the possible targets of a decision on an item, the usual one first."""
    from whatsapp_pipeline.steps.links.decide import live_scope_offers, scope_offers

    return (scope_offers if found.source == "chat" else live_scope_offers)(conn, found.id)


def decide_item(
    conn: Connection, found: ItemToReview, wanted: ChatDecision, *, shown: ShownState
) -> DecisionOutcome:
    """Make a decision on an item. Raises AlreadyDecidedError if the item changed after it was shown."""
    from whatsapp_pipeline.steps.links.decide import make_decision, make_live_decision

    return (make_decision if found.source == "chat" else make_live_decision)(conn, wanted, shown=shown)
