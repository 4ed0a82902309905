"""Months whose links are stale, and the reasons.

What belongs here: comparing the input hashes of both stages with the stored ones, and the texts of reasons.
What does not: the hashes (store/links/link_parts.py), and files and code versions (automation/backfill.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from whatsapp_pipeline.steps.links.link_contacts import ContactLinking, LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinking, OrderLinkOptions
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import link_parts

_LOG = logging.getLogger(__name__)
_REASONS = {
    "contacts": "contacts changed since it was linked",
    "orders": "orders changed since it was linked",
    "decisions": "overrides changed since it was linked",
    "chats": "chats changed since they were linked",
    "rules": "the rules or settings of linking changed",
    "model": "a new model was fitted",
    "phone_weights": "verdicts changed the confidence of links by phone",
    "links": "another program changed links",
}
_DUE = {"model": "a model must be fitted again", "phone_weights": _REASONS["phone_weights"]}
_NO_PARTS = "linked by an older release"


def stale_months(
    conn: Connection, months: Sequence[str], *, default_area_code: str | None
) -> Iterator[tuple[str, str]]:
    """Yield (month, reason) for each month whose links are stale, with each reason once per month.

    A run decides the links of these months again. It would change nothing in the other months.
    """
    contacts = ContactLinking(LinkOptions(default_area_code=default_area_code), log=_LOG)
    orders = OrderLinking(OrderLinkOptions(), log=_LOG)
    kept = link_parts.stored_parts(conn, months)
    for month in months:
        reasons: dict[str, None] = {}
        orders_now = link_parts.orders_part(conn, month)
        for stage, linking in (("contact_links", contacts), ("order_links", orders)):
            before = kept.get((stage, month))
            if before is None:
                reasons[_NO_PARTS] = None
                continue
            now = {**linking.input_hashes(conn, month), "orders": orders_now}
            reasons |= {
                _REASONS[name]: None for name in link_parts.PARTS if before.get(name) != now.get(name)
            }
            reasons |= {_DUE[name]: None for name in linking.models_to_refit(conn, month)}
        yield from ((month, words) for words in reasons)
