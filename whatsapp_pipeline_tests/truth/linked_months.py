"""One month linked by itself, for tests and benches of the linking steps.

What belongs here: the shortest call of each step. What does not: the steps (steps/links/), which link all
months of a run with one `ContactLinking` and one `OrderLinking`.
"""

from __future__ import annotations

import logging

from whatsapp_pipeline.steps.links.link_contacts import ContactLinking, LinkOptions
from whatsapp_pipeline.steps.links.link_counts import LinkReport
from whatsapp_pipeline.steps.links.link_orders import OrderLinking, OrderLinkOptions
from whatsapp_pipeline.store.connection import Connection


def link_month(conn: Connection, month: str, options: LinkOptions, *, log: logging.Logger) -> LinkReport:
    """Link every chat of `month` (`YYYY-MM`) to contacts, in one transaction."""
    return ContactLinking(options, log=log).link(conn, month)


def link_orders_month(
    conn: Connection, month: str, options: OrderLinkOptions, *, log: logging.Logger
) -> LinkReport:
    """Link every session of the month's chats to orders, in one transaction."""
    return OrderLinking(options, log=log).link(conn, month)
