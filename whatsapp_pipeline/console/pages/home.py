"""The first page: search, recent orders, how many chats have a customer, what checks found."""

from __future__ import annotations

from starlette.responses import Response

from whatsapp_pipeline.console.addresses import order_address
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.domain.summaries.wording import ORDER_STATUS
from whatsapp_pipeline.store.operations import home as store

_MONTHS, _ORDERS, _CHECKS = 12, 15, 12


def home(page: Page) -> Response:
    """Show the first page."""
    orders = [
        {
            "address": order_address(order.numero, order.id),
            "number": order.numero or order.id,
            "status": ORDER_STATUS.get(order.situacao or "", ""),
            "opened": order.data_emissao,
            "contact": order.id_contato,
            "name": order.nome,
        }
        for order in store.recent_orders(page.conn, limit=_ORDERS)
    ]
    return page.render(
        "home.html", orders=orders, months=store.coverage_by_month(page.conn, limit=_MONTHS),
        checks=store.failing_checks(page.conn, limit=_CHECKS), dagster=page.config.dagster_url,
    )  # fmt: skip
