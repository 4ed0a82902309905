"""Addresses of the console's pages, for links in other pages and programs.

What belongs here: building addresses. What does not: the routes (app.py).
"""

from __future__ import annotations

from urllib.parse import quote


def order_address(number: str | None, id_order: int) -> str:
    """Return the path of an order's page.

    The path has the id, because two orders can have the same number.
    """
    return f"/orders/{quote(number or '-', safe='')}?id={id_order}"


def customer_address(id_contato: int) -> str:
    """Return the path of a customer's page."""
    return f"/customers/{id_contato}"


def message_address(ref: str, *, customer: int | None = None) -> str:
    """Return the address that opens a conversation at a message, such as `chat:12`."""
    if customer is None:
        return f"/messages/{ref}"
    return f"{customer_address(customer)}?around={ref}#{ref}"
