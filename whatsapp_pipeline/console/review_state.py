"""The state of an item that a reviewer saw, as text that goes out with it and comes back with a decision.

What belongs here: writing and reading that text, for pages and for the API. What does not: comparing it with
the present state (steps/links/decide.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whatsapp_pipeline.store.links.chat_state import LinkState
from whatsapp_pipeline.store.links.review_pages import ItemToReview

if TYPE_CHECKING:
    from whatsapp_pipeline.steps.links.decide import ShownState


def shown_text(found: ItemToReview) -> str:
    """Return what the reviewer sees of the link, to be handed back."""
    ids = ",".join(map(str, found.decisions))
    return f"{found.status}|{found.id_contato or ''}|{found.id_ordem_servico or ''}|{ids}"


def parse_shown_state(text: str) -> ShownState:
    """Read what `shown_text` wrote; anything else is a state that no item has."""
    from whatsapp_pipeline.steps.links.decide import ShownState

    match = re.fullmatch(r"([a-z]{1,20})\|([0-9]{0,19})\|([0-9]{0,19})\|((?:[0-9]{1,19},?)*)", text)
    if match is None:
        return ShownState(LinkState("", None, None), ())
    contact, order = (int(part) if part else None for part in match.group(2, 3))
    decisions = tuple(int(part) for part in match[4].split(",") if part)
    return ShownState(LinkState(match[1], contact, order), decisions)
