"""Linking one title to a contact and an order, and explaining the decision, without a chat in the archive.

What belongs here: staging the title, and finding its order. What does not: the rules (domain/matching/).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from whatsapp_pipeline.domain.matching.link_types import LinkDecision
from whatsapp_pipeline.domain.matching.order_fitting import with_rates
from whatsapp_pipeline.domain.matching.orders import (
    OrderDecision,
    OrderPolicy,
    SessionToLink,
    link_session,
    with_title,
)
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.steps.links.link_contacts import ContactLinking, LinkOptions
from whatsapp_pipeline.steps.links.order_evidence import by_contact, order_model, to_orders
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import contact_links as links
from whatsapp_pipeline.store.links import order_links


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision on a title, the (nome, fantasia) of each candidate, and the order if a date was given."""

    contact: LinkDecision
    names: dict[int, tuple[str, str]]
    order: OrderDecision | None


def explain_title(
    conn: Connection, title: str, day: date | None, options: LinkOptions, *, log: logging.Logger
) -> Explanation:
    """Link `title` like the title of a chat of `day`. Only a model is written, if one must be fitted."""
    parsed = parse_title(title, default_area_code=options.default_area_code)
    values = {
        "title": title,
        "phone_number": parsed.phone.raw if parsed.phone else None,
        "phone_key": parsed.phone.key if parsed.phone else None,
        "name": parsed.name,
        "order_reference": parsed.order_reference,
        "devices": list(parsed.devices),
        "day": day,
    }
    with conn.transaction():
        row = links.stage_title(conn, values)
        decision = ContactLinking(options, log=log).decide_staged(conn, [row])[0]
        names = links.names_of_contacts(conn, (candidate.id_contato for candidate in decision.candidates))
        order = _order(conn, row, decision, day, log) if day is not None else None
    return Explanation(decision, names, order)


def _order(
    conn: Connection, row: links.StagedChat, decision: LinkDecision, day: date, log: logging.Logger
) -> OrderDecision:
    contact = decision.id_contato
    if contact is None and decision.status == "proposed":
        contact = decision.candidates[0].id_contato
    numbers = (row.order_reference,) if row.order_reference else ()
    session = SessionToLink(
        row.id, contact, day, day, title_number=row.order_reference, title_devices=tuple(row.devices)
    )
    found = to_orders(order_links.orders_about(conn, contact, numbers))
    own = [order for order in found if order.id_contato is not None and order.id_contato == contact]
    session = with_title(session, own)
    named = [order for order in found if order.number in session.numbers or str(order.id) in session.numbers]
    model = order_model(conn, refit=False, log=log)
    known = with_rates([session], by_contact(own), model)[0]
    is_proposed = decision.status == "proposed"
    return link_session(
        known, own, named, OrderPolicy(model=model), decision.confidence if is_proposed else None
    )
