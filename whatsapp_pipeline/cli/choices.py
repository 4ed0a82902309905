"""Choosing an order or customer when several match the typed text.

What belongs here: asking on a terminal, and listing without one. What does not: finding orders and customers
(store/links/order_lookup.py, steps/summaries/customer.py).
"""

from __future__ import annotations

import sys

import click

from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts.labels import contact_labels
from whatsapp_pipeline.store.links.order_lookup import OrderFound, find_orders

_LISTED = 20


def choose_customer(conn: Connection, who: str, *, default_area_code: str | None) -> int:
    """Return the id of the contact for `who`: an id, a phone or a name.

    If several contacts match, they are listed, and the user chooses at the terminal. The list has only the
    columns that the database role may read. Raises PipelineError if no contact matches, or if several match
    and there is no terminal.
    """
    from whatsapp_pipeline.steps.summaries.customer import SeveralCustomersError, find_customer

    try:
        return find_customer(conn, who, default_area_code=default_area_code)
    except SeveralCustomersError as error:
        labels = contact_labels(conn, error.ids)
        lines = [f"{id_}  {labels.get(id_, '')}".rstrip() for id_ in error.ids]
        index = _choose(lines)
        if index is None:
            raise
        return error.ids[index]


def choose_order(conn: Connection, text: str) -> int:
    """Return the id of the order for `text`: first as an id, then as numero_ordem_servico.

    If several orders have the number, they are listed, and the user chooses at the terminal. Raises
    PipelineError if no order has it, or if several have it and there is no terminal.
    """
    found = find_orders(conn, text)
    if not found:
        raise PipelineError(f"there is no order with the id or number {text.strip()!r} in ordens_servico")
    if len(found) == 1:
        return found[0].id
    index = _choose([_order_line(order) for order in found])
    if index is None:
        raise PipelineError(f"{len(found)} orders have the number {text.strip()}; give one of these ids")
    return found[index].id


def _choose(lines: list[str]) -> int | None:
    """List the choices and ask for one. Return its index in `lines`, or None without a terminal."""
    for rank, line in enumerate(lines[:_LISTED], 1):
        say(f"  {rank}  {line}", err=True)
    if len(lines) > _LISTED:
        say(f"  only the first {_LISTED} are listed; if yours is not among them, give its id", err=True)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    numbers = click.IntRange(1, min(len(lines), _LISTED))
    return int(click.prompt("Number of the one you mean", type=numbers, err=True)) - 1


def _order_line(order: OrderFound) -> str:
    opened = f"{order.opened:%Y-%m-%d}" if order.opened else "no date"
    contact = "no contact" if order.id_contato is None else f"contact {order.id_contato}"
    details = [value for value in (order.equipment, order.status) if value]
    return f"id {order.id}: " + ", ".join([f"number {order.number}", contact, opened, *details])
