"""The first page: search, open cases, recent orders, commitments, coverage, failing checks."""

from __future__ import annotations

from starlette.responses import Response

from whatsapp_pipeline import clock
from whatsapp_pipeline.console.addresses import order_address
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.cases import DAYS, read_cases
from whatsapp_pipeline.console.pages.commitments import shown_commitment
from whatsapp_pipeline.domain.summaries.wording import ORDER_STATUS
from whatsapp_pipeline.store.operations import home as store
from whatsapp_pipeline.store.summaries.commitment_lists import (
    commitment_counts,
    commitment_lines,
)

_MONTHS, _ORDERS, _CHECKS, _PROMISES = 12, 15, 12, 12


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
    waiting = commitment_lines(page.conn, "waiting", today=today, limit=_PROMISES)
    months, checks, health = store.coverage_and_checks(page.conn, months=_MONTHS, checks=_CHECKS)
    return page.render(
        "home.html",
        orders=orders,
        promises=[shown_commitment(line) for line in waiting],
        promised=commitment_counts(page.conn, today=today),
        months=months,
        checks=checks,
        health=health,
        dagster=page.config.dagster_url,
        open_cases=read_cases(page),
        handle_days=DAYS,
    )
