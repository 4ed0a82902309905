"""The first page: search, recent orders, what was promised, chats with a customer, what checks found."""

from __future__ import annotations

from starlette.responses import Response

from whatsapp_pipeline import clock
from whatsapp_pipeline.console.addresses import order_address
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.domain.summaries.wording import ORDER_STATUS
from whatsapp_pipeline.steps.summaries.commitment_words import commitment_line
from whatsapp_pipeline.store.operations import home as store
from whatsapp_pipeline.store.summaries.commitment_lists import (
    CommitmentList,
    commitment_counts,
    commitment_lines,
)

_MONTHS, _ORDERS, _CHECKS, _PROMISES = 12, 15, 12, 12
_WAITING: tuple[CommitmentList, ...] = ("due", "overdue")


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
    today = clock.today()
    waiting = [
        line
        for which in _WAITING
        for line in commitment_lines(page.conn, which, today=today, limit=_PROMISES)
    ]
    promises = [
        {"contact": line.id_contato, "name": line.nome, "text": commitment_line(line)} for line in waiting
    ]
    return page.render(
        "home.html", orders=orders, promises=promises[:_PROMISES],
        promised=commitment_counts(page.conn, today=today),
        months=store.coverage_by_month(page.conn, limit=_MONTHS),
        checks=store.failing_checks(page.conn, limit=_CHECKS), dagster=page.config.dagster_url,
    )  # fmt: skip
