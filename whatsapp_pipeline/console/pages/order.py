"""A service order's page: its data, the linked sessions, and the messages of all sessions by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from whatsapp_pipeline.console.addresses import order_address
from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page, number_or_none
from whatsapp_pipeline.console.pages.conversation import read_conversation, seen_in
from whatsapp_pipeline.domain.summaries.wording import ORDER_STATUS
from whatsapp_pipeline.store.contacts.directory import OrderListed, order_by_id, orders_numbered
from whatsapp_pipeline.store.conversations.message_stream import StreamScope
from whatsapp_pipeline.store.links.order_sessions import sessions_of_order


@dataclass(frozen=True, slots=True)
class OrderShown:
    """An order as pages show it."""

    id: int
    number: str
    address: str
    status: str
    device: str | None
    opened: Any
    closed: Any
    id_contato: int | None
    name: str | None


def shown_order(order: OrderListed) -> OrderShown:
    """Return an order as pages show it."""
    return OrderShown(
        order.id,
        order.numero or str(order.id),
        order_address(order.numero, order.id),
        ORDER_STATUS.get(order.situacao or "", ""),
        order.equipamento,
        order.data_emissao,
        order.data_conclusao,
        order.id_contato,
        order.nome,
    )


def show_order(page: Page) -> Response:
    """Show an order, or a list to choose from if several orders have the number."""
    found = find_order(page)
    if isinstance(found, list):
        return page.render("order_choice.html", orders=[shown_order(one) for one in found])
    may_read = page.visitor.may("analyst")
    sessions = sessions_of_order(page.conn, found.id, with_messages=may_read)
    conversation = None
    if may_read:
        path = f"/orders/{quote(found.numero or '-', safe='')}"
        conversation, messages = read_conversation(
            page, StreamScope("order", found.id), path, hidden={"id": str(found.id)}
        )
        page.record("view", seen_in(messages) or {(found.id_contato, f"order:{found.id}")})
    return page.render(
        "order.html",
        order=shown_order(found),
        sessions={one.id: one for one in sessions},
        conversation=conversation,
        total=sum(one.message_count for one in sessions),
    )


def find_order(page: Page) -> OrderListed | list[OrderListed]:
    """Return the order of an address, or all orders that it may mean.

    Raises PageError (not_found) if there is none.
    """
    if page.text("id"):
        number = number_or_none(page.text("id"))
        one = None if number is None else order_by_id(page.conn, number, with_device=True)
        if one is None:
            raise PageError("not_found")
        return one
    wanted = page.clean(page.request.path_params["number"])
    found = orders_numbered(page.conn, wanted, with_device=True) if wanted.strip("#0 ") else []
    if not found:
        raise PageError("not_found")
    return found[0] if len(found) == 1 else found
